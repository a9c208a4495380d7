#include "bitloss/tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "bitloss/base/file.h"
#include "bitloss/json/parse.h"

namespace bitloss {
namespace {

using AddTokens = Tokenizer::AddTokens;
using Special = Tokenizer::Special;
using SpecialOut = Tokenizer::SpecialOut;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// A folder of its own for each test, gone afterwards.
class TokenizerTest : public ::testing::Test {
 protected:
  TokenizerTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tokenizer-XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  ~TokenizerTest() override { std::filesystem::remove_all(folder_); }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  Result<Tokenizer> Read(const std::string& tokenizer_json) {
    Write("tokenizer.json", tokenizer_json);
    return Tokenizer::FromFolder(folder_);
  }
  Tokenizer Good(const Json& definition) {
    auto tokenizer = Read(definition.dump());
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.error().message;
    return tokenizer.value();
  }
  // The message with which `tokenizer_json` is refused: one line.
  std::string Refusal(const std::string& tokenizer_json) {
    const auto tokenizer = Read(tokenizer_json);
    if (tokenizer.ok()) return "accepted";
    EXPECT_THAT(tokenizer.error().message, AllOf(HasSubstr("tokenizer"), Not(HasSubstr("\n"))));
    return tokenizer.error().message;
  }

  std::filesystem::path folder_;
};

// Letters a to d, "ab" and "abc", all bytes of ASCII text that tests use.
Json SmallBytes() {
  return ParseJson(R"json({
    "version": "1.0", "added_tokens": [
      {"id": 9, "content": "<|end|>", "special": true, "normalized": false, "single_word": false,
       "lstrip": false, "rstrip": false}],
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
                      "use_regex": true},
    "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true,
                "use_regex": true},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "d": 3, "ab": 4, "abc": 5,
                                       "\u0120": 6, "\u0120a": 7, "\u00c3": 8},
              "merges": ["a b", "ab c", ["\u0120", "a"]]}})json")
      .value();
}

TEST_F(TokenizerTest, EncodesAndDecodesWhatPythonsTokenizersDoes) {
  const auto text =
      ReadFile(BITLOSS_SOURCE_DIR "/src/bitloss/tokenizer/testdata/small_tokenizers.json");
  ASSERT_TRUE(text.ok());
  const Json entries = ParseJson(text.value()).value();
  for (const Json& entry : entries) {
    SCOPED_TRACE(entry["title"]);
    auto tokenizer = entry.contains("folder")
                         ? Tokenizer::FromFolder(std::filesystem::path(BITLOSS_SOURCE_DIR) /
                                                 entry["folder"].get<std::string>())
                         : Read(entry["tokenizer"].dump());
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
    for (const Json& result : entry["results"]) {
      const std::string input = result["text"];
      const auto ids = [&](Special special, AddTokens add) {
        return tokenizer.value().Encode(input, special, add).value();
      };
      const auto with_model = ids(Special::kParse, AddTokens::kModel);
      EXPECT_EQ(Json(ids(Special::kParse, AddTokens::kNone)), result["ids"]) << input;
      EXPECT_EQ(Json(with_model), result["ids_with_model_tokens"]) << input;
      EXPECT_EQ(Json(ids(Special::kAsText, AddTokens::kNone)), result["ids_special_as_text"])
          << input;
      EXPECT_EQ(tokenizer.value().Decode(with_model, SpecialOut::kKeep), result["decoded"])
          << input;
      EXPECT_EQ(tokenizer.value().Decode(with_model, SpecialOut::kSkip),
                result["decoded_without_special"])
          << input;
    }
  }
}

// As `tokenizers` 0.23.3, asked of every character: that of Unicode 8, and ASCII's.
TEST_F(TokenizerTest, TakesForPunctuationWhatTokenizersDoes) {
  Json definition = ReadJsonFile(BITLOSS_SOURCE_DIR "/models/bitloss-tiny/tokenizer.json").value();
  definition["normalizer"] = nullptr;
  definition["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Punctuation"}, {"behavior", "Removed"}},
        {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
  const Tokenizer tokenizer = Good(definition);
  const auto removes = [&](const char* text) {
    return tokenizer.Encode(text, Special::kAsText, AddTokens::kNone).value().empty();
  };
  for (const char* mark :
       {"!", "$", "`", "~", "\u00bf", "\u3001", "\u166d", "\u2e42", "\U00010a7f", "\U000111c9"}) {
    EXPECT_TRUE(removes(mark)) << mark;
  }
  for (const char* other : {"a", "7", " ", "\u00b4", "\u061d", "\u2e43", "\u2e52", "\U0001144b",
                            "\U00011a9e", "\U0001e95e"}) {
    EXPECT_FALSE(removes(other)) << other;
  }
}

