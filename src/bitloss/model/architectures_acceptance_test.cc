// Tiny random checkpoints of every architecture against transformers' losses, the plain reference
// and themselves, token by token.
#include <gmock/gmock.h>

#include "bitloss/model/test_architecture.h"

namespace bitloss {
namespace {

const std::filesystem::path kFolder = BITLOSS_SHARED_DATA "/tiny-architectures";

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (std::filesystem::exists(entry.path() / "logits.json")) {
      names.push_back(entry.path().filename().string());
    }
  }
  std::ranges::sort(names);
  return names;
}

class TinyArchitectures : public testing::TestWithParam<std::string> {
 protected:
  static ArchitectureGolden golden() { return ArchitectureGolden(kFolder / GetParam()); }
};

TEST_P(TinyArchitectures, HasTransformersLossOfEveryToken) { ExpectTransformersLosses(golden()); }

TEST_P(TinyArchitectures, HasTheSameBitsTokenByTokenThroughACache) {
  ExpectSameBitsThroughACache(golden(), 1);
}

TEST_P(TinyArchitectures, HasTheSameBitsAfterAPrompt) { ExpectSameBitsThroughACache(golden(), 19); }

TEST_P(TinyArchitectures, ItsGgufFileHasTheSameLosses) {
  const std::filesystem::path path = kFolder / "gguf" / (GetParam() + ".gguf");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no such file";
  TestModel model(path);
  const std::vector<double> losses =
      LossesOf(model.Logits(model.Lane("fp32"), golden().tokens), golden().tokens);
  const double worst = WorstDifference(losses, golden().losses);
  EXPECT_LT(worst, kTolerance);
  std::printf("%-22s GGUF %.2e\n", GetParam().c_str(), worst);
}

INSTANTIATE_TEST_SUITE_P(All, TinyArchitectures, testing::ValuesIn(Names()),
                         [](const auto& which) { return which.param; });

}  // namespace
}  // namespace bitloss
