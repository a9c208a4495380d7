// SmolLM2-135M-Instruct against what transformers and bitsandbytes say about it
// (tools/witness/smollm2_reference.json; tools/witness/README.md says how it was made).
#include <gmock/gmock.h>

#include <cmath>

#include "bitloss/base/hash.h"
#include "bitloss/eval/generation.h"
#include "bitloss/eval/scoring.h"
#include "bitloss/model/test_model.h"
#include "bitloss/study/chat_choice.h"
#include "bitloss/study/model_files.h"
#include "bitloss/study/texts.h"

namespace bitloss {
namespace {

using nlohmann::json;
using testing::ElementsAreArray;

class SmolLm2 : public testing::Test {
 protected:
  const json reference_ = ReadTestJson(BITLOSS_SOURCE_DIR "/tools/witness/smollm2_reference.json");
  TestModel model_{BITLOSS_SMOLLM2, DefaultNumThreads()};
};

TEST_F(SmolLm2, HasTransformersLossOfFiftyLinesOfWikiText2) {
  const json& expected = reference_.at("nll").at("50");
  const ModelFiles files = Must(OpenModel(BITLOSS_SMOLLM2));
  StudyOptions options;
  options.texts = {BITLOSS_SHARED_DATA "/wikitext2/wiki.test.raw"};
  options.max_samples = 50;
  const Windows windows = std::move(Must(LoadTexts(files, options))[0].windows);
  EXPECT_EQ(windows.num_tokens, expected.at("tokens"));
  EXPECT_EQ(windows.num_predictions, expected.at("predictions"));

  const LaneWeights fp16 = model_.Lane("fp16");
  Scorer scorer(model_.transformer(), {{"fp16", &fp16}});
  double sum = 0.0;
  for (size_t line = 0; line < 50; ++line) {
    const ScoredSequence sequence = {windows.sequences[line].tokens, 1};
    const auto scores = Must(scorer.Score({&sequence, 1}));
    double line_sum = 0.0;
    for (const double nll : scores.sequences[0][0].nll) line_sum += nll;
    const auto count = static_cast<double>(sequence.num_scored());
    EXPECT_NEAR(line_sum / count, expected.at("line_mean_nll")[line].get<double>(), 2e-5) << line;
    sum += line_sum;
  }
  EXPECT_NEAR(sum / static_cast<double>(windows.num_predictions),
              expected.at("mean_nll").get<double>(), 1e-6);
}

TEST_F(SmolLm2, AnswersGreedilyAsTransformersDoes) {
  const json& expected = reference_.at("greedy").at("answers");
  ASSERT_EQ(expected.size(), 20u);
  const ModelFiles files = Must(OpenModel(BITLOSS_SMOLLM2));
  const ChatTemplate chat = Must(RequireChatTemplate(files.tokenizer, ""));
  std::vector<GenerationPrompt> prompts;
  for (const json& answer : expected) {
    const ChatMessage message{"user", answer.at("prompt")};
    const std::string rendered =
        Must(chat.Render({&message, 1}, ChatTemplate::GenerationPrompt::kAdd));
    EXPECT_EQ(rendered, answer.at("rendered").get<std::string>());
    prompts.push_back({Must(files.tokenizer.Encode(rendered, Tokenizer::Special::kParse,
                                                   Tokenizer::AddTokens::kNone)),
                       100, answer.at("prompt")});
    EXPECT_THAT(prompts.back().tokens,
                ElementsAreArray(answer.at("prompt_ids").get<std::vector<int32_t>>()));
  }

  GenerationOptions options;
  options.end_tokens = files.end_tokens;
  const LaneWeights fp16 = model_.Lane("fp16");
  const AnswerDone compare = [&](size_t prompt, const Generated& answer) {
    std::vector<int32_t> tokens = answer.tokens;
    if (answer.end_token) tokens.push_back(*answer.end_token);
    // The smallest margin between two logits is 0.0086: far from a tie in float32.
    EXPECT_THAT(tokens, ElementsAreArray(expected[prompt].at("greedy").get<std::vector<int32_t>>()))
        << prompts[prompt].id;
    EXPECT_EQ(files.tokenizer.Decode(answer.tokens, Tokenizer::SpecialOut::kSkip),
              expected[prompt].at("text").get<std::string>());
    return Ok();
  };
  EXPECT_TRUE(Generate(model_.transformer(), fp16, prompts, options, compare).ok());
}

TEST_F(SmolLm2, IsQuantizedToTheBitsOfBitsandbytes) {
  const json& expected = reference_.at("quant").at("all");
  struct Case {
    const char* scheme;
    const char* codes;
    const char* scales;
  };
  for (const Case& c :
       {Case{"nf4", "nf4.codes", "nf4.absmax"}, Case{"fp4", "fp4.codes", "fp4.absmax"},
        Case{"int8_row", "int8.CB", "int8.SCB"}}) {
    const Format format = Must(ParseScheme(c.scheme)).format;
    Sha256 codes, scales;
    for (size_t layer = 0; layer < model_.source().config().num_layers; ++layer) {
      const LayerSource block = Must(model_.source().Layer(layer, Precision::kFp16));
      for (const Matrix& weights : block.weights) {
        const EncodedMatrix encoded = Must(format.encode(format, weights.view()));
        codes.Add(encoded.codes.span());
        scales.Add(encoded.scales.span());
      }
    }
    EXPECT_EQ(codes.Finish(), expected.at(c.codes).get<std::string>()) << c.scheme;
    EXPECT_EQ(scales.Finish(), expected.at(c.scales).get<std::string>()) << c.scheme;
  }
}

}  // namespace
}  // namespace bitloss
