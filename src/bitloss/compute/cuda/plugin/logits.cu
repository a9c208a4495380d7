// Sums over rows of logits, in double, in the order of metrics/divergence.cc: column c goes to
// stripe c mod 16, blocks of 1,024 columns are added up by themselves first, the columns after the
// last whole group of 16 come last, filled up with -inf; stripes are merged in halves.
//
// A block of threads takes one row: 16 threads, a stripe each, for each of 16 blocks of columns at
// a time.
#include <math_constants.h>

#include "bitloss/compute/cuda/plugin/context.cuh"

namespace bitloss {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kStripes = 16;
constexpr unsigned kBlock = 1024;
constexpr unsigned kBlocksAtOnce = kThreads / kStripes;

// e^x as metrics/exp-inl.h computes it. Normal: x >= -707.
enum class Range { kNormal, kUnderflow };

template <Range kRange>
__device__ double Exp(double x) {
  constexpr double kShifter = 0x1.8p52 + 4096.0;
  if (kRange == Range::kUnderflow) x = fmax(x, -800.0);
  const double shifted = __fma_rn(x, 0x1.71547652b82fep+0, kShifter);
  const double n = __dsub_rn(shifted, kShifter);
  double r = __fma_rn(n, -0x1.62e42fefa39efp-1, x);
  r = __fma_rn(n, -0x1.abc9e3b39803fp-56, r);
  const double r2 = __dmul_rn(r, r);
  const double q01 = __fma_rn(r, 0x1.5555555555556p-3, 0x1.0000000000001p-1);
  const double q23 = __fma_rn(r, 0x1.11111111109b5p-7, 0x1.5555555553d68p-5);
  const double q45 = __fma_rn(r, 0x1.a01a01a7c2efep-13, 0x1.6c16c17889ef1p-10);
  const double q67 = __fma_rn(r, 0x1.71de0db2f6b19p-19, 0x1.a019b9149a41cp-16);
  const double q89 = __fma_rn(r, 0x1.af389ecfc4bb6p-26, 0x1.28917c89a43bcp-22);
  double q = __fma_rn(q89, r2, q67);
  q = __fma_rn(q, r2, q45);
  q = __fma_rn(q, r2, q23);
  q = __fma_rn(q, r2, q01);
  const double mantissa = __dadd_rn(__fma_rn(q, r2, r), 1.0);
  const auto bits = static_cast<unsigned long long>(__double_as_longlong(shifted));
  if (kRange == Range::kNormal) {
    const auto whole = static_cast<unsigned long long>(__double_as_longlong(mantissa));
    return __longlong_as_double(static_cast<long long>(whole + (bits << 52)));
  }
  const unsigned long long half = bits >> 1;
  const unsigned long long rest = bits - half;
  constexpr unsigned long long kBias = 2048 - 1023;
  const double scale_half = __longlong_as_double(static_cast<long long>((half - kBias) << 52));
  const double scale_rest = __longlong_as_double(static_cast<long long>((rest - kBias) << 52));
  return __dmul_rn(__dmul_rn(mantissa, scale_half), scale_rest);
}

struct TwoSums {
  double a[kBlocksAtOnce][kStripes];
  double b[kBlocksAtOnce][kStripes];
};

__device__ double MergeStripes(double sum) {
  for (unsigned half = kStripes / 2; half > 0; half /= 2) {
    sum = __dadd_rn(sum, __shfl_down_sync(0xffffu, sum, half));
  }
  return sum;
}

// Calls add(read(column), a, b) for the columns of a stripe of a block, `tail(stripe, a, b)` for
// those after the last whole group, and leaves the totals with thread 0.
template <class Read, class Add, class Tail>
__device__ void SumStripes(size_t size, TwoSums& shared, const Read& read, const Add& add,
                           const Tail& tail, double& total_a, double& total_b) {
  // Columns of a stripe whose elements are read before the first is added.
  constexpr unsigned kAtOnce = 8;
  const unsigned stripe = threadIdx.x % kStripes;
  const unsigned of_block = threadIdx.x / kStripes;
  const size_t whole = size - size % kStripes;
  double row_a = 0.0;
  double row_b = 0.0;
  for (size_t first = 0; first < whole; first += size_t{kBlock} * kBlocksAtOnce) {
    const size_t begin = first + size_t{of_block} * kBlock;
    const size_t end = min(begin + kBlock, whole);
    double a = 0.0;
    double b = 0.0;
    size_t c = begin + stripe;
    for (; c + (kAtOnce - 1) * kStripes < end; c += kAtOnce * kStripes) {
      decltype(read(c)) elements[kAtOnce];
#pragma unroll
      for (unsigned i = 0; i < kAtOnce; ++i) elements[i] = read(c + i * kStripes);
#pragma unroll
      for (unsigned i = 0; i < kAtOnce; ++i) add(elements[i], a, b);
    }
    for (; c < end; c += kStripes) add(read(c), a, b);
    shared.a[of_block][stripe] = a;
    shared.b[of_block][stripe] = b;
    __syncthreads();
    if (threadIdx.x < kStripes) {
      for (unsigned i = 0; i < kBlocksAtOnce && first + size_t{i} * kBlock < whole; ++i) {
        row_a = __dadd_rn(row_a, shared.a[i][threadIdx.x]);
        row_b = __dadd_rn(row_b, shared.b[i][threadIdx.x]);
      }
    }
    __syncthreads();
  }
  if (threadIdx.x < kStripes) {
    double a = 0.0;
    double b = 0.0;
    tail(whole + stripe, a, b);
    total_a = MergeStripes(__dadd_rn(row_a, a));
    total_b = MergeStripes(__dadd_rn(row_b, b));
  }
}

struct Extent {
  float max;
  float min;
  unsigned top1;
  int usable;
};

__device__ void Widen(Extent& to, const Extent& by) {
  if (by.max > to.max || (by.max == to.max && by.top1 < to.top1)) {
    to.max = by.max;
    to.top1 = by.top1;
  }
  to.min = fminf(to.min, by.min);
  to.usable &= by.usable;
}

__device__ Extent FindExtent(const float* row, size_t size, Extent* shared) {
  Extent extent{-CUDART_INF_F, CUDART_INF_F, 0xffffffffu, 1};
  constexpr unsigned kAtOnce = 8;
  const auto look = [&](float x, size_t i) {
    extent.usable &= x < CUDART_INF_F ? 1 : 0;  // false for NaN
    if (x > extent.max) {
      extent.max = x;
      extent.top1 = static_cast<unsigned>(i);
    }
    extent.min = fminf(extent.min, x);
  };
  size_t i = threadIdx.x;
  for (; i + (kAtOnce - 1) * kThreads < size; i += kAtOnce * kThreads) {
    float x[kAtOnce];
#pragma unroll
    for (unsigned j = 0; j < kAtOnce; ++j) x[j] = row[i + j * kThreads];
#pragma unroll
    for (unsigned j = 0; j < kAtOnce; ++j) look(x[j], i + j * kThreads);
  }
  for (; i < size; i += kThreads) look(row[i], i);
  shared[threadIdx.x] = extent;
  __syncthreads();
  for (unsigned half = kThreads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) Widen(shared[threadIdx.x], shared[threadIdx.x + half]);
    __syncthreads();
  }
  return shared[0];
}

