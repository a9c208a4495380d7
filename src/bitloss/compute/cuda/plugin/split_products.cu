// y = x W^T + bias in split arithmetic. The bits are the same for all sizes of tiles.
#include "bitloss/compute/cuda/plugin/split_tile.cuh"

namespace bitloss {
namespace {

template <class Size, unsigned kPasses>
__global__ void __launch_bounds__(Size::kThreads, 1)
    SplitKernel(const __grid_constant__ SplitProducts products) {
  extern __shared__ __align__(128) unsigned char split_memory[];
  SplitTile<Size, kPasses>(products, split_memory).Run();
}

template <class Size, unsigned kPasses>
cudaError_t Launch(CudaContext* context, SplitProducts products) {
  const auto kernel = SplitKernel<Size, kPasses>;
  constexpr unsigned kBytes = SplitTile<Size, kPasses>::kBytes;
  const cudaError_t status = cudaFuncSetAttribute(
      kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(kBytes));
  if (status != cudaSuccess) return status;
  CountTiles(products, Size::kBM, Size::kBN);
  // Blocks that hold a multiprocessor alone take one tile after the other.
  const unsigned tiles = products.row_tiles * products.out_tiles;
  const unsigned most = static_cast<unsigned>(context->multiprocessors);
  const unsigned blocks = kBytes > 110 << 10 && tiles > most ? most : tiles;
  kernel<<<blocks, Size::kThreads, kBytes, context->stream>>>(products);
  return cudaGetLastError();
}

using Wide = SplitSize<4, 2, 2, 8>;    // 128 rows, 128 outputs
using Middle = SplitSize<2, 2, 2, 4>;  // 64, 64
using Small = SplitSize<2, 2, 1, 2>;   // 32, 32
using Thin = SplitSize<1, 4, 1, 2>;    // 16, 64

template <unsigned kPasses>
cudaError_t LaunchBySize(CudaContext* context, const SplitProducts& products) {
  const size_t rows = products.x.rows;
  size_t outputs = 0;
  for (unsigned p = 0; p < products.count; ++p) outputs += products.of[p].y.cols;
  if (rows <= 16) return Launch<Thin, kPasses>(context, products);
  const size_t sums = rows * outputs / static_cast<size_t>(context->multiprocessors);
  if (sums <= 32 * 64) return Launch<Small, kPasses>(context, products);
  if (sums <= 128 * 96 || rows <= 64) return Launch<Middle, kPasses>(context, products);
  if (context->compute == 90) return MultiplySplitOnHopper(context, products, kPasses);
  return Launch<Wide, kPasses>(context, products);
}

}  // namespace

CudaError MultiplySplit(CudaContext* context, const CudaPlanes* x, const CudaSplitProduct* products,
                        size_t count) {
  if (count == 0 || x->rows == 0) return nullptr;
  SplitProducts all{*x, {}, {}, static_cast<unsigned>(count), 0, 0};
  for (size_t p = 0; p < count; ++p) all.of[p] = products[p];
  if (products[0].weights.low == nullptr) {
    BITLOSS_CUDA("a product", LaunchBySize<2>(context, all));
  } else {
    BITLOSS_CUDA("a product", LaunchBySize<3>(context, all));
  }
  return nullptr;
}

}  // namespace bitloss
