// How fast this machine can be, and how close each kernel comes.
//
// A measurement is the best of several runs: what the kernel can do, with as little as possible of
// what the machine did beside it.
#ifndef BITLOSS_COMPUTE_BENCH_H_
#define BITLOSS_COMPUTE_BENCH_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/base/threads.h"
#include "bitloss/compute/backend.h"

namespace bitloss {

// The yardsticks, for all threads together.
struct MachineLimits {
  double fma_gflops = 0;      // FP32 multiply-adds from registers, two operations each
  double byte_gops = 0;       // products of bytes summed in int32, two operations each; 0: no VNNI
  double read_gigabytes = 0;  // per second, from memory
};

// About a second. kUnsupported as for MakeCpuBackend.
Result<MachineLimits> MeasureMachineLimits(ThreadPool& threads,
                                           std::string_view instruction_set = {});

struct MatMulShape {
  size_t tokens = 0;
  size_t in = 0;
  size_t out = 0;
};

struct MatMulRecord {
  std::string scheme;  // as ParseScheme reads it
  MatMulShape shape;
  size_t weight_bytes = 0;  // packed
  double seconds = 0;       // of one product
  double gflops = 0;        // 2 * tokens * in * out / seconds
  double gigabytes = 0;     // packed weights read per second
  // Of limits.fma_gflops, and of limits.read_gigabytes.
  double share_of_fma = 0;
  double share_of_read = 0;
};

// One weight matrix of random numbers, multiplied with each number of tokens. Runs each product for
// about `seconds`. `scheme` as for ParseScheme.
Result<std::vector<MatMulRecord>> BenchmarkMatMul(const Backend& backend,
                                                  const MachineLimits& limits,
                                                  std::string_view scheme, size_t in, size_t out,
                                                  std::span<const size_t> tokens, double seconds);

struct AttentionRecord {
  AttentionShape shape;
  size_t tokens = 0;  // of the one sequence, all at once
  double seconds = 0;
  double gflops = 0;  // 4 operations for each visible key, head and element
  double share_of_fma = 0;
};

AttentionRecord BenchmarkAttention(const Backend& backend, const MachineLimits& limits,
                                   const AttentionShape& shape, size_t tokens, double seconds);

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_BENCH_H_