// Cuts of the same tokens in another order have the same score but for its last bit, which depends
// on how the decimals are read. The ids are those of `tokenizers` 0.23.3.
TEST_F(TokenizerTest, DecidesBetweenEqualScoresAsTokenizersDoes) {
  const auto ids = [this](double a, double aa, double aaa) {
    const Json definition = {
        {"version", "1.0"},
        {"added_tokens", Json::array()},
        {"model",
         {{"type", "Unigram"},
          {"unk_id", 0},
          {"byte_fallback", false},
          {"vocab", Json::array({{"<unk>", 0.0}, {"a", a}, {"aa", aa}, {"aaa", aaa}})}}}};
    return Good(definition).Encode("aaaaaaa", Special::kAsText, AddTokens::kNone).value();
  };
  EXPECT_EQ(ids(-5.928945601200017, -3.8564005663967555, -4.990989644868815),
            (std::vector<TokenId>{2, 3, 2}));
  EXPECT_EQ(ids(-5.879978251626048, -3.9869136550287956, -4.434352312675651),
            (std::vector<TokenId>{2, 2, 3}));
}

TEST_F(TokenizerTest, KnowsTheTokensOfBitlossTiny) {
  const auto read = Tokenizer::FromFolder(BITLOSS_SOURCE_DIR "/models/bitloss-tiny");
  ASSERT_TRUE(read.ok()) << read.error().message;
  const Tokenizer& tokenizer = read.value();
  EXPECT_EQ(tokenizer.num_tokens(), 2043u);
  EXPECT_EQ(tokenizer.bos(), std::nullopt);
  EXPECT_EQ(tokenizer.eos(), 2042);
  EXPECT_FALSE(tokenizer.adds_bos());
  EXPECT_EQ(tokenizer.Find("<|im_end|>"), 2042);
  EXPECT_EQ(tokenizer.Find("<|no_such_token|>"), std::nullopt);
  EXPECT_EQ(tokenizer.Spelling(2042), "<|im_end|>");
  EXPECT_EQ(tokenizer.Spelling(2047), "");
  EXPECT_THAT(tokenizer.chat_template(), HasSubstr("You are a helpful assistant."));
  EXPECT_EQ(tokenizer.identity().size(), 64u);
}

