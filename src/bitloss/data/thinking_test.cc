#include "bitloss/data/thinking.h"

#include <gtest/gtest.h>

namespace bitloss {
namespace {

TEST(AfterThinking, IsTheWholeTextWithoutThinking) {
  EXPECT_EQ(AfterThinking("<think>a</think>b", Thinking::kNone), "<think>a</think>b");
  EXPECT_EQ(AfterThinking("42", Thinking::kMarked), "42");
}

TEST(AfterThinking, BeginsBehindTheLastEndMark) {
  EXPECT_EQ(AfterThinking("<think>\n41?\n</think>\n\n42", Thinking::kMarked), "42");
  EXPECT_EQ(AfterThinking("41? </think> no </think>42 \n", Thinking::kOpened), "42 \n");
  EXPECT_EQ(AfterThinking("41? </think>", Thinking::kOpened), "");
}

TEST(AfterThinking, IsEmptyWhileTheModelThinks) {
  EXPECT_EQ(AfterThinking("<think>It is 42", Thinking::kMarked), "");
  EXPECT_EQ(AfterThinking("It is 42", Thinking::kOpened), "");
}

}  // namespace
}  // namespace bitloss
