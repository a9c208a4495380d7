// Where the damage of a scheme comes from: single tensors, blocks and kinds of projection of the
// quantized lane in the clean baseline, and a mixed scheme that spends a budget where it helps.
#ifndef BITLOSS_STUDY_SENSITIVITY_H_
#define BITLOSS_STUDY_SENSITIVITY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/study/mixed_scheme.h"
#include "bitloss/study/options.h"
#include "bitloss/study/progress.h"

namespace bitloss {

struct SensitivityOptions {
  // A folder, a .gguf file or a hub name; empty: the small model that ships with bitloss.
  std::string model;
  // The first is analysed; with a budget all of them, and FP16, are what a tensor may get.
  std::vector<std::string> schemes;
  // UTF-8 file; empty: the held-out text that ships with bitloss.
  std::filesystem::path text;
  size_t num_tokens = 1024;  // of its beginning
  // Bits per weight of the decoder's linears, scales included.
  std::optional<double> budget;
  uint64_t seed = 20250917;
  size_t num_threads = 1;
};

// Mean KL from the baseline, in nats per scored token, with one part of a lane swapped in. What a
// calibrating fit folds into norms cannot be swapped by tensor: then `tensors` and `kinds` are
// empty.
struct SchemeSensitivity {
  std::string scheme;
  double all = 0.0;                                          // the whole lane
  std::vector<std::array<double, kNumLinearKinds>> tensors;  // [layer][kind of linear]
  std::vector<double> layers;
  std::vector<double> kinds;  // by linear

  // The sum of what tensors (or, without those, blocks) do alone, over what they do together: 1 if
  // errors simply add up. None if the lane does nothing.
  std::optional<double> AdditivityRatio() const;
};

struct MixRecommendation {
  MixedScheme mixed;
  double bits_per_weight = 0.0;  // of the linears
  double predicted_kl = 0.0;     // sum of the tensors' own
  double measured_kl = 0.0;      // of the mix, on the same text
};

struct Sensitivity {
  size_t num_tokens = 0;
  size_t num_scored = 0;
  std::string text;
  std::vector<SchemeSensitivity> schemes;
  std::optional<MixRecommendation> mix;
  // What the swaps of the first scheme cost, in passes of all tokens through all blocks: of its
  // blocks alone, and of everything.
  double layer_sweep_runs = 0.0;
  double all_runs = 0.0;
  double seconds = 0.0;
};

// kBadInput in one line: a text that is too short, a scheme that cannot be (and, with a budget, one
// that calibrates), a budget that even the smallest choices exceed.
Result<Sensitivity> AnalyzeSensitivity(const SensitivityOptions& options,
                                       const ProgressSink& progress);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_SENSITIVITY_H_
