#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "bitloss/base/file.h"
#include "bitloss/checkpoint/gguf.h"
#include "bitloss/checkpoint/test_files.h"
#include "bitloss/json/parse.h"
#include "bitloss/tokenizer/tokenizer.h"

namespace bitloss {
namespace {

using AddTokens = Tokenizer::AddTokens;
using Special = Tokenizer::Special;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint32_t kBool = 7;
constexpr uint32_t kArray = 9;
constexpr uint32_t kInt32 = 5;
constexpr uint32_t kFloat32 = 6;

std::string Source(const std::string& path) {
  const auto text = ReadFile(std::filesystem::path(BITLOSS_SOURCE_DIR) / path);
  EXPECT_TRUE(text.ok());
  return text.value();
}

template <class T>
std::string Array(uint32_t type, const std::vector<T>& values) {
  std::string bytes = test_files::Raw(type) + test_files::Raw(uint64_t{values.size()});
  for (const T value : values) bytes += test_files::Raw(value);
  return bytes;
}

Result<Tokenizer> Read(const test_files::Gguf& gguf) {
  const test_files::Folder folder;
  const auto file = GgufFile::Open(folder.Write("t.gguf", gguf.Build()));
  EXPECT_TRUE(file.ok()) << file.error().message;
  return Tokenizer::FromGguf(file.value());
}

std::string Refusal(const test_files::Gguf& gguf) {
  const auto tokenizer = Read(gguf);
  return tokenizer.ok() ? "accepted" : tokenizer.error().message;
}

// The same tokenizer, as a converter writes it.
test_files::Gguf ByteLevelFrom(const Json& json, const std::string& pre) {
  std::vector<std::string> tokens(json["model"]["vocab"].size() + json["added_tokens"].size());
  std::vector<int32_t> types(tokens.size(), 1);
  for (const auto& [token, id] : json["model"]["vocab"].items()) tokens.at(id) = token;
  for (const Json& token : json["added_tokens"]) {
    tokens.at(token["id"]) = token["content"];
    types.at(token["id"]) = token["special"] ? 3 : 4;
  }
  test_files::Gguf gguf;
  gguf.Text("tokenizer.ggml.model", "gpt2").Text("tokenizer.ggml.pre", pre);
  gguf.Texts("tokenizer.ggml.tokens", tokens);
  gguf.Pair("tokenizer.ggml.token_type", kArray, Array(kInt32, types));
  gguf.Texts("tokenizer.ggml.merges", json["model"]["merges"].get<std::vector<std::string>>());
  return gguf;
}

test_files::Gguf Small(const std::vector<std::string>& tokens,
                       const std::vector<std::string>& merges) {
  test_files::Gguf gguf;
  gguf.Text("tokenizer.ggml.model", "gpt2").Text("tokenizer.ggml.pre", "qwen2");
  gguf.Texts("tokenizer.ggml.tokens", tokens).Texts("tokenizer.ggml.merges", merges);
  return gguf;
}

TEST(TokenizerFromGguf, EqualsTheTokenizerJsonThatItWasMadeFrom) {
  const auto folder = Tokenizer::FromFolder(BITLOSS_SOURCE_DIR "/models/bitloss-tiny");
  ASSERT_TRUE(folder.ok());
  const Json json = ParseJson(Source("models/bitloss-tiny/tokenizer.json")).value();
  const auto gguf = Read(ByteLevelFrom(json, "qwen2")
                             .Uint("tokenizer.ggml.eos_token_id", 2042)
                             .Text("tokenizer.chat_template", "template"));
  ASSERT_TRUE(gguf.ok()) << gguf.error().message;
  EXPECT_EQ(gguf.value().identity(), folder.value().identity());
  EXPECT_EQ(gguf.value().eos(), 2042);
  EXPECT_EQ(gguf.value().bos(), std::nullopt);
  EXPECT_EQ(gguf.value().chat_template(), "template");
  const std::string text = "<|im_start|>" + Source("models/bitloss-tiny/eval.txt") + " e\u0301";
  for (const Special special : {Special::kParse, Special::kAsText}) {
    EXPECT_EQ(gguf.value().Encode(text, special, AddTokens::kModel).value(),
              folder.value().Encode(text, special, AddTokens::kModel).value());
  }
}

TEST(TokenizerFromGguf, HasAllItsChatTemplatesAndNamedTokens) {
  auto file = Small({"a", "b", "<s>"}, {});
  file.Text("tokenizer.chat_template", "x").Texts("tokenizer.chat_templates", {"rag"});
  file.Text("tokenizer.chat_template.rag", "y").Uint("tokenizer.ggml.bos_token_id", 2);
  const auto gguf = Read(file);
  ASSERT_TRUE(gguf.ok()) << gguf.error().message;
  ASSERT_EQ(gguf.value().chat_templates().size(), 2u);
  EXPECT_EQ(gguf.value().chat_template(), "x");
  EXPECT_EQ(gguf.value().chat_templates()[1].name, "rag");
  EXPECT_EQ(gguf.value().chat_templates()[1].jinja, "y");
  EXPECT_EQ(gguf.value().chat_templates()[1].origin, "tokenizer.chat_template.rag");
  ASSERT_EQ(gguf.value().named_tokens().size(), 1u);
  EXPECT_EQ(gguf.value().named_tokens()[0].name, "bos_token");
  EXPECT_EQ(gguf.value().named_tokens()[0].content, "<s>");
}

// "byte fallback" of small_tokenizers.json as scores: the earlier a merge, the higher the score of
// what it makes. The ids are those of Python's tokenizers.
TEST(TokenizerFromGguf, MergesSentencePieceByScoreAsTokenizersDoesByRank) {
  const Json all =
      ParseJson(Source("src/bitloss/tokenizer/testdata/small_tokenizers.json")).value();
  const auto entry = std::find_if(all.begin(), all.end(),
                                  [](const Json& e) { return e["title"] == "byte fallback"; });
  ASSERT_NE(entry, all.end());
  const Json& model = (*entry)["tokenizer"]["model"];
  std::vector<std::string> tokens(model["vocab"].size());
  for (const auto& [token, id] : model["vocab"].items()) tokens.at(id) = token;
  std::vector<int32_t> types(tokens.size(), 1);
  std::vector<float> scores(tokens.size(), -1000.0f);
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].starts_with("<0x")) types[i] = 6;
  }
  types[0] = 2;
  types[1] = types[2] = 3;
  for (size_t rank = 0; rank < model["merges"].size(); ++rank) {
    const Json& merge = model["merges"][rank];
    const std::string joined = merge[0].get<std::string>() + merge[1].get<std::string>();
    scores.at(model["vocab"][joined]) = -static_cast<float>(rank);
  }
  test_files::Gguf gguf;
  gguf.Text("tokenizer.ggml.model", "llama").Texts("tokenizer.ggml.tokens", tokens);
  gguf.Pair("tokenizer.ggml.token_type", kArray, Array(kInt32, types));
  gguf.Pair("tokenizer.ggml.scores", kArray, Array(kFloat32, scores));
  gguf.Uint("tokenizer.ggml.bos_token_id", 1).Uint("tokenizer.ggml.unknown_token_id", 0);
  const auto tokenizer = Read(gguf);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  EXPECT_TRUE(tokenizer.value().adds_bos());
  for (const Json& result : (*entry)["results"]) {
    const std::string text = result["text"];
    const auto ids = tokenizer.value().Encode(text, Special::kParse, AddTokens::kModel).value();
    EXPECT_EQ(Json(ids), result["ids_with_model_tokens"]) << text;
    EXPECT_EQ(tokenizer.value().Decode(ids, Tokenizer::SpecialOut::kSkip),
              result["decoded_without_special"])
        << text;
  }
}

