// Activations to integers, and the products of integers: llm_int8.h, w8a8.h, ggml_product.h, with
// the CPU backend's operations in FP32 (compute/cpu/int8_matmul.h, block_int8_matmul.cc).
#include <cuda_fp16.h>
#include <math_constants.h>

#include "bitloss/compute/cuda/plugin/tile.cuh"

namespace bitloss {
namespace {

constexpr unsigned kWarp = 32;
constexpr unsigned kAll = 0xffffffffu;
constexpr unsigned kBlock = 32;
constexpr unsigned kWordsOfBlock = kBlock / 4;

__device__ float ThroughF16(float x) { return __half2float(__float2half_rn(x)); }

__device__ float MaxOfWarp(float x) {
  for (unsigned half = kWarp / 2; half > 0; half /= 2) {
    x = fmaxf(x, __shfl_xor_sync(kAll, x, half));
  }
  return x;
}

__device__ uint32_t Word(const float (&codes)[4]) {
  uint32_t word = 0;
#pragma unroll
  for (unsigned j = 0; j < 4; ++j) {
    word |= (static_cast<uint32_t>(static_cast<int>(codes[j])) & 0xffu) << (8 * j);
  }
  return word;
}

// A warp for each row. Marks the outliers of the row's call; scales[row] = absmax of the rest, NaN
// if the row holds one.
__global__ void ScanKernel(ConstCudaRows x, CudaInt8Rows rows) {
  const size_t row = size_t{blockIdx.x} * (blockDim.x / kWarp) + threadIdx.x / kWarp;
  if (row >= x.rows) return;
  uint8_t* is_outlier = rows.is_outlier + rows.calls[row] * x.cols;
  float top = 0.0f;
  bool has_nan = false;
  for (size_t i = threadIdx.x % kWarp; i < x.cols; i += kWarp) {
    const float magnitude = fabsf(ThroughF16(x.data[row * x.stride + i]));
    has_nan |= isnan(magnitude);
    if (rows.parameter > 0 && magnitude >= rows.parameter) {
      is_outlier[i] = 1;
    } else {
      top = fmaxf(top, magnitude);
    }
  }
  top = MaxOfWarp(top);
  if (__any_sync(kAll, has_nan)) top = CUDART_NAN_F;
  if (threadIdx.x % kWarp == 0) rows.scales[row] = top;
}

// A warp for each call: the marked columns, ascending.
__global__ void ListOutliersKernel(size_t cols, CudaInt8Rows rows) {
  const size_t call = size_t{blockIdx.x} * (blockDim.x / kWarp) + threadIdx.x / kWarp;
  if (call >= rows.num_calls) return;
  const unsigned lane = threadIdx.x % kWarp;
  uint32_t* columns = rows.outlier_columns + call * cols;
  uint32_t count = 0;
  for (size_t first = 0; first < cols; first += kWarp) {
    const size_t i = first + lane;
    const bool marked = i < cols && rows.is_outlier[call * cols + i] != 0;
    const unsigned mask = __ballot_sync(kAll, marked);
    if (marked) columns[count + __popc(mask & ((1u << lane) - 1))] = static_cast<uint32_t>(i);
    count += __popc(mask);
  }
  if (lane == 0) rows.num_outliers[call] = count;
}

// A block for each row: its codes, and its scale from its absmax.
__global__ void LlmInt8CodesKernel(ConstCudaRows x, CudaInt8Rows rows) {
  const size_t row = blockIdx.x;
  const float absmax = rows.scales[row];
  __syncthreads();  // all have read it
  const float scale = __fdiv_rn(127.0f, absmax);
  const uint8_t* is_outlier = rows.is_outlier + rows.calls[row] * x.cols;
  const size_t num_words = (x.cols + 3) / 4;
  for (size_t word = threadIdx.x; word < num_words; word += blockDim.x) {
    float codes[4] = {};
    for (unsigned j = 0; j < 4 && word * 4 + j < x.cols; ++j) {
      const size_t i = word * 4 + j;
      const float scaled = __fmul_rn(ThroughF16(x.data[row * x.stride + i]), scale);
      if (isfinite(scaled) && is_outlier[i] == 0) codes[j] = rintf(scaled);
    }
    rows.codes[row * num_words + word] = Word(codes);
  }
  if (threadIdx.x == 0) rows.scales[row] = __fdiv_rn(absmax, 127.0f);
}

// A warp for each row.
__global__ void W8A8CodesKernel(ConstCudaRows x, CudaInt8Rows rows) {
  const size_t row = size_t{blockIdx.x} * (blockDim.x / kWarp) + threadIdx.x / kWarp;
  if (row >= x.rows) return;
  const unsigned lane = threadIdx.x % kWarp;
  const float* from = x.data + row * x.stride;
  float absmax = 0.0f;
  bool finite = true;
  for (size_t i = lane; i < x.cols; i += kWarp) {
    finite &= isfinite(from[i]) != 0;
    absmax = fmaxf(absmax, fabsf(from[i]));
  }
  absmax = MaxOfWarp(absmax);
  finite = __all_sync(kAll, finite);
  const float scale = rows.rounding == CudaRounding::kW8A8Static
                          ? rows.parameter
                          : __fdiv_rn(fmaxf(absmax, 1e-5f), 127.0f);
  const size_t num_words = (x.cols + 3) / 4;
  for (size_t word = lane; word < num_words; word += kWarp) {
    float codes[4] = {};
    for (unsigned j = 0; finite && j < 4 && word * 4 + j < x.cols; ++j) {
      const float steps = scale == 0.0f ? 0.0f : __fdiv_rn(from[word * 4 + j], scale);
      codes[j] = rintf(fminf(fmaxf(steps, -127.0f), 127.0f));
    }
    rows.codes[row * num_words + word] = Word(codes);
  }
  if (lane == 0) rows.scales[row] = finite ? scale : CUDART_NAN_F;
}

// A warp for each block of 32 activations.
__global__ void BlockCodesKernel(ConstCudaRows x, CudaBlockProduct product) {
  const size_t num_blocks = x.cols / kBlock;
  const size_t at = size_t{blockIdx.x} * (blockDim.x / kWarp) + threadIdx.x / kWarp;
  if (at >= x.rows * num_blocks) return;
  const unsigned lane = threadIdx.x % kWarp;
  const size_t row = at / num_blocks;
  const float value = x.data[row * x.stride + at % num_blocks * kBlock + lane];
  const bool finite = __all_sync(kAll, isfinite(value));
  const float absmax = MaxOfWarp(fabsf(value));
  const float scale = __fdiv_rn(absmax, 127.0f);
  const float inverse = absmax == 0.0f ? 0.0f : __fdiv_rn(127.0f, absmax);
  const float code = finite ? rintf(__fmul_rn(value, inverse)) : 0.0f;
  float sum = code;  // of whole numbers: exact
  for (unsigned half = kWarp / 2; half > 0; half /= 2) sum += __shfl_xor_sync(kAll, sum, half);
  reinterpret_cast<int8_t*>(product.codes)[at * kBlock + lane] = static_cast<int8_t>(code);
  if (lane == 0) {
    product.x_scales[at] = finite ? ThroughF16(scale) : CUDART_NAN_F;
    product.x_sums[at] = finite ? ThroughF16(__fmul_rn(scale, sum)) : CUDART_NAN_F;
  }
}

struct WordPolicy {
  using X = uint32_t;
  using W = uint32_t;
  using Stored = uint32_t;
  using Sum = int;
  static constexpr unsigned kFold = kWordsOfBlock;
  __device__ static uint32_t Widen(uint32_t w) { return w; }
  __device__ static void Step(uint32_t x, uint32_t w, int& sum) {
    sum = __dp4a(static_cast<int>(x), static_cast<int>(w), sum);
  }
};

// The outlier columns of one row and one output, ascending, on top of the integer part.
__device__ float AddOutliers(const CudaInt8Product& product, const CudaInt8Rows& rows, size_t row,
                             size_t out, float sum) {
  const size_t cols = product.x.cols;
  const size_t num_words = (cols + 3) / 4;
  const uint32_t call = rows.calls[row];
  const uint32_t* columns = rows.outlier_columns + call * cols;
  const uint32_t* words =
      product.weights + out / kCudaPanel * num_words * kCudaPanel + out % kCudaPanel;
  for (uint32_t i = 0; i < rows.num_outliers[call]; ++i) {
    const uint32_t col = columns[i];
    const uint32_t word = words[col / 4 * kCudaPanel];
    const auto code = static_cast<int8_t>(word >> (8 * (col % 4)) & 0xffu);
    const float weight = __fmul_rn(static_cast<float>(code), product.scales[out]);
    sum = __fmaf_rn(product.x.data[row * product.x.stride + col], weight, sum);
  }
  return sum;
}

template <class Size>
__global__ void __launch_bounds__(kTileThreads)
    MultiplyInt8Kernel(const TileOperands<uint32_t> operands, const CudaInt8Product product,
                       const CudaInt8Rows rows) {
  using T = Tile<WordPolicy, Size::kBM, Size::kBN, Size::kTM, Size::kTN, Size::kBK>;
  __shared__ __align__(16) typename T::Shared shared;
  T tile(operands, product.weights, shared);
  int sums[Size::kTM][Size::kTN] = {};
  tile.Run(sums);
#pragma unroll
  for (unsigned m = 0; m < Size::kTM; ++m) {
    const size_t row = tile.Row(m);
    if (row >= product.y.rows) continue;
#pragma unroll
    for (unsigned n = 0; n < Size::kTN; ++n) {
      const size_t out = tile.Output(n);
      if (out >= product.y.cols) continue;
      float value = __fmul_rn(__fmul_rn(static_cast<float>(sums[m][n]), rows.scales[row]),
                              product.scales[out]);
      if (rows.rounding == CudaRounding::kLlmInt8) {
        value = AddOutliers(product, rows, row, out, value);
      }
      if (product.bias != nullptr) value = __fadd_rn(value, product.bias[out]);
      product.y.data[row * product.y.stride + out] = value;
    }
  }
}

template <class Size>
__global__ void __launch_bounds__(kTileThreads)
    MultiplyBlocksKernel(const TileOperands<uint32_t> operands, const CudaBlockProduct product) {
  using T = Tile<WordPolicy, Size::kBM, Size::kBN, Size::kTM, Size::kTN, Size::kBK>;
  __shared__ __align__(16) typename T::Shared shared;
  T tile(operands, product.weights, shared);
  const size_t num_blocks = product.x.cols / kBlock;
  int integers[Size::kTM][Size::kTN] = {};
  float products[Size::kTM][Size::kTN] = {};
  float shifts[Size::kTM][Size::kTN] = {};
  tile.RunFolding(integers, [&](size_t block) {
#pragma unroll
    for (unsigned m = 0; m < Size::kTM; ++m) {
      const size_t row = min(tile.Row(m), product.x.rows - 1);
      const float x_scale = product.x_scales[row * num_blocks + block];
      const float x_sum = product.x_sums[row * num_blocks + block];
#pragma unroll
      for (unsigned n = 0; n < Size::kTN; ++n) {
        const size_t out = tile.Output(n);
        const size_t at = (out / kCudaPanel * num_blocks + block) * kCudaPanel + out % kCudaPanel;
        products[m][n] = __fmaf_rn(static_cast<float>(integers[m][n]),
                                   __fmul_rn(product.scales[at], x_scale), products[m][n]);
        integers[m][n] = 0;
        if (product.offsets == nullptr) continue;
        shifts[m][n] = __fadd_rn(shifts[m][n], __fmul_rn(product.offsets[at], x_sum));
      }
    }
  });
#pragma unroll
  for (unsigned m = 0; m < Size::kTM; ++m) {
    const size_t row = tile.Row(m);
    if (row >= product.y.rows) continue;
#pragma unroll
    for (unsigned n = 0; n < Size::kTN; ++n) {
      const size_t out = tile.Output(n);
      if (out >= product.y.cols) continue;
      float value = products[m][n];
      if (product.offsets != nullptr) value = __fadd_rn(value, shifts[m][n]);
      if (product.bias != nullptr) value = __fadd_rn(value, product.bias[out]);
      product.y.data[row * product.y.stride + out] = value;
    }
  }
}

// Calls launch(size) with the tiles for so many rows.
template <class Launch>
void BySize(size_t rows, const Launch& launch) {
  if (rows > 8) {
    launch(TileSize<64, 64, 4, 4, 16>());
  } else {
    launch(TileSize<8, 32, 1, 1, 32>());
  }
}

}  // namespace

CudaError RoundRows(CudaContext* context, ConstCudaRows x, const CudaInt8Rows* rows) {
  if (x.rows == 0) return nullptr;
  constexpr unsigned kThreads = 256;
  const unsigned warps = Parts(x.rows, kThreads / kWarp);
  if (rows->rounding != CudaRounding::kLlmInt8) {
    W8A8CodesKernel<<<warps, kThreads, 0, context->stream>>>(x, *rows);
    BITLOSS_CUDA("rounding activations", cudaGetLastError());
    return nullptr;
  }
  BITLOSS_CUDA("rounding activations",
               cudaMemcpyAsync(rows->calls, rows->call_of_row, x.rows * sizeof(uint32_t),
                               cudaMemcpyHostToDevice, context->stream));
  BITLOSS_CUDA("rounding activations",
               cudaMemsetAsync(rows->is_outlier, 0, rows->num_calls * x.cols, context->stream));
  ScanKernel<<<warps, kThreads, 0, context->stream>>>(x, *rows);
  ListOutliersKernel<<<Parts(rows->num_calls, kThreads / kWarp), kThreads, 0, context->stream>>>(
      x.cols, *rows);
  LlmInt8CodesKernel<<<static_cast<unsigned>(x.rows), kThreads, 0, context->stream>>>(x, *rows);
  BITLOSS_CUDA("rounding activations", cudaGetLastError());
  return nullptr;
}

CudaError MultiplyInt8(CudaContext* context, const CudaInt8Product* product) {
  if (product->y.rows == 0) return nullptr;
  const size_t num_words = (product->x.cols + 3) / 4;
  const TileOperands<uint32_t> operands{product->rows->codes, num_words, product->x.rows,
                                        num_words, num_words % 4 == 0};
  BySize(product->y.rows, [&](auto size) {
    using Size = decltype(size);
    MultiplyInt8Kernel<Size><<<Size::Grid(product->y.rows, product->y.cols), kTileThreads, 0,
                               context->stream>>>(operands, *product, *product->rows);
  });
  BITLOSS_CUDA("an integer product", cudaGetLastError());
  return nullptr;
}

CudaError MultiplyBlocks(CudaContext* context, const CudaBlockProduct* product) {
  if (product->y.rows == 0) return nullptr;
  const size_t num_blocks = product->x.cols / kBlock;
  constexpr unsigned kThreads = 256;
  BlockCodesKernel<<<Parts(product->x.rows * num_blocks, kThreads / kWarp), kThreads, 0,
                     context->stream>>>(product->x, *product);
  const size_t num_words = product->x.cols / 4;
  const TileOperands<uint32_t> operands{product->codes, num_words, product->x.rows, num_words,
                                        true};
  BySize(product->y.rows, [&](auto size) {
    using Size = decltype(size);
    MultiplyBlocksKernel<Size><<<Size::Grid(product->y.rows, product->y.cols), kTileThreads, 0,
                                 context->stream>>>(operands, *product);
  });
  BITLOSS_CUDA("a product of blocks", cudaGetLastError());
  return nullptr;
}

}  // namespace bitloss
