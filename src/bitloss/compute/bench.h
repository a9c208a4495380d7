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

// Sizes of one core's data caches (the last level may be shared), bytes; 0 where unknown.
struct CacheSizes {
  size_t level1 = 0;
  size_t level2 = 0;
  size_t level3 = 0;
};
CacheSizes ReadCacheSizes();

// The yardsticks, for all threads together.
struct MachineLimits {
  double fma_gflops = 0;      // FP32 multiply-adds from registers, two operations each
  double tile_gflops = 0;     // the same with operands from the first-level cache
  double byte_gops = 0;       // products of bytes summed in int32, two operations each; 0: no VNNI
  double read_gigabytes = 0;  // per second, from memory
};

// Of the host's processor; about a second. kUnsupported as for MakeCpuBackend.
Result<MachineLimits> MeasureMachineLimits(ThreadPool& threads,
                                           std::string_view instruction_set = {});

// Of a device beside it. `read_gigabytes` is what a copy reads and writes.
MachineLimits LimitsOf(const DeviceLimits& device);

// How close a kernel comes to the limit that binds it: the one that alone would take longest.
struct ShareOfLimit {
  std::string_view limit;  // "fma", "bytes" (products of bytes) or "read"
  double share = 0;        // the time that the limit alone would take / the time taken
};

// The unit that a kernel's products keep busy.
enum class Multiplier { kFloat, kBytes };
ShareOfLimit ShareOf(const MachineLimits& limits, Multiplier multiplier, double gflops,
                     double gigabytes);

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
  ShareOfLimit share = {};
};

// One weight matrix of random numbers, multiplied with each number of tokens. Runs each product for
// about `seconds`. `scheme` as for ParseScheme. Up to kMaxColdTokens tokens the weights come from
// memory, as in decoding: the product walks through copies that no cache holds together.
inline constexpr size_t kMaxColdTokens = 16;
Result<std::vector<MatMulRecord>> BenchmarkMatMul(const Backend& backend,
                                                  const MachineLimits& limits,
                                                  std::string_view scheme, size_t in, size_t out,
                                                  std::span<const size_t> tokens, double seconds);

struct AttentionRecord {
  AttentionShape shape;
  size_t tokens = 0;  // new ones of the one sequence, all at once
  size_t keys = 0;    // that the last of them sees
  double seconds = 0;
  double gflops = 0;     // 4 operations for each visible key, head and element
  double gigabytes = 0;  // keys and values read per second, each once
  ShareOfLimit share = {};
};

// Requires: 0 < tokens <= keys.
AttentionRecord BenchmarkAttention(const Backend& backend, const MachineLimits& limits,
                                   const AttentionShape& shape, size_t tokens, size_t keys,
                                   double seconds);

struct RowRecord {
  std::string_view operation;  // "rms_norm", "rope", "swiglu", "add"
  size_t tokens = 0;
  size_t width = 0;
  double seconds = 0;
  double gigabytes = 0;  // read and written per second; small matrices stay in a cache
  ShareOfLimit share = {};
};

// The operations on rows of `width` numbers. `head_dim` divides it.
std::vector<RowRecord> BenchmarkRowOperations(const Backend& backend, const MachineLimits& limits,
                                              size_t width, size_t head_dim, size_t tokens,
                                              double seconds);

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_BENCH_H_
