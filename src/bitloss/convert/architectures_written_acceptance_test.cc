// Tiny random checkpoints of every architecture, written and run again.
#include "bitloss/convert/test_architectures.h"

namespace bitloss {
namespace {

const std::filesystem::path kFolder = BITLOSS_SHARED_DATA "/tiny-architectures";

class WrittenTinyArchitectures : public testing::TestWithParam<std::string> {};

TEST_P(WrittenTinyArchitectures, HaveTheLanesBitsInCompressedTensors) {
  ExpectWrittenInGroups(kFolder / GetParam());
}

TEST_P(WrittenTinyArchitectures, HaveTheLanesBitsForBitsandbytesOrAreRefusedWithStackedExperts) {
  ExpectWrittenForBitsandbytes(kFolder / GetParam());
}

TEST_P(WrittenTinyArchitectures, AreTheModelsOwnTensorsWherePlain) {
  ExpectWrittenPlainly(kFolder / GetParam());
}

INSTANTIATE_TEST_SUITE_P(All, WrittenTinyArchitectures, testing::ValuesIn(CheckpointsIn(kFolder)),
                         [](const auto& which) { return which.param; });

}  // namespace
}  // namespace bitloss
