#include "bitloss/metrics/token_scores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bitloss {
namespace {

TEST(TokenScores, HasRoomForWhatIsMeasuredInALane) {
  const TokenScores baseline = EmptyTokenScores(0, 3);
  EXPECT_EQ(baseline.nll.size(), 3u);
  EXPECT_EQ(baseline.entropy.size(), 3u);
  EXPECT_EQ(baseline.top1_probability.size(), 3u);
  EXPECT_TRUE(baseline.kl.empty() && baseline.kl_reverse.empty() && baseline.top1_agrees.empty());
  const TokenScores other = EmptyTokenScores(2, 3);
  EXPECT_EQ(other.lane, 2u);
  EXPECT_EQ(other.nll.size(), 3u);
  EXPECT_EQ(other.kl.size(), 3u);
  EXPECT_EQ(other.kl_reverse.size(), 3u);
  EXPECT_EQ(other.top1_agrees.size(), 3u);
  EXPECT_TRUE(other.entropy.empty() && other.top1_probability.empty());
}

// A member that is not in the list would be lost on the way to the store.
TEST(TokenScores, TheListHasEveryMember) {
  size_t bytes = sizeof(TokenScores::lane);
  ForEachTokenMetric(
      [&]<class Value>(const TokenMetric<Value>&) { bytes += sizeof(std::vector<Value>); });
  EXPECT_EQ(bytes, sizeof(TokenScores));
}

TEST(TokenScores, TrimsEveryArray) {
  TokenScores scores = EmptyTokenScores(1, 3);
  scores.kl = {1, 2, 3};
  TrimTo(2, scores);
  EXPECT_THAT(scores.kl, testing::ElementsAre(1, 2));
  EXPECT_EQ(scores.top1_agrees.size(), 2u);
  EXPECT_TRUE(scores.entropy.empty());
  TrimTo(5, scores);
  EXPECT_EQ(CommonLength(scores), 2u);
}

TEST(TokenScores, AnArrayIsAsLongAsTheOthersOrEmpty) {
  TokenScores scores = EmptyTokenScores(1, 3);
  EXPECT_EQ(CommonLength(scores), 3u);
  scores.kl.clear();
  EXPECT_EQ(CommonLength(scores), 3u);
  scores.top1_agrees.push_back(1);
  EXPECT_EQ(CommonLength(scores), std::nullopt);
  EXPECT_EQ(CommonLength(TokenScores{}), 0u);
}

}  // namespace
}  // namespace bitloss