TEST(TokenizerFromGguf, LetsTheFileDecideWhetherBosGoesInFront) {
  const auto with = [](const char* pre, std::optional<bool> add) {
    test_files::Gguf gguf;
    gguf.Text("tokenizer.ggml.model", "gpt2").Text("tokenizer.ggml.pre", pre);
    gguf.Texts("tokenizer.ggml.tokens", {"a", "b"}).Texts("tokenizer.ggml.merges", {});
    gguf.Uint("tokenizer.ggml.bos_token_id", 1);
    if (add) gguf.Pair("tokenizer.ggml.add_bos_token", kBool, test_files::Raw(uint8_t{*add}));
    return Read(gguf).value().adds_bos();
  };
  EXPECT_FALSE(with("qwen2", std::nullopt));
  EXPECT_TRUE(with("qwen2", true));
  EXPECT_TRUE(with("llama-bpe", std::nullopt));
  EXPECT_FALSE(with("llama-bpe", false));
}

TEST(TokenizerFromGguf, LetsPhi3sTokensTakeTheSpaceBehindThem) {
  const auto ids = [](const std::string& name) {
    auto gguf = Small({"a", "\u0120", "<|user|>", "<s>"}, {}).Text("general.name", name);
    gguf.Pair("tokenizer.ggml.token_type", kArray, Array<int32_t>(kInt32, {1, 1, 3, 3}));
    return Read(gguf).value().Encode("<s> a<|user|>  a", Special::kParse, AddTokens::kNone).value();
  };
  EXPECT_THAT(ids("Phi-3 mini"), ElementsAre(3, 1, 0, 2, 0));
  EXPECT_THAT(ids("Phi 4"), ElementsAre(3, 1, 0, 2, 1, 1, 0));
}

