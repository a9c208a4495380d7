#include "bitloss/compute/bench.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "bitloss/base/random.h"
#include "bitloss/base/stopwatch.h"
#include "bitloss/compute/cpu/aligned_bytes.h"
#include "bitloss/compute/cpu/instruction_sets.h"
#include "bitloss/compute/cpu/limit_kernels.h"
#include "bitloss/tensor/dtype.h"

namespace bitloss {
namespace {

// The shortest of the runs that fit into `seconds`; at least three.
template <class Work>
double BestSeconds(double seconds, const Work& work) {
  double best = 1e30;
  const Clock::time_point begin = Clock::now();
  for (int run = 0; run < 3 || SecondsSince(begin) < seconds; ++run) {
    const Clock::time_point start = Clock::now();
    work();
    best = std::min(best, SecondsSince(start));
  }
  return best;
}

// The same of operations of a backend: several between two looks at the clock if it queues them.
template <class Work>
double BestSeconds(const Backend& backend, double seconds, const Work& work) {
  const size_t queued = backend.work_sizes().queued;
  return BestSeconds(seconds,
                     [&] {
                       for (size_t i = 0; i < queued; ++i) work();
                       backend.Wait();
                     }) /
         static_cast<double>(queued);
}

// What all threads together do per second, in 10^9, when each of them calls work(sink).
template <class Work>
double BestRate(ThreadPool& threads, const Work& work) {
  double done = 0;
  std::vector<float> sinks(threads.num_threads() * 16);  // one cache line each
  const double seconds = BestSeconds(0.25, [&] {
    std::vector<double> amounts(threads.num_threads());
    std::atomic<size_t> arrived = 0;
    threads.ForEachPart(threads.num_threads(), [&](size_t part, size_t) {
      // Wait for the others: a thread that took two parts would count the other's idle time.
      arrived.fetch_add(1);
      while (arrived.load() < threads.num_threads()) {
      }
      amounts[part] = work(part, &sinks[part * 16]);
    });
    done = 0;
    for (const double amount : amounts) done += amount;
  });
  return done / seconds * 1e-9;
}

Matrix RandomActivations(size_t rows, size_t cols) {
  const RandomStream random(0, "bench");
  Matrix matrix(rows, cols);
  for (size_t i = 0; i < rows * cols; ++i) {
    // Sixteen bits of one draw at a time: the numbers only have to differ.
    const uint64_t bits = random.Bits(i / 4) >> (i % 4 * 16) & 0xFFFF;
    matrix.flat()[i] = static_cast<float>(bits) / 32768.0f - 1.0f;
  }
  return matrix;
}

Matrix RandomWeights(size_t rows, size_t cols) {
  Matrix matrix = RandomActivations(rows, cols);
  for (float& weight : matrix.flat()) weight = ThroughF16(weight);
  return matrix;
}

RopeTable RandomRotations(const Backend& backend, size_t positions, size_t half) {
  const Matrix angles = RandomActivations(positions, half);
  return {backend.ToTensor(angles), backend.ToTensor(angles)};
}

size_t SystemSize(int name) {
  const long size = ::sysconf(name);
  return size > 0 ? static_cast<size_t>(size) : 0;
}

// How many copies of a matrix no cache holds together; fewer if memory is short.
size_t ColdCopies(size_t matrix_bytes) {
  const size_t wanted = ReadCacheSizes().level3 / 4 * 5 + (size_t{64} << 20);
  const size_t free = SystemSize(_SC_AVPHYS_PAGES) * SystemSize(_SC_PAGESIZE);
  return std::clamp<size_t>(std::min(wanted, free / 4) / matrix_bytes, 1, 4096);
}

}  // namespace

ShareOfLimit ShareOf(const MachineLimits& limits, Multiplier multiplier, double gflops,
                     double gigabytes) {
  const bool bytes = multiplier == Multiplier::kBytes && limits.byte_gops > 0;
  const ShareOfLimit multiply = bytes ? ShareOfLimit{"bytes", gflops / limits.byte_gops}
                                      : ShareOfLimit{"fma", gflops / limits.fma_gflops};
  const ShareOfLimit read = {"read", gigabytes / limits.read_gigabytes};
  return multiply.share > read.share ? multiply : read;
}

CacheSizes ReadCacheSizes() {
  return {SystemSize(_SC_LEVEL1_DCACHE_SIZE), SystemSize(_SC_LEVEL2_CACHE_SIZE),
          SystemSize(_SC_LEVEL3_CACHE_SIZE)};
}

Result<MachineLimits> MeasureMachineLimits(ThreadPool& threads, std::string_view instruction_set) {
  BITLOSS_TRY(const int64_t target, ChooseCpuTarget(instruction_set));
  const LimitKernels kernels = LimitKernelsFor(target);
  MachineLimits limits;
  limits.fma_gflops =
      BestRate(threads, [&](size_t, float* sink) { return kernels.multiply_add(200'000, sink); });
  limits.tile_gflops =
      BestRate(threads, [&](size_t, float* sink) { return kernels.multiply_tile(100'000, sink); });
  if (kernels.multiply_bytes != nullptr) {
    limits.byte_gops = BestRate(
        threads, [&](size_t, float* sink) { return kernels.multiply_bytes(200'000, sink); });
  }
  // More than caches hold, each thread its own part.
  const size_t num_floats = (size_t{1} << 28) / threads.num_threads();
  std::vector<AlignedBytes> memory(threads.num_threads());
  for (AlignedBytes& bytes : memory) {
    bytes = AlignedBytes(num_floats * sizeof(float));
    std::memset(bytes.data(), 1, bytes.size());  // or all pages would be one of zeros
  }
  limits.read_gigabytes = BestRate(threads, [&](size_t part, float* sink) {
    return kernels.read(reinterpret_cast<const float*>(memory[part].data()), num_floats, sink);
  });
  return limits;
}

MachineLimits LimitsOf(const DeviceLimits& device) {
  return {.fma_gflops = device.fma_gflops,
          .tile_gflops = device.fma_gflops,
          .byte_gops = device.byte_gops,
          .read_gigabytes = device.copy_gigabytes};
}

Result<std::vector<MatMulRecord>> BenchmarkMatMul(const Backend& backend,
                                                  const MachineLimits& limits,
                                                  std::string_view scheme_text, size_t in,
                                                  size_t out, std::span<const size_t> tokens,
                                                  double seconds) {
  const size_t widths[] = {in};
  BITLOSS_TRY(Scheme scheme, ParseScheme(scheme_text));
  BITLOSS_TRY(scheme, ResolveForWidths(std::move(scheme), widths));
  BITLOSS_TRY(const EncodedMatrix encoded,
              scheme.format.encode(scheme.format, RandomWeights(out, in)));
  std::vector<std::unique_ptr<PackedMatrix>> copies(1);
  BITLOSS_TRY(copies[0], backend.Pack(encoded, scheme.execution));
  const size_t weight_bytes = copies[0]->num_bytes();
  if (*std::ranges::min_element(tokens) <= kMaxColdTokens) copies.resize(ColdCopies(weight_bytes));
  for (size_t i = 1; i < copies.size(); ++i) {
    BITLOSS_TRY(copies[i], backend.Pack(encoded, scheme.execution));
  }
  const bool real = scheme.execution.kind == Execution::Kind::kRealActivations;
  std::vector<MatMulRecord> records;
  for (const size_t num_tokens : tokens) {
    const Tensor x = backend.ToTensor(RandomActivations(num_tokens, in));
    Tensor y(backend.memory(), num_tokens, out);
    const RowRange call = {0, num_tokens};
    MatMulRecord record{.scheme = std::string(scheme_text),
                        .shape = {num_tokens, in, out},
                        .weight_bytes = weight_bytes};
    const size_t products = num_tokens <= kMaxColdTokens ? copies.size() : 1;
    record.seconds = BestSeconds(backend, seconds,
                                 [&] {
                                   for (size_t i = 0; i < products; ++i) {
                                     backend.MatMul(*copies[i], {}, x, {&call, 1}, y);
                                   }
                                 }) /
                     static_cast<double>(products);
    record.gflops = 2e-9 * static_cast<double>(num_tokens * in * out) / record.seconds;
    record.gigabytes = 1e-9 * static_cast<double>(record.weight_bytes) / record.seconds;
    record.share = ShareOf(limits, real ? Multiplier::kFloat : Multiplier::kBytes, record.gflops,
                           record.gigabytes);
    records.push_back(std::move(record));
  }
  return records;
}

AttentionRecord BenchmarkAttention(const Backend& backend, const MachineLimits& limits,
                                   const AttentionShape& shape, size_t tokens, size_t keys,
                                   double seconds) {
  const auto random = [&](size_t rows, size_t heads) {
    return backend.ToTensor(RandomActivations(rows, heads * shape.head_dim));
  };
  const Tensor q = random(tokens, shape.num_heads);
  const Tensor k = random(keys, shape.num_kv_heads);
  const Tensor v = random(keys, shape.num_kv_heads);
  Tensor out(backend.memory(), tokens, q.cols());
  const AttentionSequence sequence = {
      .rows = {0, tokens}, .first_position = keys - tokens, .keys = k.view(), .values = v.view()};
  AttentionRecord record{.shape = shape, .tokens = tokens, .keys = keys};
  record.seconds = BestSeconds(backend, seconds, [&] {
    backend.Attention(shape, q, {&sequence, 1}, out);
  });
  const double visible_keys =
      0.5 * static_cast<double>(tokens) * static_cast<double>(2 * keys - tokens + 1);
  record.gflops = 4e-9 * visible_keys * static_cast<double>(q.cols()) / record.seconds;
  record.gigabytes =
      1e-9 * static_cast<double>(2 * keys * k.cols() * sizeof(float)) / record.seconds;
  record.share = ShareOf(limits, Multiplier::kFloat, record.gflops, record.gigabytes);
  return record;
}

std::vector<RowRecord> BenchmarkRowOperations(const Backend& backend, const MachineLimits& limits,
                                              size_t width, size_t head_dim, size_t tokens,
                                              double seconds) {
  const Tensor a = backend.ToTensor(RandomActivations(tokens, width));
  Tensor b = backend.ToTensor(RandomActivations(tokens, width));
  const Tensor weight = backend.ToTensor(std::vector<float>(width, 1.0f));
  const RopeTable rotations = RandomRotations(backend, tokens, head_dim / 2);
  std::vector<uint32_t> positions(tokens);
  for (size_t i = 0; i < tokens; ++i) positions[i] = static_cast<uint32_t>(i);

  std::vector<RowRecord> records;
  // `matrices`: how many of this size are read or written.
  const auto add = [&](std::string_view operation, double matrices, const auto& work) {
    RowRecord record{.operation = operation, .tokens = tokens, .width = width};
    record.seconds = BestSeconds(backend, seconds, work);
    record.gigabytes =
        1e-9 * matrices * static_cast<double>(tokens * width * sizeof(float)) / record.seconds;
    record.share = {"read", record.gigabytes / limits.read_gigabytes};
    records.push_back(record);
  };
  add("rms_norm", 2, [&] { backend.RmsNorm(a, weight, 1e-5f, b); });
  add("rope", 2, [&] { backend.Rope(rotations, positions, head_dim, b); });
  add("swiglu", 3, [&] { backend.Gate({}, a, a, b); });
  add("add", 3, [&] { backend.Add(a, b); });
  return records;
}

}  // namespace bitloss
