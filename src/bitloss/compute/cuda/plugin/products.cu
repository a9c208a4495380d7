// y = x W^T + bias: for each output one chain of fused multiply-adds in ascending k.
#include <cuda_fp16.h>

#include "bitloss/compute/cuda/plugin/tile.cuh"

namespace bitloss {
namespace {

template <class StoredWeight>
struct FloatPolicy {
  using X = float;
  using W = float;
  using Stored = StoredWeight;
  using Sum = float;
  __device__ static float Widen(float w) { return w; }
  __device__ static float Widen(__half w) { return __half2float(w); }
  __device__ static void Step(float x, float w, float& sum) { sum = __fmaf_rn(x, w, sum); }
};

// The same 16 bits, of a type that needs no constructor.
struct HalfPolicy : FloatPolicy<uint16_t> {
  __device__ static float Widen(uint16_t w) { return __half2float(__ushort_as_half(w)); }
};

template <class Policy, class Size>
__global__ void __launch_bounds__(kTileThreads)
    MultiplyKernel(const TileOperands<float> operands, const typename Policy::Stored* weights,
                   const float* bias, CudaRows y) {
  using T = Tile<Policy, Size::kBM, Size::kBN, Size::kTM, Size::kTN, Size::kBK>;
  __shared__ __align__(16) typename T::Shared shared;
  T tile(operands, weights, shared);
  float sums[Size::kTM][Size::kTN] = {};
  tile.Run(sums);
#pragma unroll
  for (unsigned m = 0; m < Size::kTM; ++m) {
    const size_t row = tile.Row(m);
    if (row >= y.rows) continue;
#pragma unroll
    for (unsigned n = 0; n < Size::kTN; ++n) {
      const size_t out = tile.Output(n);
      if (out >= y.cols) continue;
      const float sum = sums[m][n];
      y.data[row * y.stride + out] = bias == nullptr ? sum : __fadd_rn(sum, bias[out]);
    }
  }
}

template <class Policy, class Size>
void Launch(CudaContext* context, const CudaProduct& product,
            const TileOperands<float>& operands) {
  MultiplyKernel<Policy, Size>
      <<<Size::Grid(product.y.rows, product.y.cols), kTileThreads, 0, context->stream>>>(
          operands, static_cast<const typename Policy::Stored*>(product.weights), product.bias,
          product.y);
}

constexpr size_t kEnoughTiles = 100;

template <class Policy>
void LaunchBySize(CudaContext* context, const CudaProduct& product) {
  const ConstCudaRows& x = product.x;
  const bool aligned = x.stride % 4 == 0 && reinterpret_cast<uintptr_t>(x.data) % 16 == 0;
  const TileOperands<float> operands{x.data, x.stride, x.rows, x.cols, aligned};
  using Large = TileSize<128, 128, 8, 8, 16>;
  using Middle = TileSize<64, 64, 4, 4, 16>;
  using Small = TileSize<32, 32, 2, 2, 32>;
  using Few = TileSize<8, 32, 1, 1, 32>;
  const size_t rows = product.y.rows;
  const size_t outputs = product.y.cols;
  if (rows > 64 && Large::Tiles(rows, outputs) >= kEnoughTiles) {
    Launch<Policy, Large>(context, product, operands);
  } else if (rows > 32 && Middle::Tiles(rows, outputs) >= kEnoughTiles) {
    Launch<Policy, Middle>(context, product, operands);
  } else if (rows > 8) {
    Launch<Policy, Small>(context, product, operands);
  } else {
    Launch<Policy, Few>(context, product, operands);
  }
}

}  // namespace

CudaError Multiply(CudaContext* context, const CudaProduct* product) {
  if (product->y.rows == 0) return nullptr;
  if (product->kind == CudaWeights::kF16) {
    LaunchBySize<HalfPolicy>(context, *product);
  } else {
    LaunchBySize<FloatPolicy<float>>(context, *product);
  }
  BITLOSS_CUDA("a product", cudaGetLastError());
  return nullptr;
}

}  // namespace bitloss
