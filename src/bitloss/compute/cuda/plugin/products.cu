// y = x W^T + bias: for each output one chain of fused multiply-adds in ascending k. Products with
// the same x go in one launch: the narrow ones beside the wide ones.
#include <algorithm>

#include "bitloss/compute/cuda/plugin/thin_tile.cuh"
#include "bitloss/compute/cuda/plugin/wide_tile.cuh"

namespace bitloss {
namespace {

template <class Stored>
struct OneProduct {
  FloatWeights<Stored> weights;
  const float* bias;
  CudaRows y;
  unsigned first_tile;  // of outputs, among those of all products
};

template <class Stored>
struct Products {
  FloatOperands x;
  OneProduct<Stored> of[kMostCudaProducts];
  unsigned count;
};

template <class Size>
__device__ void Store(const CudaRows& y, const float* bias, size_t row, size_t out,
                      const float (&sums)[4]) {
  float values[4];
#pragma unroll
  for (unsigned j = 0; j < 4; ++j) {
    values[j] = bias == nullptr || out + j >= y.cols ? sums[j] : __fadd_rn(sums[j], bias[out + j]);
  }
  float* to = y.data + row * y.stride + out;
  if (out + 4 <= y.cols && reinterpret_cast<uintptr_t>(to) % 16 == 0) {
    *reinterpret_cast<float4*>(to) = {values[0], values[1], values[2], values[3]};
    return;
  }
#pragma unroll
  for (unsigned j = 0; j < 4; ++j) {
    if (out + j < y.cols) to[j] = values[j];
  }
}

template <template <class, class> class TileOf, class Stored, class Size>
__global__ void __launch_bounds__(Size::kThreads, Size::kBlocks)
    MultiplyKernel(const __grid_constant__ Products<Stored> products) {
  using T = TileOf<Stored, Size>;
  extern __shared__ __align__(16) unsigned char memory[];
  unsigned p = 0;
  while (p + 1 < products.count && blockIdx.y >= products.of[p + 1].first_tile) ++p;
  const OneProduct<Stored>& product = products.of[p];
  T tile(products.x, product.weights, size_t{blockIdx.x} * Size::kBM,
         size_t{blockIdx.y - product.first_tile} * Size::kBN,
         *reinterpret_cast<typename T::Shared*>(memory));
  float sums[Size::kTM][Size::kTN] = {};
  tile.Run(sums);
#pragma unroll
  for (unsigned m = 0; m < Size::kTM; ++m) {
    const size_t row = tile.Row(m);
    if (row >= product.y.rows) continue;
#pragma unroll
    for (unsigned n = 0; n < Size::kTN; n += 4) {
      Store<Size>(product.y, product.bias, row, tile.Output(n),
                  reinterpret_cast<const float(&)[4]>(sums[m][n]));
    }
  }
}

template <template <class, class> class TileOf, class Stored, class Size>
cudaError_t Launch(CudaContext* context, Products<Stored> products) {
  const auto kernel = MultiplyKernel<TileOf, Stored, Size>;
  constexpr size_t kBytes = sizeof(typename TileOf<Stored, Size>::Shared);
  if constexpr (kBytes > 48 << 10) {
    const cudaError_t status = cudaFuncSetAttribute(
        kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(kBytes));
    if (status != cudaSuccess) return status;
  }
  unsigned tiles = 0;
  for (unsigned p = 0; p < products.count; ++p) {
    products.of[p].first_tile = tiles;
    tiles += Parts(products.of[p].y.cols, Size::kBN);
  }
  const dim3 grid(Parts(products.x.rows, Size::kBM), tiles);
  kernel<<<grid, Size::kThreads, kBytes, context->stream>>>(products);
  return cudaGetLastError();
}

// The sizes that were fastest on an H200 (132 multiprocessors); the bits are the same for all.
template <class Stored>
cudaError_t LaunchBySize(CudaContext* context, const Products<Stored>& products) {
  const size_t rows = products.x.rows;
  size_t outputs = 0;
  for (unsigned p = 0; p < products.count; ++p) outputs += products.of[p].y.cols;
  constexpr size_t kManySums = size_t{1} << 20;  // enough for wide tiles on every multiprocessor
  if (rows > 32 && rows * outputs >= 4 * kManySums) {
    const bool wastes_rows = (rows + 31) / 32 % 2 != 0 && rows <= 160;
    if (wastes_rows) return Launch<WideTile, Stored, WideSize<1, 4, 3>>(context, products);
    return Launch<WideTile, Stored, WideSize<2, 2, 3>>(context, products);
  }
  if (rows > 128) return Launch<WideTile, Stored, WideSize<2, 2, 3>>(context, products);
  if (rows == 1) return Launch<ThinTile, Stored, ThinSize<1, 1, 1, 1>>(context, products);
  if (rows <= 8) return Launch<ThinTile, Stored, ThinSize<1, 1, 1, 4>>(context, products);
  if (rows * outputs >= kManySums / 4) {
    return Launch<ThinTile, Stored, ThinSize<2, 1, 4, 4>>(context, products);
  }
  return Launch<ThinTile, Stored, ThinSize<1, 2, 2, 4>>(context, products);
}

template <class Stored>
cudaError_t MultiplyAll(CudaContext* context, const CudaProduct* products, size_t count) {
  const ConstCudaRows& x = products[0].x;
  const bool aligned = x.stride % 4 == 0 && reinterpret_cast<uintptr_t>(x.data) % 16 == 0;
  Products<Stored> all{{x.data, x.stride, x.rows, static_cast<unsigned>(x.cols), aligned},
                       {},
                       static_cast<unsigned>(count)};
  for (size_t p = 0; p < count; ++p) {
    const size_t end = Parts(products[p].y.cols, kCudaPanel) * size_t{kCudaPanel};
    all.of[p] = {{static_cast<const Stored*>(products[p].weights), end},
                 products[p].bias,
                 products[p].y,
                 0};
  }
  return LaunchBySize(context, all);
}

}  // namespace

CudaError Multiply(CudaContext* context, const CudaProduct* products, size_t count) {
  if (count == 0 || products[0].x.rows == 0) return nullptr;
  if (products[0].kind == CudaWeights::kF16) {
    BITLOSS_CUDA("a product", MultiplyAll<__half>(context, products, count));
  } else {
    BITLOSS_CUDA("a product", MultiplyAll<float>(context, products, count));
  }
  return nullptr;
}

}  // namespace bitloss
