// Tiny random checkpoints of the architectures that tools/golden/architectures.py makes, against
// transformers' losses, the plain reference and themselves, token by token.
#include <gmock/gmock.h>

#include "bitloss/model/test_architecture.h"

namespace bitloss {
namespace {

const std::filesystem::path kFolder =
    BITLOSS_SOURCE_DIR "/src/bitloss/model/testdata/architectures";

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

double MeanDifference(std::span<const double> a, std::span<const double> b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
  return sum / static_cast<double>(a.size());
}

class SmallArchitectures : public testing::TestWithParam<std::string> {
 protected:
  static ArchitectureGolden golden() { return ArchitectureGolden(kFolder / GetParam()); }
};

TEST_P(SmallArchitectures, HasTransformersLossOfEveryToken) { ExpectTransformersLosses(golden()); }

TEST_P(SmallArchitectures, HasTheSameBitsAfterAPrompt) {
  ExpectSameBitsThroughACache(golden(), 13);
}

// Layers that attend to keys and values of an earlier one find them rounded there, once.
TEST_P(SmallArchitectures, HasTheSameBitsThroughACacheThatRounds) {
  if (TestModel(golden().folder).source().config().latent) GTEST_SKIP() << "keeps no keys";
  ExpectSameBitsThroughACache(golden(), 13, "int8_row+kv=fp8_e4m3");
}

// AWQ scales what reads an input up and what makes it down, GPTQ rounds a linear after what makes
// its input: with eight bits for every four weights neither changes what is computed by much.
TEST_P(SmallArchitectures, KeepsItsLossesThroughFitsThatCalibrate) {
  const ArchitectureGolden small = golden();
  TestModel model(small.folder);
  for (const char* scheme : {"int8_group:4+awq", "int8_group:4+gptq"}) {
    const LaneWeights lane = model.Lane(scheme, small.tokens);
    const double mean =
        MeanDifference(LossesOf(model.Logits(lane, small.tokens), small.tokens), small.losses);
    EXPECT_LT(mean, 0.1) << scheme;  // an expert may be another at some token
    EXPECT_GT(mean, 0.0) << scheme;
    std::printf("%-22s %s %.2e\n", GetParam().c_str(), scheme, mean);
  }
}

TEST_P(SmallArchitectures, ItsGgufFileHasTheSameLosses) {
  const std::filesystem::path path = kFolder / GetParam() / (GetParam() + ".gguf");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no such file";
  const ArchitectureGolden small = golden();
  TestModel model(path);
  const double worst = WorstDifference(
      LossesOf(model.Logits(model.Lane("fp32"), small.tokens), small.tokens), small.losses);
  EXPECT_LT(worst, model.source().config().delta ? kDeltaTolerance : kTolerance);
  std::printf("%-22s GGUF %.2e\n", GetParam().c_str(), worst);
}

INSTANTIATE_TEST_SUITE_P(All, SmallArchitectures, testing::ValuesIn(Names()),
                         [](const auto& which) { return which.param; });

}  // namespace
}  // namespace bitloss
