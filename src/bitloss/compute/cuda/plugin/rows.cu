// Moving rows, and the operations that look at one row: norms, rotations, gates, sums.
#include <cuda_fp16.h>

#include "bitloss/compute/cuda/plugin/context.cuh"
#include "bitloss/compute/cuda/plugin/exp.cuh"

namespace bitloss {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kStripes = 16;
constexpr unsigned kOfThread = 4;  // elements, kThreads apart

template <class T>
__global__ void ToPanelsKernel(const T* from, size_t rows, size_t cols, size_t first_row, T* to) {
  __shared__ T tile[32][33];
  const size_t row_0 = size_t{blockIdx.y} * 32;
  const size_t col_0 = size_t{blockIdx.x} * 32;
  for (unsigned y = threadIdx.y; y < 32; y += blockDim.y) {
    const size_t row = row_0 + y;
    const size_t col = col_0 + threadIdx.x;
    tile[y][threadIdx.x] = row < rows && col < cols ? from[row * cols + col] : T{};
  }
  __syncthreads();
  for (unsigned y = threadIdx.y; y < 32; y += blockDim.y) {
    const size_t row = first_row + row_0 + threadIdx.x;
    const size_t col = col_0 + y;
    if (col >= cols) continue;
    to[(row / kCudaPanel * cols + col) * kCudaPanel + row % kCudaPanel] = tile[threadIdx.x][y];
  }
}

__global__ void GatherRowsKernel(ConstCudaRows from, const size_t* rows, CudaRows to) {
  const size_t row = blockIdx.x;
  const float* source = from.data + rows[row] * from.stride;
  for (size_t i = threadIdx.x; i < to.cols; i += blockDim.x) {
    to.data[row * to.stride + i] = source[i];
  }
}

// A block for each row of each move, as far as the grid goes.
__global__ void CopyAllKernel(const CudaMove* moves) {
  const CudaMove move = moves[blockIdx.y];
  for (size_t row = blockIdx.x; row < move.from.rows; row += gridDim.x) {
    const float* from = move.from.data + row * move.from.stride;
    float* to = move.to.data + row * move.to.stride;
    for (size_t i = threadIdx.x; i < move.from.cols; i += blockDim.x) to[i] = from[i];
  }
}

__global__ void ReadKernel(ConstCudaRows from, const size_t* rows, const size_t* cols,
                           size_t count, float* values) {
  const size_t i = size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < count) values[i] = from.data[rows[i] * from.stride + cols[i]];
}

// The order of compute/cpu/striped_sum-inl.h: stripe j sums elements j, j + 16, ..., and stripes
// are merged in halves.
__global__ void RmsNormKernel(ConstCudaRows x, const float* weight, float eps, CudaRows y) {
  __shared__ float scale_of_row;
  const size_t row = blockIdx.x;
  const float* from = x.data + row * x.stride;
  if (threadIdx.x < 32) {
    float sum = 0.0f;
    if (threadIdx.x < kStripes) {
      constexpr unsigned kAtOnce = 8;  // are read before the first is added
      size_t i = threadIdx.x;
      for (; i + (kAtOnce - 1) * kStripes < x.cols; i += kAtOnce * kStripes) {
        float values[kAtOnce];
#pragma unroll
        for (unsigned j = 0; j < kAtOnce; ++j) values[j] = from[i + j * kStripes];
#pragma unroll
        for (unsigned j = 0; j < kAtOnce; ++j) sum = __fmaf_rn(values[j], values[j], sum);
      }
      for (; i < x.cols; i += kStripes) sum = __fmaf_rn(from[i], from[i], sum);
    }
    for (unsigned half = kStripes / 2; half > 0; half /= 2) {
      sum = __fadd_rn(sum, __shfl_down_sync(0xffffffffu, sum, half));
    }
    if (threadIdx.x == 0) {
      const float mean = __fdiv_rn(sum, static_cast<float>(x.cols));
      scale_of_row = __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(mean, eps)));
    }
  }
  __syncthreads();
  const float scale = scale_of_row;
  for (size_t i = threadIdx.x; i < x.cols; i += blockDim.x) {
    y.data[row * y.stride + i] = __fmul_rn(__fmul_rn(from[i], scale), weight[i]);
  }
}

