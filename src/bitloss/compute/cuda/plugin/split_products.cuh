// What all kernels of split products have in common: which tile is where, and what becomes of sums.
#ifndef BITLOSS_COMPUTE_CUDA_PLUGIN_SPLIT_PRODUCTS_CUH_
#define BITLOSS_COMPUTE_CUDA_PLUGIN_SPLIT_PRODUCTS_CUH_

#include "bitloss/compute/cuda/plugin/context.cuh"

namespace bitloss {

constexpr unsigned kSplitChunksOfSection = kCudaSplitSection / kCudaSplitChunk;

struct SplitProducts {
  CudaPlanes x;
  CudaSplitProduct of[kMostCudaProducts];
  unsigned first_tile[kMostCudaProducts];  // of outputs, among those of all products
  unsigned count;
  unsigned row_tiles;
  unsigned out_tiles;
};

inline void CountTiles(SplitProducts& products, unsigned rows_of_tile, unsigned outs_of_tile) {
  products.row_tiles = Parts(products.x.rows, rows_of_tile);
  products.out_tiles = 0;
  for (unsigned p = 0; p < products.count; ++p) {
    products.first_tile[p] = products.out_tiles;
    products.out_tiles += Parts(products.of[p].y.cols, outs_of_tile);
  }
}

// Tiles in the order in which blocks take them: kGroup neighbours in rows go through the outputs
// together, so that weights and activations are read from memory a few times only.
struct SplitOrder {
  unsigned row;
  unsigned out;

  static constexpr unsigned kGroup = 16;

  // Of a grid of tiles.
  __device__ SplitOrder(unsigned rows, unsigned outs, unsigned number) {
    const unsigned group = number / (kGroup * outs);
    const unsigned in_group = number % (kGroup * outs);
    const unsigned height = min(kGroup, rows - group * kGroup);
    row = group * kGroup + in_group % height;
    out = in_group / height;
  }
};

// The first row of a tile, and its first output in the product that it belongs to.
struct SplitPlace {
  unsigned product = 0;
  unsigned row = 0;
  unsigned out = 0;

  __device__ SplitPlace(const SplitProducts& products, const SplitOrder& tile,
                        unsigned rows_of_tile, unsigned outs_of_tile)
      : row(tile.row * rows_of_tile) {
    while (product + 1 < products.count && tile.out >= products.first_tile[product + 1]) ++product;
    out = (tile.out - products.first_tile[product]) * outs_of_tile;
  }
};

// Outputs [out, out + 2) of a product: what their sums are multiplied by, and what is added.
struct SplitPair {
  unsigned out;
  bool exists;
  bool has_second;
  bool has_bias;
  float factors[2] = {};
  float biases[2] = {};

  __device__ SplitPair(const CudaSplitProduct& product, unsigned at)
      : out(at),
        exists(at < product.y.cols),
        has_second(at + 1 < product.y.cols),
        has_bias(product.bias != nullptr) {
    if (!exists) return;
    factors[0] = product.weights.factors[out];
    if (has_second) factors[1] = product.weights.factors[out + 1];
    if (!has_bias) return;
    biases[0] = product.bias[out];
    if (has_second) biases[1] = product.bias[out + 1];
  }
};

// Where in a row of k a section lies that ends.
struct SplitEnd {
  bool is_first;
  bool is_last;
};

// Two sums of a section that ends go to y, where those of earlier sections wait.
__device__ inline void EndPair(const CudaRows& y, unsigned row, const SplitPair& pair, SplitEnd end,
                               float first, float second) {
  float sums[2] = {first, second};
  float* to = y.data + row * y.stride + pair.out;
  if (!end.is_first) {
    sums[0] = __fadd_rn(to[0], sums[0]);
    if (pair.has_second) sums[1] = __fadd_rn(to[1], sums[1]);
  }
  if (end.is_last) {
#pragma unroll
    for (unsigned i = 0; i < 2; ++i) {
      sums[i] = __fmul_rn(sums[i], pair.factors[i]);
      if (pair.has_bias) sums[i] = __fadd_rn(sums[i], pair.biases[i]);
    }
  }
  if (pair.has_second && reinterpret_cast<uintptr_t>(to) % 8 == 0) {
    *reinterpret_cast<float2*>(to) = {sums[0], sums[1]};
    return;
  }
  to[0] = sums[0];
  if (pair.has_second) to[1] = sums[1];
}

// Products by wgmma, on compute capability 9.0 alone; `passes` as for SplitTile.
cudaError_t MultiplySplitOnHopper(CudaContext* context, SplitProducts products, unsigned passes);

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CUDA_PLUGIN_SPLIT_PRODUCTS_CUH_
