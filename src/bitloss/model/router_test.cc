#include "bitloss/model/router.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

namespace bitloss {
namespace {

using testing::ElementsAre;
using testing::FloatNear;
using testing::IsEmpty;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Matrix Row(std::initializer_list<float> values) {
  Matrix row(1, values.size());
  std::ranges::copy(values, row.flat().begin());
  return row;
}

ExpertsSpec Four(RouterSpec router) {
  return {.count = 4, .chosen = 2, .width = 1, .router = router};
}

// The chosen experts and what they weigh, of one token.
std::vector<std::pair<size_t, float>> Chosen(const Routing& routing) {
  std::vector<std::pair<size_t, float>> chosen;
  for (size_t e = 0; e < routing.experts.size(); ++e) {
    for (const float weight : routing.experts[e].weights) chosen.emplace_back(e, weight);
  }
  return chosen;
}

TEST(RouterTest, SoftmaxScoresAreNormalizedOrNot) {
  const Matrix logits = Row({std::log(1.0f), std::log(4.0f), std::log(2.0f), std::log(3.0f)});
  const auto plain = Chosen(Route(Four({}), logits, {}));
  ASSERT_EQ(plain.size(), 2u);
  EXPECT_EQ(plain[0].first, 1u);
  EXPECT_NEAR(plain[0].second, 0.4, 1e-6);
  EXPECT_EQ(plain[1].first, 3u);
  EXPECT_NEAR(plain[1].second, 0.3, 1e-6);
  const auto normalized =
      Chosen(Route(Four({.weights = RouterSpec::Weights::kNormalized, .scale = 7.0}), logits, {}));
  EXPECT_NEAR(normalized[0].second, 4.0, 1e-5);
  EXPECT_NEAR(normalized[1].second, 3.0, 1e-5);
}

TEST(RouterTest, SoftmaxOfTheChosenEqualsTheirNormalizedScores) {
  const Matrix logits = Row({0.3f, -1.0f, 2.0f, 0.4f});
  const auto a = Chosen(Route(Four({.weights = RouterSpec::Weights::kNormalized}), logits, {}));
  const auto b = Chosen(
      Route(Four({.score = RouterSpec::Score::kNone, .weights = RouterSpec::Weights::kSoftmax}),
            logits, {}));
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].first, b[i].first);
    EXPECT_NEAR(a[i].second, b[i].second, 1e-6);
  }
}

// The bias chooses; the weights are the scores without it.
TEST(RouterTest, ASelectionBiasChoosesAndDoesNotWeigh) {
  RouterSpec router{.score = RouterSpec::Score::kSigmoid};
  router.has_selection_bias = true;
  const float bias[] = {1.0f, 0.0f, 0.0f, 0.0f};
  const auto chosen = Chosen(Route(Four(router), Row({-3.0f, 0.0f, 1.0f, -1.0f}), bias));
  ASSERT_EQ(chosen.size(), 2u);
  EXPECT_EQ(chosen[0].first, 0u);
  EXPECT_NEAR(chosen[0].second, 1 / (1 + std::exp(3.0)), 1e-6);
  EXPECT_EQ(chosen[1].first, 2u);
}

TEST(RouterTest, OnlyTheBestGroupsAreEligible) {
  RouterSpec router{.score = RouterSpec::Score::kSigmoid};
  router.groups = 2;
  router.groups_kept = 1;
  // The largest score stands in the group whose best two are smaller together.
  const Matrix logits = Row({3.0f, -9.0f, 2.0f, 1.0f});
  router.group_score = RouterSpec::GroupScore::kSumOfTwoLargest;
  EXPECT_THAT(Route(Four(router), logits, {}).experts[0].rows, IsEmpty());
  router.group_score = RouterSpec::GroupScore::kLargest;
  EXPECT_THAT(Route(Four(router), logits, {}).experts[0].rows, ElementsAre(0));
}

TEST(RouterTest, EqualScoresGoToTheLowestExpert) {
  const Routing routing = Route(Four({}), Row({1.0f, 1.0f, 1.0f, 1.0f}), {});
  EXPECT_THAT(routing.experts[0].rows, ElementsAre(0));
  EXPECT_THAT(routing.experts[1].rows, ElementsAre(0));
  EXPECT_THAT(routing.experts[2].rows, IsEmpty());
}

TEST(RouterTest, ATokenWithoutNumbersHasNoWeights) {
  const Routing routing = Route(Four({}), Row({kNan, 1.0f, 1.0f, 1.0f}), {});
  size_t visits = 0;
  for (const Routing::Visits& expert : routing.experts) {
    for (const float weight : expert.weights) EXPECT_TRUE(std::isnan(weight));
    visits += expert.rows.size();
  }
  EXPECT_EQ(visits, 2u);
}

TEST(RouterTest, RowsOfAnExpertAscend) {
  Matrix logits(3, 4);
  logits.Fill(0.0f);
  for (size_t row = 0; row < 3; ++row) logits.Row(row)[3] = 1.0f;
  EXPECT_THAT(Route(Four({}), logits, {}).experts[3].rows, ElementsAre(0, 1, 2));
}

}  // namespace
}  // namespace bitloss
