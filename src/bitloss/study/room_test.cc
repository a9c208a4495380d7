#include "bitloss/study/room.h"

#include <gmock/gmock.h>

#include "bitloss/model/test_model.h"

namespace bitloss {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr uint64_t kMegabyte = uint64_t{1} << 20;

// Two lanes of the embedded model, each as large as `lane_bytes`, and one text of `longest` tokens.
class RoomTest : public testing::Test {
 protected:
  RoomTest() {
    for (const char* scheme : {"fp16", "nf4"}) {
      LanePlan& plan = plans_.emplace_back();
      plan.scheme = Must(ParseScheme(scheme));
      plan.record.scheme = scheme;
    }
    texts_.emplace_back().windows.sequences.emplace_back().tokens.resize(700);
    blocks_.of_lanes = {100 * kMegabyte, 50 * kMegabyte};
    blocks_.block_weights = LargestBlock(config_);
    blocks_.resident = 20 * kMegabyte;
  }

  Result<Room> Plan(const MemoryBound& bound) const {
    return PlanRoom(config_, blocks_, plans_, {.texts = texts_}, bound);
  }
  static MemoryBound DeviceOf(uint64_t bytes) {
    MemoryBound bound;
    bound.bytes = bytes;
    bound.name = "the GPU's memory of";
    bound.is_device = true;
    bound.work_sizes.group_tokens = 4096;
    return bound;
  }

  const ModelConfig config_ =
      Must(ReadModelConfig(*Must(Checkpoint::Open(TestModel::TinyFolder()))));
  std::vector<LanePlan> plans_;
  std::vector<StudyText> texts_;
  BlockBytes blocks_;
};

TEST_F(RoomTest, HoldsAllWithoutABound) {
  const Room room = Must(Plan({}));
  EXPECT_TRUE(room.holds_all);
  EXPECT_EQ(room.group_tokens, 2048u);
}

TEST_F(RoomTest, ADeviceHoldsWhatFitsAndKeepsItsOwnGroups) {
  const Room room = Must(Plan(DeviceOf(uint64_t{4} << 30)));
  EXPECT_TRUE(room.holds_all);
  EXPECT_EQ(room.group_tokens, 4096u);
}

// What does not fit is made for each group; a little more memory makes the groups a little longer.
TEST_F(RoomTest, ADeviceTakesLongerGroupsWithMoreMemory) {
  const auto least = [&] {
    for (uint64_t bytes = kMegabyte;; bytes += kMegabyte) {
      if (Plan(DeviceOf(bytes)).ok()) return bytes;
    }
  }();
  const Room tight = Must(Plan(DeviceOf(least)));
  EXPECT_FALSE(tight.holds_all);
  EXPECT_GE(tight.group_tokens, 700u);
  const Room wide = Must(Plan(DeviceOf(least + 40 * kMegabyte)));
  EXPECT_FALSE(wide.holds_all);
  EXPECT_GT(wide.group_tokens, tight.group_tokens);
  EXPECT_GT(least, blocks_.resident);
}

TEST_F(RoomTest, TooLittleOfADeviceSaysWhoseAndHowMuchItTakes) {
  const Error error = Plan(DeviceOf(30 * kMegabyte)).error();
  EXPECT_EQ(error.kind, ErrorKind::kBadInput);
  EXPECT_THAT(error.message, HasSubstr("the GPU's memory of 33M is too little"));
  EXPECT_THAT(error.message, Not(HasSubstr("--memory")));
  const Error host = Plan({.bytes = 30 * kMegabyte}).error();
  EXPECT_THAT(host.message, HasSubstr("--memory 30M is too little"));
}

TEST(RoomsOfRanks, TheSmallerIsWhatBothCanDo) {
  const Room all{.holds_all = true, .group_tokens = 2048};
  const Room some{.holds_all = false, .group_tokens = 9000};
  const Room few{.holds_all = false, .group_tokens = 800};
  for (const auto& [a, b, smaller] :
       {std::tuple{all, some, some}, {some, all, some}, {some, few, few}, {few, some, few}}) {
    EXPECT_EQ(Smaller(a, b).holds_all, smaller.holds_all);
    EXPECT_EQ(Smaller(a, b).group_tokens, smaller.group_tokens);
  }
}

}  // namespace
}  // namespace bitloss