TEST(TokenizerFromGguf, MergesGemma4ByRankInCharactersAndBytes) {
  test_files::Gguf gguf;
  gguf.Text("tokenizer.ggml.model", "gemma4").Uint("tokenizer.ggml.unknown_token_id", 0);
  gguf.Texts("tokenizer.ggml.tokens", {"<unk>", "\u2581", "a", "b", "\u2581a", "<0xC3>", "<0xA9>"});
  gguf.Texts("tokenizer.ggml.merges", {"\u2581 a"});
  const auto tokenizer = Read(gguf);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  const auto ids = tokenizer.value().Encode("a ab\u00E9c", Special::kParse, AddTokens::kModel);
  EXPECT_THAT(ids.value(), ElementsAre(2, 4, 3, 5, 6, 0));
  EXPECT_EQ(
      tokenizer.value().Decode(std::vector<TokenId>{2, 4, 3, 5, 6}, Tokenizer::SpecialOut::kKeep),
      "a ab\u00E9");
}

TEST(TokenizerFromGguf, SplitsMergesAtTheFirstSpaceThatIsNotTheFirstByte) {
  const auto tokenizer = Read(Small({"a", "b", "ab", " ", " a"}, {"a b", "  a"}));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  EXPECT_THAT(tokenizer.value().Encode("ab", Special::kParse, AddTokens::kNone).value(),
              ElementsAre(2));
}

TEST(TokenizerFromGguf, RefusesKeysThatAreMissingUnknownOrDoNotFit) {
  EXPECT_THAT(Refusal(test_files::Gguf()), HasSubstr("tokenizer.ggml.model"));
  test_files::Gguf wordpiece;
  wordpiece.Text("tokenizer.ggml.model", "bert");
  EXPECT_THAT(Refusal(wordpiece), HasSubstr("'bert' is not implemented"));
  test_files::Gguf no_tokens;
  no_tokens.Text("tokenizer.ggml.model", "gpt2").Text("tokenizer.ggml.pre", "qwen2");
  EXPECT_THAT(Refusal(no_tokens), HasSubstr("tokenizer.ggml.tokens"));
  test_files::Gguf other_pre;
  other_pre.Text("tokenizer.ggml.model", "gpt2").Text("tokenizer.ggml.pre", "novel");
  other_pre.Texts("tokenizer.ggml.tokens", {"a"}).Texts("tokenizer.ggml.merges", {});
  EXPECT_THAT(Refusal(other_pre), HasSubstr("'novel' is not implemented (known: qwen2"));
  test_files::Gguf no_pre;
  no_pre.Text("tokenizer.ggml.model", "gpt2").Texts("tokenizer.ggml.tokens", {"a"});
  EXPECT_THAT(Refusal(no_pre), HasSubstr("tokenizer.ggml.pre is missing or 'default'"));
  EXPECT_THAT(Refusal(Small({"a"}, {}).Uint("tokenizer.ggml.eos_token_id", 5)),
              HasSubstr("eos_token_id is 5, but there are 1 tokens"));
  EXPECT_THAT(Refusal(Small({"a"}, {}).Pair("tokenizer.ggml.token_type", kArray,
                                            Array<int32_t>(kInt32, {1, 1}))),
              HasSubstr("token_type has 2 entries for 1 tokens"));
  EXPECT_THAT(Refusal(Small({"a", "a"}, {})), HasSubstr("'a' is listed twice"));
  EXPECT_THAT(Refusal(Small({"a", "\xE2\x82"}, {})), HasSubstr("entry 1 is not valid UTF-8"));
  EXPECT_THAT(Refusal(Small({"a"}, {"a b"})), HasSubstr("merge 0 needs the token 'b'"));
  EXPECT_THAT(Refusal(Small({"a"}, {"a"})), HasSubstr("entry 0 is not two tokens"));
  EXPECT_THAT(Refusal(Small({"a"}, {""})), HasSubstr("entry 0 is not two tokens"));
  test_files::Gguf no_scores;
  no_scores.Text("tokenizer.ggml.model", "llama").Texts("tokenizer.ggml.tokens", {"a"});
  EXPECT_THAT(Refusal(no_scores), HasSubstr("tokenizer.ggml.scores"));
  test_files::Gguf nan_score;
  nan_score.Text("tokenizer.ggml.model", "llama").Texts("tokenizer.ggml.tokens", {"a"});
  nan_score.Pair("tokenizer.ggml.scores", kArray, Array(kFloat32, std::vector<float>{NAN}));
  EXPECT_THAT(Refusal(nan_score), HasSubstr("entry 0 is NaN"));
}

}  // namespace
}  // namespace bitloss
