// For tests: a checkpoint of some architecture beside transformers' losses, the plain reference and
// itself, token by token. A folder holds the checkpoint and logits.json ("tokens", "nll").
#ifndef BITLOSS_MODEL_TEST_ARCHITECTURE_H_
#define BITLOSS_MODEL_TEST_ARCHITECTURE_H_

#include <cstdio>

#include "bitloss/compute/host_tensor.h"
#include "bitloss/metrics/divergence.h"
#include "bitloss/model/test_model.h"

namespace bitloss {

// Of a token's loss, beside transformers in float32.
inline constexpr double kTolerance = 1e-4;
// Beside the same operations in double precision, each rounded once: what FP32 costs these models,
// whose random weights amplify it (transformers itself differs by as much between its float32 and
// float64, which logits.json notes).
inline constexpr double kReferenceTolerance = 5e-5;

// With delta rules, whose states sum up the rounding of all tokens before; transformers computes
// them in chunks besides.
inline constexpr double kDeltaTolerance = 1e-3;
inline constexpr double kDeltaReferenceTolerance = 3e-4;

inline std::vector<double> LossesOf(const Matrix& logits, std::span<const int32_t> tokens) {
  std::vector<double> losses;
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    const RowSummary summary = Must(Summarize(logits.Row(i)));
    losses.push_back(-LogProb(logits.Row(i)[static_cast<size_t>(tokens[i + 1])], summary));
  }
  return losses;
}

inline double WorstDifference(std::span<const double> a, std::span<const double> b) {
  double worst = a.size() == b.size() ? 0.0 : 1e9;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    worst = std::max(worst, std::abs(a[i] - b[i]));
  }
  return worst;
}

// The logits of every position on the plain reference.
inline Matrix ReferenceLogits(const ModelSource& source, std::span<const int32_t> tokens) {
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

struct ArchitectureGolden {
  explicit ArchitectureGolden(const std::filesystem::path& in) : folder(in), tokens(), losses() {
    const nlohmann::json golden = ReadTestJson(folder / "logits.json");
    tokens = golden.at("tokens").get<std::vector<int32_t>>();
    losses = golden.at("nll").get<std::vector<double>>();
  }
  std::filesystem::path folder;
  std::vector<int32_t> tokens;
  std::vector<double> losses;
};

inline void ExpectTransformersLosses(const ArchitectureGolden& golden) {
  TestModel model(golden.folder);
  const std::vector<double> losses =
      LossesOf(model.Logits(model.Lane("fp32"), golden.tokens), golden.tokens);
  const double worst = WorstDifference(losses, golden.losses);
  EXPECT_LT(worst, model.source().config().delta ? kDeltaTolerance : kTolerance);
  const double from_reference = WorstDifference(
      losses, LossesOf(ReferenceLogits(model.source(), golden.tokens), golden.tokens));
  EXPECT_LT(from_reference,
            model.source().config().delta ? kDeltaReferenceTolerance : kReferenceTolerance);
  std::printf("%-22s transformers %.2e, reference %.2e\n", golden.folder.filename().c_str(), worst,
              from_reference);
}

// Prefill of the first `prompt` tokens, then one at a time, beside all at once.
inline void ExpectSameBitsThroughACache(const ArchitectureGolden& golden, size_t prompt,
                                        const std::string& scheme = "int8_row") {
  TestModel model(golden.folder);
  const std::span<const int32_t> tokens = golden.tokens;
  const LaneWeights lane = model.Lane(scheme);
  const Matrix at_once = model.Logits(lane, tokens);
  const std::vector<size_t> capacities = {tokens.size()};
  KvCache cache(model.source().config(), capacities, HostMemory());
  for (size_t begin = 0, end = prompt; begin < tokens.size(); begin = end, end = begin + 1) {
    Batch step;
    step.Continue(tokens.subspan(begin, end - begin), cache, 0);
    Tensor hidden(HostMemory());
    Tensor logits(HostMemory(), end - begin, model.source().config().vocab_size);
    model.transformer().Hidden(lane, step, &cache, hidden);
    model.transformer().LmHead(lane, hidden, logits);
    for (size_t i = begin; i < end; ++i) {
      ASSERT_THAT(HostView(logits.view()).Row(i - begin), testing::ElementsAreArray(at_once.Row(i)))
          << i;
    }
  }
}

}  // namespace bitloss

#endif  // BITLOSS_MODEL_TEST_ARCHITECTURE_H_
