// `bitloss score`: its lines against transformers' losses, whole and token by token, and what it
// refuses.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "bitloss/cli/run_bitloss.h"
#include "bitloss/json/parse.h"

namespace bitloss {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const std::string kTiny = BITLOSS_SOURCE_DIR "/models/bitloss-tiny";

Json Golden() {
  return ParseJson(TextOf(BITLOSS_SOURCE_DIR "/src/bitloss/model/testdata/tiny_forward.json"))
      .value();
}

std::vector<Json> Lines(const std::string& out) {
  std::vector<Json> lines;
  for (size_t begin = 0; begin < out.size(); begin = out.find('\n', begin) + 1) {
    lines.push_back(ParseJson(out.substr(begin, out.find('\n', begin) - begin)).value());
  }
  return lines;
}

class ScoreTest : public testing::Test {
 protected:
  Finished Score(const std::string& ids, std::vector<std::string> options = {}) {
    options.insert(options.begin(), {"score", kTiny, "--ids", folder_.Write("ids", ids)});
    return RunBitloss(options);
  }

  // A copy of the model without a tokenizer.
  std::string Bare() {
    for (const char* file : {"config.json", "model.safetensors"}) {
      folder_.Write(file, TextOf(kTiny + "/" + file));
    }
    return folder_ / "";
  }

  TestFolder folder_;
};

TEST_F(ScoreTest, GivesTransformersLosses) {
  const Json golden = Golden();
  std::string ids;
  for (const Json& text : golden.at("texts")) ids += text.at("ids").dump() + "\n";
  const Finished finished = Score(ids, {"--json", "--logits", "3"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  const std::vector<Json> lines = Lines(finished.out);
  ASSERT_EQ(lines.size(), golden.at("texts").size());
  for (size_t i = 0; i < lines.size(); ++i) {
    const Json& text = golden.at("texts")[i];
    const auto nll = lines[i].at("nll").get<std::vector<double>>();
    EXPECT_EQ(lines[i].at("tokens"), text.at("ids").size());
    ASSERT_EQ(nll.size() + 1, text.at("ids").size());
    for (size_t t = 0; t < nll.size(); ++t) {
      EXPECT_NEAR(nll[t], text.at("nll")[t].get<double>(), 1e-4) << t;
    }
    for (size_t t = 0; t < text.at("ids").size(); ++t) {
      EXPECT_EQ(lines[i].at("top1")[t], text.at("top5")[t][0][0]) << t;
    }
    for (size_t rank = 0; rank < 3; ++rank) {
      EXPECT_EQ(lines[i].at("logit_ids")[rank], text.at("top5").back()[rank][0]);
      EXPECT_NEAR(lines[i].at("logits")[rank].get<double>(),
                  text.at("top5").back()[rank][1].get<double>(), 1e-4);
    }
  }
}

TEST_F(ScoreTest, TokenByTokenGivesTheSameBytes) {
  const std::string ids = Golden().at("texts")[0].at("ids").dump();
  for (const std::string scheme : {"fp16", "nf4"}) {
    const Finished whole = Score(ids, {"--json", "--scheme", scheme});
    const Finished steps = Score(ids, {"--json", "--scheme", scheme, "--token-by-token"});
    ASSERT_EQ(whole.exit_code, 0) << whole.err;
    EXPECT_EQ(whole.out, steps.out);
  }
}

TEST_F(ScoreTest, TakesAFolderWithoutATokenizerUnlessTheFitLooksAtAText) {
  const std::string bare = Bare();
  const std::string ids = folder_.Write("ids", "[1,2,3]\n");
  const Finished plain = RunBitloss({"score", bare, "--ids", ids, "--json"});
  EXPECT_EQ(plain.exit_code, 0) << plain.err;
  EXPECT_EQ(plain.out, RunBitloss({"score", kTiny, "--ids", ids, "--json"}).out);
  const Finished fitted = RunBitloss({"score", bare, "--ids", ids, "--scheme", "awq"});
  EXPECT_GE(fitted.exit_code, 3);
  EXPECT_THAT(fitted.err, HasSubstr("tokenizer.json"));
  EXPECT_EQ(Score("[1,2,3]",
                  {"--scheme", "awq", "--calibration-tokens", "64", "--calibration-sequence", "64"})
                .exit_code,
            0);
}

TEST_F(ScoreTest, ATextIsOneSequence) {
  const std::string text = folder_.Write("text", "Once upon a time");
  const Finished finished = RunBitloss({"score", kTiny, "--text", text});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.out, HasSubstr(" losses, sum "));
}

TEST_F(ScoreTest, RefusesWhatIsNotASequenceOfItsTokens) {
  struct Case {
    std::string ids;
    std::string message;
  };
  const Case cases[] = {
      {"", "holds no line of token ids"},
      {"[1,2]\n[1,", "line 2: not a JSON array of token ids"},
      {"{}", "line 1: not a JSON array of token ids"},
      {"[1,-2]", "line 1: element 1 is not a token id"},
      {"[1,2.5]", "line 1: element 1 is not a token id"},
      {"[99999999999]", "line 1: element 0 is not a token id"},
      {"[1,2000000000]", "line 1: token id 2000000000 is not in the vocabulary of "},
      {"[]", "line 1: 0 tokens; the model takes 1 to "},
  };
  for (const Case& c : cases) {
    const Finished finished = Score(c.ids);
    EXPECT_EQ(finished.exit_code, 3) << c.ids;
    EXPECT_THAT(finished.err, StartsWith("bitloss: ")) << c.ids;
    EXPECT_THAT(finished.err, HasSubstr(c.message)) << c.ids;
  }
  EXPECT_THAT(RunBitloss({"score", kTiny}).err, HasSubstr("--ids, or a text with --text"));
  EXPECT_EQ(RunBitloss({"score", kTiny, "--ids", folder_ / "no"}).exit_code, 4);
}

}  // namespace
}  // namespace bitloss
