// Tiny random checkpoints of every architecture against transformers' losses, the plain reference
// and themselves, token by token.
#include <gmock/gmock.h>

#include "bitloss/compute/host_tensor.h"
#include "bitloss/metrics/divergence.h"
#include "bitloss/model/test_model.h"

namespace bitloss {
namespace {

using nlohmann::json;

const std::filesystem::path kFolder = BITLOSS_SHARED_DATA "/tiny-architectures";

// Of a token's loss, beside transformers in float32.
constexpr double kTolerance = 1e-4;
// Beside the same operations in double precision, each rounded once: what FP32 costs these models,
// whose random weights amplify it (transformers itself differs by as much between its float32 and
// float64, which logits.json notes).
constexpr double kReferenceTolerance = 5e-5;

// Not run yet: latent attention, delta rules, short convolutions, per-layer inputs.
constexpr std::string_view kLater[] = {"deepseek_v3",     "glm4_moe_lite", "qwen3_5", "qwen3_5_moe",
                                       "qwen3_5_wrapped", "lfm2",          "gemma4",  "gemma4_moe"};

bool IsLater(const std::string& name) {
  return std::ranges::find(kLater, name) != std::end(kLater);
}

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

std::vector<double> LossesOf(const Matrix& logits, std::span<const int32_t> tokens) {
  std::vector<double> losses;
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    const RowSummary summary = Must(Summarize(logits.Row(i)));
    losses.push_back(-LogProb(logits.Row(i)[static_cast<size_t>(tokens[i + 1])], summary));
  }
  return losses;
}

double WorstDifference(std::span<const double> a, std::span<const double> b) {
  double worst = a.size() == b.size() ? 0.0 : 1e9;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    worst = std::max(worst, std::abs(a[i] - b[i]));
  }
  return worst;
}

// The logits of every position on the plain reference.
Matrix ReferenceLogits(const ModelSource& source, std::span<const int32_t> tokens) {
  const auto backend = MakeReferenceBackend();
  Transformer transformer(source.config(), *backend);
  const std::vector<Scheme> schemes = {Must(ParseScheme("fp32"))};
  const std::vector<BuiltLane> lanes = Must(BuildLanes(source, transformer, schemes, {}));
  Batch batch;
  batch.Add(tokens);
  Tensor hidden(backend->memory());
  transformer.Hidden(lanes[0].weights, batch, nullptr, hidden);
  Tensor logits(backend->memory(), tokens.size(), source.config().vocab_size);
  transformer.LmHead(lanes[0].weights, hidden, logits);
  return backend->ToMatrix(logits);
}

class TinyArchitectures : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (IsLater(GetParam())) GTEST_SKIP() << "not run yet";
    golden_ = ReadTestJson(kFolder / GetParam() / "logits.json");
    tokens_ = golden_.at("tokens").get<std::vector<int32_t>>();
  }

  json golden_;
  std::vector<int32_t> tokens_;
};

TEST_P(TinyArchitectures, HasTransformersLossOfEveryToken) {
  TestModel model(kFolder / GetParam());
  const std::vector<double> losses = LossesOf(model.Logits(model.Lane("fp32"), tokens_), tokens_);
  const double worst = WorstDifference(losses, golden_.at("nll").get<std::vector<double>>());
  EXPECT_LT(worst, kTolerance);
  const double from_reference =
      WorstDifference(losses, LossesOf(ReferenceLogits(model.source(), tokens_), tokens_));
  EXPECT_LT(from_reference, kReferenceTolerance);
  std::printf("%-22s transformers %.2e, reference %.2e\n", GetParam().c_str(), worst,
              from_reference);
}

TEST_P(TinyArchitectures, HasTheSameBitsTokenByTokenThroughACache) {
  TestModel model(kFolder / GetParam());
  const LaneWeights lane = model.Lane("int8_row");
  const Matrix at_once = model.Logits(lane, tokens_);
  const std::vector<size_t> capacities = {tokens_.size()};
  KvCache cache(model.source().config(), capacities, HostMemory());
  for (size_t i = 0; i < tokens_.size(); ++i) {
    Batch step;
    step.Continue({&tokens_[i], 1}, cache, 0);
    Tensor hidden(HostMemory());
    Tensor logits(HostMemory(), 1, model.source().config().vocab_size);
    model.transformer().Hidden(lane, step, &cache, hidden);
    model.transformer().LmHead(lane, hidden, logits);
    ASSERT_THAT(HostView(logits.view()).Row(0), testing::ElementsAreArray(at_once.Row(i))) << i;
  }
}

TEST_P(TinyArchitectures, ItsGgufFileHasTheSameLosses) {
  const std::filesystem::path path = kFolder / "gguf" / (GetParam() + ".gguf");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no such file";
  TestModel model(path);
  const std::vector<double> losses = LossesOf(model.Logits(model.Lane("fp32"), tokens_), tokens_);
  const double worst = WorstDifference(losses, golden_.at("nll").get<std::vector<double>>());
  EXPECT_LT(worst, kTolerance);
  std::printf("%-22s GGUF %.2e\n", GetParam().c_str(), worst);
}

INSTANTIATE_TEST_SUITE_P(All, TinyArchitectures, testing::ValuesIn(Names()),
                         [](const auto& which) { return which.param; });

}  // namespace
}  // namespace bitloss