TEST_F(TokenizerTest, DecodesWhatIsNoTokenAsNothingAndBrokenBytesAsReplacements) {
  const Tokenizer tokenizer = Good(SmallBytes());
  const std::vector<TokenId> ids = {0, -1, 100, 8, 1, 9};
  EXPECT_EQ(tokenizer.Decode(ids, SpecialOut::kKeep),
            "a\xEF\xBF\xBD"
            "b<|end|>");
  EXPECT_EQ(tokenizer.Decode(ids, SpecialOut::kSkip),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(tokenizer.Decode({}, SpecialOut::kKeep), "");
}

TEST_F(TokenizerTest, NamesTheByteThatIsNotUtf8) {
  const auto ids = Good(SmallBytes()).Encode("abc\xFFz", Special::kParse, AddTokens::kNone);
  ASSERT_FALSE(ids.ok());
  EXPECT_THAT(ids.error().message, AllOf(HasSubstr("byte 3"), HasSubstr("0xFF")));
}

TEST_F(TokenizerTest, GivesTheSameIdsToAllThreads) {
  const Tokenizer tokenizer = Good(SmallBytes());
  const std::string text = "abc ab a abcabc dab <|end|> abc";
  const auto expected = tokenizer.Encode(text, Special::kParse, AddTokens::kNone).value();
  const Tokenizer fresh = Good(SmallBytes());  // nothing asked yet
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 100; ++j) {
        EXPECT_EQ(fresh.Encode(text, Special::kParse, AddTokens::kNone).value(), expected);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(TokenizerTest, HasOneIdentityHoweverTheFileIsWritten) {
  const std::string identity = Good(SmallBytes()).identity();
  Json other = SmallBytes();
  other["model"]["merges"] = ParseJson(R"([["a", "b"], ["ab", "c"], ["\u0120", "a"]])").value();
  EXPECT_EQ(Good(other).identity(), identity);
  other["model"]["merges"] = ParseJson(R"(["ab c", "a b", "\u0120 a"])").value();
  EXPECT_NE(Good(other).identity(), identity);
  other = SmallBytes();
  other["normalizer"] = {{"type", "NFC"}};
  EXPECT_NE(Good(other).identity(), identity);
}

TEST_F(TokenizerTest, ReadsBosEosAndTemplateFromTheConfig) {
  Write("tokenizer_config.json",
        R"({"bos_token": {"content": "a"}, "eos_token": "<|end|>", "add_bos_token": true,
            "chat_template": [{"name": "tool_use", "template": "x"},
                              {"name": "default", "template": "y"}]})");
  const Tokenizer tokenizer = Good(SmallBytes());
  EXPECT_EQ(tokenizer.bos(), 0);
  EXPECT_EQ(tokenizer.eos(), 9);
  EXPECT_TRUE(tokenizer.adds_bos());
  EXPECT_THAT(tokenizer.Encode("b", Special::kParse, AddTokens::kModel).value(), ElementsAre(0, 1));
  EXPECT_THAT(tokenizer.Encode("b", Special::kParse, AddTokens::kNone).value(), ElementsAre(1));
  EXPECT_EQ(tokenizer.chat_template(), "y");
  Write("chat_template.jinja", "z");
  EXPECT_EQ(Good(SmallBytes()).chat_template(), "z");
}

TEST_F(TokenizerTest, RefusesAConfigThatDoesNotFit) {
  Write("tokenizer_config.json", R"({"eos_token": "<|other|>"})");
  EXPECT_THAT(Refusal(SmallBytes().dump()), HasSubstr("eos_token names '<|other|>'"));
  Write("tokenizer_config.json", R"({"added_tokens_decoder": {"10": {"content": "<|more|>"}}})");
  EXPECT_THAT(Refusal(SmallBytes().dump()), HasSubstr("'<|more|>' with id 10"));
  Write("tokenizer_config.json", R"({"eos_token": )");
  EXPECT_THAT(Refusal(SmallBytes().dump()), HasSubstr("not valid JSON"));
}

TEST_F(TokenizerTest, RefusesAFolderWithoutATokenizer) {
  const auto tokenizer = Tokenizer::FromFolder(folder_);
  ASSERT_FALSE(tokenizer.ok());
  EXPECT_EQ(tokenizer.error().kind, ErrorKind::kNotFound);
}

TEST_F(TokenizerTest, RefusesTruncatedFilesAtEveryByte) {
  const std::string whole = SmallBytes().dump();
  for (size_t size = 0; size < whole.size(); ++size) {
    ASSERT_FALSE(Read(whole.substr(0, size)).ok()) << size;
  }
  EXPECT_TRUE(Read(whole).ok());
}

TEST_F(TokenizerTest, RefusesDeepNesting) {
  const std::string deep(1'000'000, '[');
  EXPECT_THAT(Refusal(deep), HasSubstr("values nest deeper than 100"));
  EXPECT_THAT(Refusal(R"({"model":)" + deep), HasSubstr("values nest deeper than 100"));
}

TEST_F(TokenizerTest, RefusesIdsThatAreOutOfRangeOrTaken) {
  const auto with_vocab = [](const std::string& vocab) {
    return R"({"model": {"type": "BPE", "vocab": )" + vocab + R"(, "merges": []}})";
  };
  EXPECT_THAT(Refusal(with_vocab(R"({"a": 2147483648})")), HasSubstr("'a' has id 2147483648"));
  EXPECT_THAT(Refusal(with_vocab(R"({"a": -1})")), HasSubstr("id of token 'a'"));
  EXPECT_THAT(Refusal(with_vocab(R"({"a": 1.5})")), HasSubstr("id of token 'a'"));
  EXPECT_THAT(Refusal(with_vocab(R"({"a": "1"})")), HasSubstr("id of token 'a'"));
  EXPECT_THAT(Refusal(with_vocab(R"({"a": {}})")), HasSubstr("id of token 'a'"));
  EXPECT_THAT(Refusal(with_vocab(R"({"a": 99999999999999999999999})")), HasSubstr("token 'a'"));
  EXPECT_THAT(Refusal(with_vocab(R"({"a": 1, "b": 1})")), HasSubstr("id 1 is given to 'a' and"));
  EXPECT_THAT(Refusal(with_vocab(R"({"a": 1, "a": 2})")), HasSubstr("'a' is listed twice"));
  EXPECT_THAT(Refusal(with_vocab("{}")), HasSubstr("model.vocab is missing or empty"));
  EXPECT_THAT(Refusal(with_vocab("[]")), HasSubstr("model.vocab is not an object"));
  Json added = SmallBytes();
  added["added_tokens"][0]["id"] = 4;
  EXPECT_THAT(Refusal(added.dump()), HasSubstr("id 4 is given to 'ab' and to '<|end|>'"));
  added["added_tokens"][0]["id"] = 10;
  EXPECT_THAT(Refusal(added.dump()), HasSubstr("'<|end|>' has id 10, but the next free one is 9"));
  added["added_tokens"][0]["id"] = 4294967296;
  EXPECT_THAT(Refusal(added.dump()), HasSubstr("added_tokens[0].id: 4294967296"));
  added["added_tokens"][0] = {{"id", 9}, {"content", ""}};
  EXPECT_THAT(Refusal(added.dump()), HasSubstr("added_tokens[0].content is empty"));
}

TEST_F(TokenizerTest, KeepsMessagesOnOneLineWhateverTheyQuote) {
  const std::string long_token(100'000, 'x');
  EXPECT_THAT(Refusal(R"({"model": {"vocab": {"\n\u001b[31m": 1, "b": 1}}})"),
              HasSubstr(R"(id 1 is given to '\x0A\x1B[31m')"));
  EXPECT_LT(Refusal(R"({"model": {"vocab": {")" + long_token + R"(": 1, "b": 1}}})").size(), 700u);
}

TEST_F(TokenizerTest, RefusesMergesOfUnknownTokensAndMergesThatAreNone) {
  const auto with_merges = [](const char* merges) {
    Json definition = SmallBytes();
    definition["model"]["merges"] = ParseJson(merges).value();
    return definition.dump();
  };
  EXPECT_THAT(Refusal(with_merges(R"(["a b", "x y"])")), HasSubstr("merge 1 needs the token 'x'"));
  EXPECT_THAT(Refusal(with_merges(R"(["b a"])")), HasSubstr("merge 0 needs the token 'ba'"));
  EXPECT_THAT(Refusal(with_merges(R"(["ab"])")), HasSubstr("entry 0 is not two tokens"));
  EXPECT_THAT(Refusal(with_merges(R"(["a b c"])")), HasSubstr("entry 0 is not two tokens"));
  EXPECT_THAT(Refusal(with_merges(R"([["a", "b", "c"]])")), HasSubstr("is not two tokens"));
  EXPECT_THAT(Refusal(with_merges(R"([["a"]])")), HasSubstr("is not two tokens"));
  EXPECT_THAT(Refusal(with_merges(R"([1])")), HasSubstr("is not two tokens"));
  EXPECT_THAT(Refusal(with_merges(R"("a b")")), HasSubstr("model.merges is not an array"));
}

TEST_F(TokenizerTest, RefusesByNameWhatIsNotImplemented) {
  const auto with = [](const char* pointer, const Json& value) {
    Json definition = SmallBytes();
    definition[Json::json_pointer(pointer)] = value;
    return definition.dump();
  };
  EXPECT_THAT(Refusal(with("/model/type", "WordPiece")), HasSubstr("model.type: 'WordPiece'"));
  EXPECT_THAT(Refusal(with("/model/dropout", 0.1)), HasSubstr("model.dropout"));
  EXPECT_THAT(Refusal(with("/model/end_of_word_suffix", "</w>")), HasSubstr("end_of_word_suffix"));
  EXPECT_THAT(Refusal(with("/model/unk_token", "?")), HasSubstr("model.unk_token: '?'"));
  EXPECT_THAT(Refusal(with("/model/novelty", 1)), HasSubstr("model.novelty"));
  EXPECT_THAT(Refusal(with("/truncation", {{"max_length", 5}})), HasSubstr("truncation"));
  EXPECT_THAT(Refusal(with("/normalizer", {{"type", "Lowercase"}})), HasSubstr("'Lowercase'"));
  EXPECT_THAT(Refusal(with("/pre_tokenizer", {{"type", "UnicodeScripts"}})),
              HasSubstr("'UnicodeScripts'"));
  EXPECT_THAT(Refusal(with("/post_processor", {{"type", "BertProcessing"}})),
              HasSubstr("'BertProcessing'"));
  EXPECT_THAT(Refusal(with("/decoder", {{"type", "WordPiece"}})), HasSubstr("'WordPiece'"));
  EXPECT_THAT(Refusal(with("/added_tokens/0/colour", "red")), HasSubstr("added_tokens[0].colour"));
  EXPECT_THAT(Refusal(with("/pre_tokenizer", ParseJson(R"({"type": "Sequence", "pretokenizers": [
      {"type": "Digits", "individual_digits": true}, {"type": "Split", "invert": false,
       "pattern": {"Regex": "\\Gx"}, "behavior": "Isolated"}]})")
                                                 .value())),
              HasSubstr("pre_tokenizer.pretokenizers[1].pattern: '\\G' at byte 0"));
  EXPECT_THAT(Refusal(with("/normalizer", ParseJson(R"({"type": "Replace", "content": "",
      "pattern": {"Regex": " *"}})")
                                              .value())),
              HasSubstr("normalizer.pattern: ' *' can match nothing"));
}

