// Small checkpoints of the architectures that the project keeps, written and run again.
#include "bitloss/convert/test_architectures.h"

namespace bitloss {
namespace {

const std::filesystem::path kFolder =
    BITLOSS_SOURCE_DIR "/src/bitloss/model/testdata/architectures";

class WrittenArchitectures : public testing::TestWithParam<std::string> {};

TEST_P(WrittenArchitectures, HaveTheLanesBitsInCompressedTensors) {
  ExpectWrittenInGroups(kFolder / GetParam());
}

TEST_P(WrittenArchitectures, HaveTheLanesBitsForBitsandbytesOrAreRefusedWithStackedExperts) {
  ExpectWrittenForBitsandbytes(kFolder / GetParam());
}

TEST_P(WrittenArchitectures, AreTheModelsOwnTensorsWherePlain) {
  ExpectWrittenPlainly(kFolder / GetParam());
}

// Routers stay, and GPTQModel is told so; awq moves scales into norms and routers too.
TEST(WrittenExperts, StandBesideRoutersThatTheConfigNames) {
  const WrittenArchitecture written(kFolder / "mixtral");
  written.ExpectTheLanesBits("int4_group:8:asym+awq", "gptq");
  const nlohmann::json config = written.Config();
  EXPECT_TRUE(config.at("quantization_config")
                  .at("dynamic")
                  .contains(R"(-:model\.layers\.0\.block_sparse_moe\.gate$)"))
      << config;
}

// One matrix holds q, k and v, whose rows share their inputs and so the order of their groups.
TEST(WrittenLinears, ThatShareATensorAreJoinedWithTheIndexOfTheirGroups) {
  const WrittenArchitecture written(kFolder / "deepseek_v2");
  written.ExpectTheLanesBits("int4_group:16:full:index+gptq:act", "gptq");
}

INSTANTIATE_TEST_SUITE_P(All, WrittenArchitectures, testing::ValuesIn(CheckpointsIn(kFolder)),
                         [](const auto& which) { return which.param; });

}  // namespace
}  // namespace bitloss