__global__ void RopeKernel(const float* cos, const float* sin, const uint32_t* positions,
                           size_t half, CudaRows x) {
  const size_t row = blockIdx.x;
  const float* cos_row = cos + positions[row] * half;
  const float* sin_row = sin + positions[row] * half;
  for (size_t i = threadIdx.x; i < x.cols / 2; i += blockDim.x) {
    float* head = x.data + row * x.stride + i / half * 2 * half;
    const size_t j = i % half;
    const float a = head[j];
    const float b = head[j + half];
    head[j] = __fmaf_rn(-b, sin_row[j], __fmul_rn(a, cos_row[j]));
    head[j + half] = __fmaf_rn(a, sin_row[j], __fmul_rn(b, cos_row[j]));
  }
}

__global__ void SwiGluKernel(ConstCudaRows gate, ConstCudaRows up, CudaRows out) {
  const size_t row = blockIdx.y;
  const size_t first = size_t{blockIdx.x} * (kOfThread * kThreads) + threadIdx.x;
  float z[kOfThread];
  float u[kOfThread];
#pragma unroll
  for (unsigned j = 0; j < kOfThread; ++j) {  // all that is read first: it takes longest
    const size_t i = first + j * kThreads;
    z[j] = i < out.cols ? gate.data[row * gate.stride + i] : 0.0f;
    u[j] = i < out.cols ? up.data[row * up.stride + i] : 0.0f;
  }
#pragma unroll
  for (unsigned j = 0; j < kOfThread; ++j) {
    const size_t i = first + j * kThreads;
    if (i >= out.cols) continue;
    out.data[row * out.stride + i] = __fmul_rn(__fdiv_rn(z[j], __fadd_rn(1.0f, Exp(-z[j]))), u[j]);
  }
}

__global__ void AddKernel(ConstCudaRows delta, CudaRows x) {
  const size_t row = blockIdx.y;
  const size_t i = size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= x.cols) return;
  float* at = x.data + row * x.stride + i;
  *at = __fadd_rn(*at, delta.data[row * delta.stride + i]);
}

// Calls launch(first, count) for as many rows at once as a grid's second dimension takes.
template <class Launch>
void ForRowsOfGrid(size_t rows, const Launch& launch) {
  constexpr size_t kMost = 65535;
  for (size_t first = 0; first < rows; first += kMost) {
    launch(first, static_cast<unsigned>(rows - first < kMost ? rows - first : kMost));
  }
}

template <class Rows>
Rows From(Rows rows, size_t first) {
  rows.data += first * rows.stride;
  return rows;
}

}  // namespace

CudaError ToPanels(CudaContext* context, const void* from, size_t rows, size_t cols,
                   size_t element_bytes, size_t first_row, void* to) {
  const dim3 grid(Parts(cols, 32), Parts(rows, kCudaPanel) * (kCudaPanel / 32));
  const dim3 block(32, 8);
  if (element_bytes == 2) {
    ToPanelsKernel<<<grid, block, 0, context->stream>>>(
        static_cast<const uint16_t*>(from), rows, cols, first_row, static_cast<uint16_t*>(to));
  } else {
    ToPanelsKernel<<<grid, block, 0, context->stream>>>(
        static_cast<const uint32_t*>(from), rows, cols, first_row, static_cast<uint32_t*>(to));
  }
  BITLOSS_CUDA("packing weights", cudaGetLastError());
  return nullptr;
}

CudaError GatherRows(CudaContext* context, ConstCudaRows from, const size_t* rows, CudaRows to) {
  if (to.rows == 0) return nullptr;
  Scratch indices(context);
  BITLOSS_CUDA("gathering rows", indices.TakeCopy(rows, to.rows * sizeof(size_t)));
  GatherRowsKernel<<<static_cast<unsigned>(to.rows), kThreads, 0, context->stream>>>(
      from, indices.as<size_t>(), to);
  BITLOSS_CUDA("gathering rows", cudaGetLastError());
  return nullptr;
}

