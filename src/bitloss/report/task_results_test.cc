#include "bitloss/report/task_results.h"

#include <gmock/gmock.h>

#include <cmath>

namespace bitloss {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// Items of two choices, four and eight characters (the second of nine bytes), the first one right.
std::vector<TaskItemRecord> Items(size_t count) {
  std::vector<TaskItemRecord> items;
  for (size_t i = 0; i < count; ++i) {
    items.push_back({.task = 0,
                     .item = i,
                     .id = std::to_string(i),
                     .answers = {0},
                     .characters = {4, 8},
                     .bytes = {4, 9},
                     .tokens = {1, 2}});
  }
  return items;
}

// Log-likelihoods of the first choice; the second always has -4.
std::vector<TaskScores> Scores(size_t lane, const std::vector<double>& firsts) {
  std::vector<TaskScores> scores;
  for (size_t i = 0; i < firsts.size(); ++i) {
    scores.push_back(
        {.lane = lane, .task = 0, .item = i, .log_likelihoods = {firsts[i], -4}, .greedy = {1, 0}});
  }
  return scores;
}

class TaskResultsTest : public testing::Test {
 protected:
  TaskRecord record_{.id = "few", .kind = "choice", .measure = "acc", .num_items = 6};
  ThreadPool threads_{1};
};

TEST_F(TaskResultsTest, DecidesByEveryMeasure) {
  const std::vector<TaskItemRecord> items = Items(6);
  // By log-likelihood: -1, -2 and -3.9 win. Per character against -0.5: -1 (-0.25) wins, -2 (-0.5)
  // is equal and the first is taken, -3.9 loses. Per byte against -4/9: -2 (-0.5) loses too.
  const std::vector<TaskScores> scores = Scores(0, {-1, -2, -3.9, -5, -6, -4});
  const auto result = MeasureTask({record_, 0, items}, scores, scores, threads_);
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->complete);
  EXPECT_EQ(result->chance, 0.5);
  ASSERT_THAT(result->decisions, SizeIs(3));
  EXPECT_EQ(result->decisions[0].measure, "acc");
  EXPECT_EQ(result->decisions[0].num_right, 4);  // of equal ones the first
  EXPECT_EQ(result->decisions[1].measure, "acc_norm");
  EXPECT_EQ(result->decisions[1].num_right, 2);
  EXPECT_EQ(result->decisions[2].measure, "acc_bytes");
  EXPECT_EQ(result->decisions[2].num_right, 1);
  EXPECT_THAT(result->decisions[0].margin.value, DoubleNear((3 + 2 + 0.1 - 1 - 2 + 0) / 6, 1e-12));
  EXPECT_FALSE(result->decisions[0].margin_change);
  record_.measure = "acc_norm";
  const auto other = MeasureTask({record_, 0, items}, scores, scores, threads_);
  EXPECT_EQ(other->decisions[0].measure, "acc_norm");
}

TEST_F(TaskResultsTest, ComparesWithTheBaselineItemByItem) {
  const std::vector<TaskItemRecord> items = Items(6);
  const std::vector<TaskScores> base = Scores(0, {-1, -2, -3, -5, -6, -7});
  std::vector<TaskScores> lane = Scores(1, {-1.5, -4.5, -3.5, -3, -6.5, -7.5});
  const auto result = MeasureTask({record_, 0, items}, base, lane, threads_);
  const TaskDecision& decision = result->decisions[0];
  EXPECT_EQ(decision.outcomes.both, 2);
  EXPECT_EQ(decision.outcomes.base_only, 1);
  EXPECT_EQ(decision.outcomes.lane_only, 1);
  EXPECT_EQ(decision.outcomes.neither, 2);
  EXPECT_THAT(result->lost, ElementsAre(1));
  EXPECT_THAT(result->regained, ElementsAre(3));
  EXPECT_THAT(decision.margin_change->value,
              DoubleNear((-0.5 - 2.5 - 0.5 + 2 - 0.5 - 0.5) / 6, 1e-12));
  EXPECT_TRUE(decision.margin_change->interval);
  // Two of six changed, one each way: (t_{.975} + t_{.8}) sqrt(2) / 6 with 5 degrees.
  EXPECT_THAT(*decision.smallest_change,
              DoubleNear((2.570582 + 0.919544) * std::sqrt(2) / 6, 1e-5));

  lane.erase(lane.begin() + 1);
  const auto partial = MeasureTask({record_, 0, items}, base, lane, threads_);
  EXPECT_FALSE(partial->complete);
  EXPECT_EQ(partial->num_items, 5);
  EXPECT_THAT(partial->lost, IsEmpty());
  EXPECT_FALSE(MeasureTask({record_, 0, items}, base, {}, threads_));
}

TEST_F(TaskResultsTest, TakesAClozeForRightWhereItIsGreedy) {
  record_.kind = "cloze";
  std::vector<TaskItemRecord> items;
  std::vector<TaskScores> base, lane;
  for (size_t i = 0; i < 6; ++i) {
    items.push_back({.task = 0,
                     .item = i,
                     .id = std::to_string(i),
                     .answers = {0},
                     .characters = {4},
                     .bytes = {4},
                     .tokens = {1}});
    base.push_back({.lane = 0, .task = 0, .item = i, .log_likelihoods = {-1.0}, .greedy = {1}});
    lane.push_back({.lane = 1, .task = 0, .item = i, .log_likelihoods = {-2.0}, .greedy = {i > 1}});
  }
  const auto result = MeasureTask({record_, 0, items}, base, lane, threads_);
  ASSERT_THAT(result->decisions, SizeIs(1));
  EXPECT_EQ(result->decisions[0].num_right, 4);
  EXPECT_EQ(result->chance, 0);
  EXPECT_THAT(result->lost, ElementsAre(0, 1));
  EXPECT_THAT(*result->perplexity, DoubleNear(std::exp(2.0), 1e-12));
  EXPECT_EQ(result->decisions[0].margin_change->value, -1);
}

TEST_F(TaskResultsTest, IsRightIfOneOfSeveralAnswersIsFirst) {
  std::vector<TaskItemRecord> items = {{.task = 0,
                                        .item = 0,
                                        .id = "0",
                                        .answers = {0, 2},
                                        .characters = {1, 1, 1},
                                        .bytes = {1, 1, 1},
                                        .tokens = {1, 1, 1}}};
  const std::vector<TaskScores> scores = {
      {.lane = 0, .task = 0, .item = 0, .log_likelihoods = {-5, -2, -1}, .greedy = {0, 0, 1}}};
  const auto result = MeasureTask({record_, 0, items}, scores, scores, threads_);
  EXPECT_EQ(result->decisions[0].num_right, 1);
  EXPECT_EQ(result->decisions[0].margin.value, 1);
  EXPECT_THAT(result->chance, DoubleNear(2.0 / 3, 1e-15));
}

}  // namespace
}  // namespace bitloss
