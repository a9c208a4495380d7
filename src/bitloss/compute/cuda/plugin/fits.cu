// Sums that fits look at, in float64 and in the order of the host's (quant/fit/gram.cc): each is one
// chain of fused multiply-adds.
#include "bitloss/compute/cuda/plugin/context.cuh"

namespace bitloss {
namespace {

// A block of 16 x 16 threads makes 64 x 64 sums, of a thread those 16 apart. What it multiplies
// lies in shared memory by k, each row one element longer than it is wide: columns are stored, and
// no two threads meet in a bank.
constexpr unsigned kTile = 64;
constexpr unsigned kSide = 16;
constexpr unsigned kEach = kTile / kSide;
constexpr unsigned kDepth = 16;
constexpr unsigned kThreads = kSide * kSide;
using Operand = double[kDepth][kTile + 1];

struct Sums {
  double of[kEach][kEach] = {};

  __device__ void Add(const Operand& left, const Operand& right) {
#pragma unroll
    for (unsigned k = 0; k < kDepth; ++k) {
      double a[kEach];
      double b[kEach];
#pragma unroll
      for (unsigned i = 0; i < kEach; ++i) {
        a[i] = left[k][threadIdx.x / kSide + i * kSide];
        b[i] = right[k][threadIdx.x % kSide + i * kSide];
      }
#pragma unroll
      for (unsigned i = 0; i < kEach; ++i) {
#pragma unroll
        for (unsigned j = 0; j < kEach; ++j) of[i][j] = __fma_rn(a[i], b[j], of[i][j]);
      }
    }
  }