TEST_F(TokenizerTest, RefusesAUnigramModelThatIsNone) {
  const auto with = [](const std::string& fields) {
    return R"({"model": {"type": "Unigram", )" + fields + "}}";
  };
  EXPECT_THAT(Refusal(with(R"("vocab": [])")), HasSubstr("model.vocab is empty"));
  EXPECT_THAT(Refusal(with(R"("vocab": {"a": 0})")), HasSubstr("model.vocab is not an array"));
  EXPECT_THAT(Refusal(with(R"("vocab": [["a", 0.5], ["b"]])")),
              HasSubstr("entry 1 is not a token and its score"));
  EXPECT_THAT(Refusal(with(R"("vocab": [["a", "x"]])")), HasSubstr("entry 0 is not a token"));
  EXPECT_THAT(Refusal(with(R"("vocab": [["a", 0], ["a", 1]])")), HasSubstr("listed twice"));
  EXPECT_THAT(Refusal(with(R"("vocab": [["a", 0]], "unk_id": 1)")),
              HasSubstr("model.unk_id is 1, but there are 1 tokens"));
  EXPECT_THAT(Refusal(with(R"("vocab": [["a", 0]], "alpha": 0.1)")), HasSubstr("model.alpha"));
  const auto small = Read(with(R"("vocab": [["a", -1.0], ["ab", -3.0], ["b", -1.5]])"));
  ASSERT_TRUE(small.ok()) << small.error().message;
  // -2.5 beats -3.
  EXPECT_THAT(small.value().Encode("ab", Special::kParse, AddTokens::kNone).value(),
              ElementsAre(0, 2));
  const auto unknown = small.value().Encode("ac", Special::kParse, AddTokens::kNone);
  ASSERT_FALSE(unknown.ok());
  EXPECT_THAT(unknown.error().message, HasSubstr("'c' is no token"));
}