CudaError CopyAll(CudaContext* context, const CudaMove* moves, size_t count) {
  constexpr size_t kMostMoves = 65535;  // what a grid's second dimension takes
  constexpr size_t kMostRows = 256;
  for (size_t first = 0; first < count; first += kMostMoves) {
    const size_t some = count - first < kMostMoves ? count - first : kMostMoves;
    size_t most_rows = 0;
    for (size_t i = first; i < first + some; ++i) {
      most_rows = moves[i].from.rows > most_rows ? moves[i].from.rows : most_rows;
    }
    if (most_rows == 0) continue;
    Scratch on_device(context);
    BITLOSS_CUDA("copying rows", on_device.TakeCopy(moves + first, some * sizeof(CudaMove)));
    const dim3 grid(static_cast<unsigned>(most_rows < kMostRows ? most_rows : kMostRows),
                    static_cast<unsigned>(some));
    CopyAllKernel<<<grid, 128, 0, context->stream>>>(on_device.as<CudaMove>());
    BITLOSS_CUDA("copying rows", cudaGetLastError());
  }
  return nullptr;
}

CudaError Read(CudaContext* context, ConstCudaRows from, const size_t* rows, const size_t* cols,
               size_t count, float* values) {
  if (count == 0) return nullptr;
  Scratch row_indices(context);
  Scratch col_indices(context);
  Scratch found(context);
  BITLOSS_CUDA("reading elements", row_indices.TakeCopy(rows, count * sizeof(size_t)));
  BITLOSS_CUDA("reading elements", col_indices.TakeCopy(cols, count * sizeof(size_t)));
  BITLOSS_CUDA("reading elements", found.Take(count * sizeof(float)));
  ReadKernel<<<Parts(count, kThreads), kThreads, 0, context->stream>>>(
      from, row_indices.as<size_t>(), col_indices.as<size_t>(), count, found.as<float>());
  BITLOSS_CUDA("reading elements", cudaGetLastError());
  BITLOSS_CUDA("reading elements", found.CopyTo(values, count * sizeof(float)));
  return nullptr;
}

CudaError RmsNorm(CudaContext* context, ConstCudaRows x, const float* weight, float eps,
                  CudaRows y) {
  if (x.rows == 0) return nullptr;
  RmsNormKernel<<<static_cast<unsigned>(x.rows), 128, 0, context->stream>>>(x, weight, eps, y);
  BITLOSS_CUDA("a norm", cudaGetLastError());
  return nullptr;
}

CudaError Rope(CudaContext* context, const float* cos, const float* sin,
               const uint32_t* positions, size_t head_dim, CudaRows x) {
  if (x.rows == 0) return nullptr;
  Scratch indices(context);
  BITLOSS_CUDA("rotating heads", indices.TakeCopy(positions, x.rows * sizeof(uint32_t)));
  RopeKernel<<<static_cast<unsigned>(x.rows), kThreads, 0, context->stream>>>(
      cos, sin, indices.as<uint32_t>(), head_dim / 2, x);
  BITLOSS_CUDA("rotating heads", cudaGetLastError());
  return nullptr;
}

CudaError SwiGlu(CudaContext* context, ConstCudaRows gate, ConstCudaRows up, CudaRows out) {
  ForRowsOfGrid(out.rows, [&](size_t first, unsigned count) {
    SwiGluKernel<<<dim3(Parts(out.cols, kOfThread * kThreads), count), kThreads, 0, context->stream>>>(
        From(gate, first), From(up, first), From(out, first));
  });
  BITLOSS_CUDA("a gate", cudaGetLastError());
  return nullptr;
}

CudaError Add(CudaContext* context, ConstCudaRows delta, CudaRows x) {
  ForRowsOfGrid(x.rows, [&](size_t first, unsigned count) {
    AddKernel<<<dim3(Parts(x.cols, kThreads), count), kThreads, 0, context->stream>>>(
        From(delta, first), From(x, first));
  });
  BITLOSS_CUDA("an addition", cudaGetLastError());
  return nullptr;
}

}  // namespace bitloss
