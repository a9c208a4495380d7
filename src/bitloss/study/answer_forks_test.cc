#include "bitloss/study/answer_forks.h"

#include <gmock/gmock.h>

#include <cmath>

#include "bitloss/store/test_study.h"

namespace bitloss {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr int32_t kEnd = 2;
constexpr int32_t kOtherEnd = 3;

// Three prompts: lane 1 parts in the middle of the first, goes on beyond the end of the second, and
// answers the third as the baseline does.
class AnswerForksTest : public testing::Test {
 protected:
  AnswerForksTest() {
    Manifest manifest = SmallManifest();
    manifest.suites[0].num_prompts = 3;
    store_.emplace(std::move(Store::OpenOrCreate(folder_.path(), manifest)).value());
    std::vector<PromptRecord> prompts;
    for (size_t prompt = 0; prompt < 3; ++prompt) prompts.push_back(SmallPrompt(prompt));
    EXPECT_TRUE(store_->PutPrompts(0, prompts).ok());
    for (const size_t lane : {0, 1}) EXPECT_TRUE(store_->PutLane(SmallLane(lane)).ok());
    Put(0, 0, {10, 11, 12});
    Put(0, 1, {10});
    Put(0, 2, {10, 11});
    Put(1, 0, {10, 21, 12});
    Put(1, 1, {10, 22});
    Put(1, 2, {10, 11});
  }

  void Put(size_t lane, size_t prompt, std::vector<int32_t> tokens) {
    const Answer answer{.lane = lane, .prompt = prompt, .token_ids = std::move(tokens)};
    EXPECT_TRUE(store_->PutAnswers({&answer, 1}).ok());
  }
  AnswerForks Read() {
    constexpr size_t kLanes[] = {0, 1};
    constexpr int32_t kEnds[] = {kEnd, kOtherEnd};
    return std::move(AnswerForks::Read(*store_, 0, kLanes, kEnds)).value();
  }

  TemporaryFolder folder_;
  std::optional<Store> store_;
};

std::vector<int32_t> TokensOf(std::span<const ScoredSequence::Question> questions) {
  std::vector<int32_t> tokens;
  for (const auto& question : questions) tokens.push_back(question.token);
  return tokens;
}

TEST_F(AnswerForksTest, AsksForBothTokensWhereAnswersPart) {
  const AnswerForks forks = Read();
  EXPECT_TRUE(forks.IsPending(0));
  EXPECT_THAT(TokensOf(forks.Questions(0)), ElementsAre(11, 21));
  EXPECT_EQ(forks.Questions(0)[1].index, 1u);
  EXPECT_THAT(forks.Continuation(0), ElementsAre(kEnd)) << "as it would be with other lanes";
  EXPECT_FALSE(forks.IsPending(2));
  EXPECT_THAT(forks.Questions(2), IsEmpty());
}

TEST_F(AnswerForksTest, AnEndIsAnyTokenThatEndsAnAnswer) {
  const AnswerForks forks = Read();
  EXPECT_THAT(TokensOf(forks.Questions(1)), ElementsAre(kEnd, kOtherEnd, 22));
  EXPECT_THAT(forks.Continuation(1), ElementsAre(kEnd));
  const std::vector<std::vector<double>> question_nll = {
      {std::log(4.0), std::log(4.0), std::log(8.0)}, {std::log(8.0), std::log(8.0), std::log(2.0)}};
  const std::vector<AnswerFork> records = forks.Records(1, question_nll);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].lane, 1u);
  EXPECT_EQ(records[0].position, 1u);
  EXPECT_DOUBLE_EQ(records[0].baseline_token_in_baseline, std::log(2.0)) << "a quarter, twice";
  EXPECT_DOUBLE_EQ(records[0].baseline_token_in_lane, std::log(4.0));
  EXPECT_DOUBLE_EQ(records[0].lane_token_in_baseline, std::log(8.0));
  EXPECT_DOUBLE_EQ(records[0].lane_token_in_lane, std::log(2.0));
}

TEST_F(AnswerForksTest, WhatIsStoredIsNotPending) {
  const std::vector<std::vector<double>> question_nll(2, {1.0, 2.0});
  EXPECT_TRUE(store_->PutAnswerForks(Read().Records(0, question_nll)).ok());
  EXPECT_FALSE(Read().IsPending(0));
  EXPECT_TRUE(Read().IsPending(1));
}

}  // namespace
}  // namespace bitloss
