// Answers against transformers' own greedy decoding (model/testdata/tiny_forward.json).
#include "bitloss/eval/generation.h"

#include <gmock/gmock.h>

#include "bitloss/model/test_model.h"

namespace bitloss {
namespace {

using nlohmann::json;
using testing::ElementsAreArray;
using testing::SizeIs;

constexpr size_t kMaxNewTokens = 24;                   // as the golden answers
const std::vector<int32_t> kEndTokens = {2042, 2040};  // of bitloss-tiny

std::vector<GenerationPrompt> GoldenPrompts(const json& golden) {
  std::vector<GenerationPrompt> prompts;
  for (const json& prompt : golden.at("prompts")) {
    prompts.push_back(
        {prompt.at("ids").get<std::vector<int32_t>>(), kMaxNewTokens, prompt.at("prompt")});
  }
  return prompts;
}

GenerationOptions Greedy() {
  GenerationOptions options;
  options.end_tokens = kEndTokens;
  return options;
}

// Hot, so that the dice decide, and never ending.
GenerationOptions Sampled(uint64_t sample) {
  GenerationOptions options;
  options.sampling = Sampling{.temperature = 2.0, .seed = 3, .sample = sample};
  return options;
}

class GenerationTest : public testing::Test {
 protected:
  std::vector<Generated> Answer(std::span<const GenerationPrompt> prompts,
                                const GenerationOptions& options) {
    std::vector<Generated> answers(prompts.size());
    const AnswerDone keep = [&](size_t prompt, Generated answer) {
      answers[prompt] = std::move(answer);
      return Ok();
    };
    BITLOSS_CHECK(Generate(model_.transformer(), lane_, prompts, options, keep).ok());
    return answers;
  }

  const json golden_ =
      ReadTestJson(BITLOSS_SOURCE_DIR "/src/bitloss/model/testdata/tiny_forward.json");
  const std::vector<GenerationPrompt> prompts_ = GoldenPrompts(golden_);
  TestModel model_{TestModel::TinyFolder(), 2};
  const LaneWeights lane_ = model_.Lane("fp16");
};

TEST_F(GenerationTest, DecodesGreedilyAsTransformersDoes) {
  const std::vector<Generated> answers = Answer(prompts_, Greedy());
  for (size_t p = 0; p < prompts_.size(); ++p) {
    auto expected = golden_.at("prompts")[p].at("greedy").get<std::vector<int32_t>>();
    const bool ended = std::ranges::count(kEndTokens, expected.back()) > 0;
    EXPECT_EQ(answers[p].finish, ended ? Finish::kEndToken : Finish::kLimit) << prompts_[p].id;
    if (ended) {
      EXPECT_EQ(answers[p].end_token, expected.back());
      expected.pop_back();
    }
    EXPECT_THAT(answers[p].tokens, ElementsAreArray(expected)) << prompts_[p].id;
  }
}

TEST_F(GenerationTest, AnswersAPromptInABatchAsItDoesAlone) {
  for (const GenerationOptions& options : {Greedy(), Sampled(0)}) {
    const std::vector<Generated> together = Answer(prompts_, options);
    for (size_t p = 0; p < prompts_.size(); ++p) {
      const std::vector<Generated> alone = Answer({&prompts_[p], 1}, options);
      EXPECT_THAT(alone[0].tokens, ElementsAreArray(together[p].tokens)) << prompts_[p].id;
    }
  }
}

TEST_F(GenerationTest, ThrowsTheSameDiceForTheSameSeedAndOthersForAnotherSample) {
  const std::vector<Generated> once = Answer(prompts_, Sampled(0));
  EXPECT_EQ(Answer(prompts_, Sampled(0))[3].tokens, once[3].tokens);
  EXPECT_NE(Answer(prompts_, Sampled(1))[3].tokens, once[3].tokens);
}

TEST_F(GenerationTest, KeepsTheLargestLogitsOfTheFirstPositions) {
  GenerationOptions options = Greedy();
  options.num_top_positions = 3;
  options.num_top_logits = 5;
  const std::vector<Generated> answers = Answer(prompts_, options);
  for (size_t p = 0; p < prompts_.size(); ++p) {
    ASSERT_THAT(answers[p].top_logits, SizeIs(3));
    for (size_t i = 0; i < 3; ++i) {
      ASSERT_THAT(answers[p].top_logits[i], SizeIs(5));
      EXPECT_EQ(answers[p].top_logits[i][0].id, answers[p].tokens[i]);
      const double margin = answers[p].top_logits[i][0].logit - answers[p].top_logits[i][1].logit;
      EXPECT_NEAR(margin, golden_.at("prompts")[p].at("margins")[i].get<double>(), 2e-4);
    }
  }
}

TEST_F(GenerationTest, StopsWhereTheModelsPositionsEnd) {
  const size_t max_positions = model_.source().config().max_positions;
  GenerationPrompt prompt{std::vector<int32_t>(max_positions - 3, 300), 100, "long"};
  const std::vector<Generated> answers = Answer({&prompt, 1}, Greedy());
  EXPECT_LE(answers[0].tokens.size(), 4u);
  EXPECT_GE(answers[0].tokens.size(), 3u);
  EXPECT_EQ(answers[0].finish, Finish::kLimit);
}

TEST_F(GenerationTest, EndsTheCallWhenAnAnswerCannotBeKept) {
  const auto speed = Generate(model_.transformer(), lane_, prompts_, Greedy(),
                              [](size_t, const Generated&) -> Status { return IoError("full"); });
  ASSERT_FALSE(speed.ok());
  EXPECT_EQ(speed.error().message, "full");
}

}  // namespace
}  // namespace bitloss
