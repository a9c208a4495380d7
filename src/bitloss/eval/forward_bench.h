// How fast whole forward passes are: the kernels of compute/bench.h put together.
#ifndef BITLOSS_EVAL_FORWARD_BENCH_H_
#define BITLOSS_EVAL_FORWARD_BENCH_H_

#include <string>
#include <string_view>

#include "bitloss/base/result.h"
#include "bitloss/compute/bench.h"
#include "bitloss/model/transformer.h"

namespace bitloss {

// A model of random weights in one scheme: every layer has memory of its own, the head is FP16.
class BenchModel {
 public:
  // `scheme` as for ParseScheme; it must need no calibration. Of `config` the sizes count.
  static Result<BenchModel> Make(const ModelConfig& config, std::string_view scheme,
                                 const Backend& backend);

  const ModelConfig& config() const { return config_; }
  const LaneWeights& weights() const { return weights_; }
  // Of the matrices that every token is multiplied by.
  size_t packed_bytes() const { return packed_bytes_; }
  double linear_flops() const;  // of one token, the head's apart
  double head_flops() const;    // of one token

 private:
  ModelConfig config_;
  LaneWeights weights_;
  size_t packed_bytes_ = 0;
};

struct ForwardRecord {
  std::string_view work;  // "text" or "decode"
  size_t sequences = 0;
  size_t tokens = 0;  // text: of each sequence; decode: those before the new one
  double seconds = 0;
  double tokens_per_second = 0;
  double gflops = 0;     // products and attention
  double gigabytes = 0;  // packed weights read per second
  ShareOfLimit share = {};
};

// Windows of `tokens` tokens, the second half of each scored: blocks, head and loss.
Result<ForwardRecord> BenchmarkText(const BenchModel& model, const Backend& backend,
                                    const MachineLimits& limits, size_t sequences, size_t tokens);

// One more token for each of `sequences` sequences of `tokens` tokens: blocks, head and the greedy
// choice.
ForwardRecord BenchmarkDecode(const BenchModel& model, const Backend& backend,
                              const MachineLimits& limits, size_t sequences, size_t tokens,
                              double seconds);

}  // namespace bitloss

#endif  // BITLOSS_EVAL_FORWARD_BENCH_H_