template <Range kRange>
__device__ void AddExp(float logit, double max, double& sum, double& weighted) {
  const double x = __dsub_rn(static_cast<double>(logit), max);
  const double e = Exp<kRange>(x);
  sum = __dadd_rn(sum, e);
  if (kRange == Range::kNormal || e > 0.0) weighted = __fma_rn(e, x, weighted);
}

__global__ void __launch_bounds__(kThreads) SumRowsKernel(ConstCudaRows logits, CudaRowSums* sums) {
  __shared__ Extent extents[kThreads];
  __shared__ TwoSums shared;
  const float* row = logits.data + blockIdx.x * logits.stride;
  const Extent extent = FindExtent(row, logits.cols, extents);
  CudaRowSums result{extent.max, extent.min, static_cast<int32_t>(extent.top1), 0, 0.0, 0.0};
  if (extent.usable == 0 || extent.max == -CUDART_INF_F) {
    if (threadIdx.x == 0) sums[blockIdx.x] = result;
    return;
  }
  result.usable = 1;
  result.max = row[extent.top1];
  const double max = result.max;
  const bool normal = __dsub_rn(max, static_cast<double>(extent.min)) <= 700.0;
  const auto tail = [&](size_t c, double& a, double& b) {
    AddExp<Range::kUnderflow>(c < logits.cols ? row[c] : -CUDART_INF_F, max, a, b);
  };
  const auto read = [&](size_t c) { return row[c]; };
  if (normal) {
    const auto add = [&](float logit, double& a, double& b) {
      AddExp<Range::kNormal>(logit, max, a, b);
    };
    SumStripes(logits.cols, shared, read, add, tail, result.sum, result.weighted);
  } else {
    const auto add = [&](float logit, double& a, double& b) {
      AddExp<Range::kUnderflow>(logit, max, a, b);
    };
    SumStripes(logits.cols, shared, read, add, tail, result.sum, result.weighted);
  }
  if (threadIdx.x == 0) sums[blockIdx.x] = result;
}