  // use(row, column, sum) of a tile's.
  template <class Use>
  __device__ void ForEach(const Use& use) const {
#pragma unroll
    for (unsigned i = 0; i < kEach; ++i) {
#pragma unroll
      for (unsigned j = 0; j < kEach; ++j) {
        use(threadIdx.x / kSide + i * kSide, threadIdx.x % kSide + j * kSide, of[i][j]);
      }
    }
  }
};

// Columns [first, first + kTile) of rows [k, k + kDepth): neighbours in memory have one k. Zeros
// beyond the last of either, which change no sum.
__device__ void LoadRows(const ConstCudaRows& x, size_t k, size_t first, Operand& to) {
#pragma unroll
  for (unsigned i = threadIdx.x; i < kDepth * kTile; i += kThreads) {
    const size_t row = k + i / kTile;
    const size_t col = first + i % kTile;
    to[i / kTile][i % kTile] = row < x.rows && col < x.cols ? x.data[row * x.stride + col] : 0.0;
  }
}
// Rows [first, first + kTile) of columns [k, k + kDepth): neighbours in memory have one row.
template <class T>
__device__ void LoadColumns(const T* data, size_t rows, size_t cols, size_t stride, size_t k,
                            size_t first, Operand& to) {
#pragma unroll
  for (unsigned i = threadIdx.x; i < kDepth * kTile; i += kThreads) {
    const size_t row = first + i / kDepth;
    const size_t col = k + i % kDepth;
    to[i % kDepth][i / kDepth] = row < rows && col < cols ? data[row * stride + col] : 0.0;
  }
}

// folded[i][j] = sum_t x[t][i] x[t][j], t ascending; twice that below the diagonal, zero above it.
__global__ void __launch_bounds__(kThreads) InputsKernel(const ConstCudaRows x, double* folded) {
  __shared__ Operand left;
  __shared__ Operand right;
  const size_t first_row = size_t{blockIdx.y} * kTile;
  const size_t first_col = size_t{blockIdx.x} * kTile;
  Sums sums;
  if (first_col <= first_row) {
    for (size_t t = 0; t < x.rows; t += kDepth) {
      LoadRows(x, t, first_row, left);
      LoadRows(x, t, first_col, right);
      __syncthreads();
      sums.Add(left, right);
      __syncthreads();
    }
  }
  sums.ForEach([&](unsigned i, unsigned j, double sum) {
    const size_t row = first_row + i;
    const size_t col = first_col + j;
    if (row >= x.cols || col >= x.cols) return;
    folded[row * x.cols + col] = col < row ? 2.0 * sum : col == row ? sum : 0.0;
  });
}

// sums[i][r] = sum_{j <= i} folded[i][j] deltas[r][j], j ascending; zeros above the diagonal add
// nothing.
__global__ void __launch_bounds__(kThreads)
    FormSumsKernel(const double* folded, const ConstCudaRows deltas, double* sums) {
  __shared__ Operand left;
  __shared__ Operand right;
  const size_t first_row = size_t{blockIdx.x} * kTile;  // of deltas
  // The longest sums first.
  const size_t first_col = size_t{gridDim.y - 1 - blockIdx.y} * kTile;
  const size_t size = deltas.cols;
  const size_t end = first_col + kTile < size ? first_col + kTile : size;
  Sums of;
  for (size_t k = 0; k < end; k += kDepth) {
    LoadColumns(folded, size, size, size, k, first_col, left);
    LoadColumns(deltas.data, deltas.rows, size, deltas.stride, k, first_row, right);
    __syncthreads();
    of.Add(left, right);
    __syncthreads();
  }
  of.ForEach([&](unsigned i, unsigned r, double sum) {
    if (first_col + i >= size || first_row + r >= deltas.rows) return;
    sums[(first_col + i) * deltas.rows + first_row + r] = sum;
  });
}

// forms[r] = sum_i deltas[r][i] sums[i][r], i ascending.
__global__ void FormsKernel(const ConstCudaRows deltas, const double* sums, double* forms) {
  const size_t row = size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (row >= deltas.rows) return;
  const float* delta = deltas.data + row * deltas.stride;
  double form = 0.0;
#pragma unroll 16
  for (size_t i = 0; i < deltas.cols; ++i) {
    form = __fma_rn(double{delta[i]}, sums[i * deltas.rows + row], form);
  }
  forms[row] = form;
}

__global__ void DistancesKernel(const ConstCudaRows a, const ConstCudaRows b, double* sums) {
  const size_t row = size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (row >= a.rows) return;
  double sum = 0.0;
#pragma unroll 16
  for (size_t i = 0; i < a.cols; ++i) {
    const double difference =
        __dsub_rn(double{a.data[row * a.stride + i]}, double{b.data[row * b.stride + i]});
    sum = __dadd_rn(sum, __dmul_rn(difference, difference));
  }
  sums[row] = sum;
}

// Few rows are dealt to many multiprocessors: each is one chain.
constexpr unsigned kRowThreads = 32;

}  // namespace

CudaError SumInputs(CudaContext* context, ConstCudaRows x, double* folded) {
  if (x.cols == 0) return nullptr;
  const unsigned tiles = Parts(x.cols, kTile);
  InputsKernel<<<dim3(tiles, tiles), kThreads, 0, context->stream>>>(x, folded);
  BITLOSS_CUDA("summing inputs", cudaGetLastError());
  return nullptr;
}

CudaError QuadraticForms(CudaContext* context, const double* folded, ConstCudaRows deltas,
                         double* sums, double* forms) {
  if (deltas.rows == 0 || deltas.cols == 0) return nullptr;
  const dim3 tiles(Parts(deltas.rows, kTile), Parts(deltas.cols, kTile));
  FormSumsKernel<<<tiles, kThreads, 0, context->stream>>>(folded, deltas, sums);
  BITLOSS_CUDA("squared errors", cudaGetLastError());
  Scratch results(context);
  BITLOSS_CUDA("squared errors", results.Take(deltas.rows * sizeof(double)));
  FormsKernel<<<Parts(deltas.rows, kRowThreads), kRowThreads, 0, context->stream>>>(
      deltas, sums, results.as<double>());
  BITLOSS_CUDA("squared errors", cudaGetLastError());
  BITLOSS_CUDA("squared errors", results.CopyTo(forms, deltas.rows * sizeof(double)));
  return nullptr;
}

CudaError SquaredDistances(CudaContext* context, ConstCudaRows a, ConstCudaRows b, double* sums) {
  if (a.rows == 0) return nullptr;
  Scratch results(context);
  BITLOSS_CUDA("squared distances", results.Take(a.rows * sizeof(double)));
  DistancesKernel<<<Parts(a.rows, kRowThreads), kRowThreads, 0, context->stream>>>(
      a, b, results.as<double>());
  BITLOSS_CUDA("squared distances", cudaGetLastError());
  BITLOSS_CUDA("squared distances", results.CopyTo(sums, a.rows * sizeof(double)));
  return nullptr;
}

}  // namespace bitloss