TEST_F(TokenizerTest, RefusesWhatHidesWhereATextBegins) {
  Json definition = SmallBytes();
  definition["normalizer"] = {{"type", "Strip"}, {"strip_left", true}, {"strip_right", false}};
  definition["pre_tokenizer"] = {
      {"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "first"}};
  EXPECT_THAT(Refusal(definition.dump()), HasSubstr("may drop what a text begins with"));
}

TEST_F(TokenizerTest, RefusesATemplateThatNamesTokensThatAreNone) {
  Json definition = SmallBytes();
  definition["post_processor"] = ParseJson(R"({"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}], "pair": [],
      "special_tokens": {"<s>": {"id": "<s>", "ids": [77], "tokens": ["<s>"]}}})")
                                     .value();
  EXPECT_THAT(Refusal(definition.dump()), HasSubstr("no token has id 77"));
}

TEST_F(TokenizerTest, GivesUpOnAPatternThatBacktracksWithoutEnd) {
  Json definition = SmallBytes();
  definition["pre_tokenizer"] = ParseJson(R"({"type": "Sequence", "pretokenizers": [
      {"type": "Split", "pattern": {"Regex": "(?:a+)+[bd]"}, "behavior": "Isolated", "invert": false},
      {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]})")
                                    .value();
  const Tokenizer tokenizer = Good(definition);
  const auto ids = tokenizer.Encode(std::string(64, 'a') + "c", Special::kParse, AddTokens::kNone);
  ASSERT_FALSE(ids.ok());
  EXPECT_THAT(ids.error().message, HasSubstr("gave up at byte 0"));
}

TEST_F(TokenizerTest, EncodesLongRunsOfOneCharacter) {
  const auto read = Tokenizer::FromFolder(BITLOSS_SOURCE_DIR "/models/bitloss-tiny");
  ASSERT_TRUE(read.ok());
  for (const char* unit : {" ", "a", "\n", "1", "="}) {
    std::string text;
    for (int i = 0; i < 200'000; ++i) text += unit;
    const auto ids = read.value().Encode(text, Special::kParse, AddTokens::kModel);
    ASSERT_TRUE(ids.ok()) << ids.error().message;
    EXPECT_EQ(read.value().Decode(ids.value(), SpecialOut::kKeep), text);
  }
}

}  // namespace
}  // namespace bitloss
