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

class WrittenTinyGgufFiles : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(WrittenTinyGgufFiles, AreTheModelsOwnTensorsAndHaveTheLanesBits) {
  ExpectWrittenAsGguf(GetParam());
}

INSTANTIATE_TEST_SUITE_P(All, WrittenTinyGgufFiles, testing::ValuesIn(GgufFilesIn(kFolder)),
                         [](const auto& which) { return which.param.stem().string(); });

TEST(WrittenTinyFolders, BecomeGgufFilesThatAreReadAsTheSameModel) {
  EXPECT_THAT(WrittenAsGguf(kFolder),
              testing::ElementsAre("cohere2", "glm4", "glm4_moe", "gpt_oss_mxfp4", "granite",
                                   "lfm2", "llama3", "minimax_m2", "olmo3", "qwen3"));
}

// How many of the checkpoints a layout holds a scheme of; the others are refused in one line.
struct WrittenScheme {
  const char* scheme;
  const char* layout;
  size_t num_written;
};

class WrittenSchemes : public testing::TestWithParam<WrittenScheme> {};

TEST_P(WrittenSchemes, HaveTheLanesBitsOfEveryArchitectureThatTheLayoutHolds) {
  const auto [scheme, layout, num_written] = GetParam();
  size_t found = 0;
  for (const std::string& name : CheckpointsIn(kFolder)) {
    SCOPED_TRACE(name);
    const WrittenArchitecture written(kFolder / name);
    const std::string refusal = written.ExpectTheLanesBitsOrRefusal(scheme, layout);
    found += refusal.empty() ? 1 : 0;
    if (refusal.empty()) continue;
    EXPECT_THAT(refusal, testing::StartsWith(std::string("scheme '") + scheme + "'"));
    EXPECT_THAT(refusal, testing::ContainsRegex("do not divide|not a multiple|in multiples of|"
                                                "holds single matrices|does not keep apart"));
    EXPECT_EQ(refusal.find('\n'), refusal.npos);
  }
  EXPECT_EQ(found, num_written);
}

INSTANTIATE_TEST_SUITE_P(
    All, WrittenSchemes,
    testing::Values(WrittenScheme{"nf4", "bitsandbytes-4bit", 20},
                    WrittenScheme{"nf4-dq", "bitsandbytes-4bit", 20},
                    WrittenScheme{"int4_group:8:asym", "compressed-tensors", 30},
                    WrittenScheme{"fp8", "compressed-tensors", 31},
                    WrittenScheme{"fp8_e4m3:block", "compressed-tensors", 24},
                    WrittenScheme{"w8a8", "compressed-tensors", 31},
                    WrittenScheme{"mxfp4", "compressed-tensors", 2},
                    WrittenScheme{"nvfp4", "compressed-tensors", 20},
                    WrittenScheme{"int4_group:8:asym", "awq", 2},
                    WrittenScheme{"int4_group:8:asym+awq", "gptq", 30},
                    WrittenScheme{"int4_group:8:sym+gptq", "gptq", 30},
                    WrittenScheme{"int4_group:8:full:index+gptq:act", "gptq", 30}),
    [](const auto& which) {
      std::string name = std::string(which.param.scheme) + "_" + which.param.layout;
      std::ranges::replace_if(
          name, [](char c) { return !std::isalnum(c); }, '_');
      return name;
    });

INSTANTIATE_TEST_SUITE_P(All, WrittenTinyArchitectures, testing::ValuesIn(CheckpointsIn(kFolder)),
                         [](const auto& which) { return which.param; });

}  // namespace
}  // namespace bitloss