template <Range kRange>
__device__ void AddDivergence(const CudaComparedRow& rows, float base, float lane, double& kl,
                              double& kl_reverse) {
  const double log_p =
      __dsub_rn(__dsub_rn(static_cast<double>(base), rows.base_max), rows.base_log_sum);
  const double log_q =
      __dsub_rn(__dsub_rn(static_cast<double>(lane), rows.lane_max), rows.lane_log_sum);
  const double p = Exp<kRange>(log_p);
  const double q = Exp<kRange>(log_q);
  const double log_ratio = __dsub_rn(log_p, log_q);
  const double excess = __dsub_rn(q, p);
  double term = __fma_rn(p, log_ratio, excess);
  double reverse_term = __fma_rn(q, log_ratio, excess);
  if (kRange == Range::kUnderflow) {  // 0 log 0 is 0
    if (!(p > 0.0)) term = excess;
    if (!(q > 0.0)) reverse_term = excess;
  }
  kl = __dadd_rn(kl, term);
  kl_reverse = __dsub_rn(kl_reverse, reverse_term);
}

__global__ void __launch_bounds__(kThreads)
    CompareRowsKernel(ConstCudaRows base, ConstCudaRows lane, const CudaComparedRow* rows,
                      CudaDivergence* divergences) {
  __shared__ TwoSums shared;
  const float* base_row = base.data + blockIdx.x * base.stride;
  const float* lane_row = lane.data + blockIdx.x * lane.stride;
  const CudaComparedRow row = rows[blockIdx.x];
  CudaDivergence result{};
  const auto tail = [&](size_t c, double& a, double& b) {
    const bool is_there = c < base.cols;
    AddDivergence<Range::kUnderflow>(row, is_there ? base_row[c] : -CUDART_INF_F,
                                     is_there ? lane_row[c] : -CUDART_INF_F, a, b);
  };
  const auto read = [&](size_t c) { return float2{base_row[c], lane_row[c]}; };
  if (row.normal != 0) {
    const auto add = [&](float2 logits, double& a, double& b) {
      AddDivergence<Range::kNormal>(row, logits.x, logits.y, a, b);
    };
    SumStripes(base.cols, shared, read, add, tail, result.kl, result.kl_reverse);
  } else {
    const auto add = [&](float2 logits, double& a, double& b) {
      AddDivergence<Range::kUnderflow>(row, logits.x, logits.y, a, b);
    };
    SumStripes(base.cols, shared, read, add, tail, result.kl, result.kl_reverse);
  }
  if (threadIdx.x == 0) divergences[blockIdx.x] = result;
}

}  // namespace

CudaError SumRows(CudaContext* context, ConstCudaRows logits, CudaRowSums* sums) {
  if (logits.rows == 0) return nullptr;
  Scratch results(context);
  BITLOSS_CUDA("summing logits", results.Take(logits.rows * sizeof(CudaRowSums)));
  SumRowsKernel<<<static_cast<unsigned>(logits.rows), kThreads, 0, context->stream>>>(
      logits, results.as<CudaRowSums>());
  BITLOSS_CUDA("summing logits", cudaGetLastError());
  BITLOSS_CUDA("summing logits", results.CopyTo(sums, logits.rows * sizeof(CudaRowSums)));
  return nullptr;
}

CudaError CompareRows(CudaContext* context, ConstCudaRows base, ConstCudaRows lane,
                      const CudaComparedRow* rows, CudaDivergence* divergences) {
  if (base.rows == 0) return nullptr;
  Scratch compared(context);
  Scratch results(context);
  BITLOSS_CUDA("comparing logits", compared.TakeCopy(rows, base.rows * sizeof(CudaComparedRow)));
  BITLOSS_CUDA("comparing logits", results.Take(base.rows * sizeof(CudaDivergence)));
  CompareRowsKernel<<<static_cast<unsigned>(base.rows), kThreads, 0, context->stream>>>(
      base, lane, compared.as<CudaComparedRow>(), results.as<CudaDivergence>());
  BITLOSS_CUDA("comparing logits", cudaGetLastError());
  BITLOSS_CUDA("comparing logits", results.CopyTo(divergences, base.rows * sizeof(CudaDivergence)));
  return nullptr;
}

}  // namespace bitloss
