// Tiles of split products by mma.sync m16n8k16 (reference/split_product.h defines the sums; tensor
// cores of compute capability 9.0 and later add so).
//
// A block of kWM x kWN warps computes tile after tile of kBM rows and kBN outputs; each warp kMT x
// kNT instructions' results of 16 rows and 8 outputs. Chunks of 64 k travel into shared memory by
// cp.async, kStages of them at once, those of the next tile behind those of this one. They lie
// there as they do in memory: a row of a chunk is 128 bytes, whose eight sixteens are permuted by
// the row's number, so that ldmatrix meets no bank twice.
#ifndef BITLOSS_COMPUTE_CUDA_PLUGIN_SPLIT_TILE_CUH_
#define BITLOSS_COMPUTE_CUDA_PLUGIN_SPLIT_TILE_CUH_

#include <cuda_pipeline_primitives.h>

#include "bitloss/compute/cuda/plugin/split_products.cuh"

namespace bitloss {

template <unsigned kWM_, unsigned kWN_, unsigned kMT_, unsigned kNT_>
struct SplitSize {
  static constexpr unsigned kWM = kWM_, kWN = kWN_, kMT = kMT_, kNT = kNT_;
  static constexpr unsigned kBM = kWM * kMT * 16, kBN = kWN * kNT * 8;
  static constexpr unsigned kThreads = kWM * kWN * 32;
};

// kPasses: 2, or 3 if the weights have low halves.
template <class Size, unsigned kPasses>
class SplitTile {
 public:
  static constexpr unsigned kBM = Size::kBM, kBN = Size::kBN, kThreads = Size::kThreads;
  static constexpr unsigned kMT = Size::kMT, kNT = Size::kNT;
  static constexpr unsigned kRowBytes = kCudaSplitChunk * 2;
  static constexpr unsigned kXBytes = kBM * kRowBytes, kWBytes = kBN * kRowBytes;
  static constexpr unsigned kFactorsAt = 2 * kXBytes + (kPasses - 1) * kWBytes;
  static constexpr unsigned kStageBytes = kFactorsAt + (kBM * 4 + 127) / 128 * 128;
  static constexpr unsigned kMostBytes = 220 << 10;
  static constexpr unsigned kStages = kMostBytes / kStageBytes < 4 ? kMostBytes / kStageBytes : 4;
  static constexpr unsigned kBytes = kStages * kStageBytes;
  static_assert(kStages >= 3 && kNT % 2 == 0);
  static_assert(kCudaSplitRows % kBM == 0 && kCudaSplitRows % kBN == 0);

  __device__ SplitTile(const SplitProducts& products, unsigned char* memory)
      : products_(products),
        memory_(static_cast<unsigned>(__cvta_generic_to_shared(memory))),
        chunks_(static_cast<unsigned>(products.x.chunks)),
        num_tiles_(products.row_tiles * products.out_tiles),
        lane_(threadIdx.x % 32),
        warp_row_(threadIdx.x / 32 / Size::kWN * (kMT * 16)),
        warp_out_(threadIdx.x / 32 % Size::kWN * (kNT * 8)),
        sent_(PlaceOfTile(blockIdx.x)),
        sent_tile_(blockIdx.x) {}

  __device__ void Run() {
    for (unsigned i = 0; i + 1 < kStages; ++i) Send(i);
    unsigned stage = 0;
    for (unsigned tile = blockIdx.x; tile < num_tiles_; tile += gridDim.x) {
      const SplitPlace place = PlaceOfTile(tile);
      float section[kMT][kNT][4] = {};
      for (unsigned chunk = 0; chunk < chunks_; ++chunk) {
        __pipeline_wait_prior(kStages - 2);
        __syncthreads();
        Send(stage == 0 ? kStages - 1 : stage - 1);
        AddChunk(memory_ + stage * kStageBytes, section);
        stage = stage + 1 == kStages ? 0 : stage + 1;
        if ((chunk + 1) % kSplitChunksOfSection == 0 || chunk + 1 == chunks_) {
          EndSection(place, {chunk < kSplitChunksOfSection, chunk + 1 == chunks_}, section);
        }
      }
    }
  }

 private:
  __device__ SplitPlace PlaceOfTile(unsigned tile) const {
    return {products_, SplitOrder(products_.row_tiles, products_.out_tiles, tile), kBM, kBN};
  }

  // ---- From memory to shared memory.

  // The next chunk into a stage; nothing once all are sent.
  __device__ void Send(unsigned stage) {
    if (sent_tile_ < num_tiles_) {
      const unsigned to = memory_ + stage * kStageBytes;
      const CudaPlanes& x = products_.x;
      const CudaPlanes& w = products_.of[sent_.product].weights;
      const size_t x_at = PlaceOf(sent_.row);
      const size_t w_at = PlaceOf(sent_.out);
      SendBytes<kXBytes>(x.high + x_at * kCudaSplitChunk, to);
      SendBytes<kXBytes>(x.low + x_at * kCudaSplitChunk, to + kXBytes);
      SendBytes<kWBytes>(w.high + w_at * kCudaSplitChunk, to + 2 * kXBytes);
      if constexpr (kPasses == 3) {
        SendBytes<kWBytes>(w.low + w_at * kCudaSplitChunk, to + 2 * kXBytes + kWBytes);
      }
      SendBytes<kBM * 4>(x.factors + x_at, to + kFactorsAt);
      if (++sent_chunk_ == chunks_) {
        sent_chunk_ = 0;
        sent_tile_ += gridDim.x;
        sent_ = PlaceOfTile(min(sent_tile_, num_tiles_ - 1));
      }
    }
    __pipeline_commit();
  }

  // Rows of a block that precede `row` of the chunk that goes next.
  __device__ size_t PlaceOf(unsigned row) const {
    return (size_t{row / unsigned{kCudaSplitRows}} * chunks_ + sent_chunk_) * kCudaSplitRows +
           row % unsigned{kCudaSplitRows};
  }

  template <unsigned kBytes>
  __device__ static void SendBytes(const void* from, unsigned to) {
#pragma unroll
    for (unsigned i = 0; i < (kBytes / 16 + kThreads - 1) / kThreads; ++i) {
      const unsigned at = (threadIdx.x + i * kThreads) * 16;
      if (kBytes / 16 % kThreads != 0 && at >= kBytes) break;
      SendSixteen(static_cast<const unsigned char*>(from) + at, to + at);
    }
  }

  __device__ static void SendSixteen(const void* from, unsigned to) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from));
  }

  // ---- Products.

  __device__ static void Read(unsigned from, uint32_t (&to)[4]) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(from));
  }

  template <bool kFromZero>
  __device__ static void Step(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    if constexpr (kFromZero) {
      asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
          "{%8,%9}, {%10,%10,%10,%10};"
          : "=f"(sum[0]), "=f"(sum[1]), "=f"(sum[2]), "=f"(sum[3])
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1), "f"(0.0f));
    } else {
      asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
          "{%8,%9}, {%0,%1,%2,%3};"
          : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    }
  }

  // One step of 16 k for all sums: high.high, high.low, low.high.
  template <bool kFirst>
  __device__ void AddStep(unsigned x_at, unsigned w_at, float (&part)[kMT][kNT][4]) {
    uint32_t high[kMT][4];
    uint32_t low[kMT][4];
    uint32_t w[kNT / 2][4];
#pragma unroll
    for (unsigned m = 0; m < kMT; ++m) Read(x_at + m * 16 * kRowBytes, high[m]);
#pragma unroll
    for (unsigned n = 0; n < kNT / 2; ++n) Read(w_at + n * 16 * kRowBytes, w[n]);
#pragma unroll
    for (unsigned m = 0; m < kMT; ++m) Read(x_at + kXBytes + m * 16 * kRowBytes, low[m]);
    AddPass<kFirst>(high, w, part);
    AddPass<false>(low, w, part);
    if constexpr (kPasses == 3) {
#pragma unroll
      for (unsigned n = 0; n < kNT / 2; ++n) Read(w_at + kWBytes + n * 16 * kRowBytes, w[n]);
      AddPass<false>(high, w, part);
    }
  }
  template <bool kFirst>
  __device__ static void AddPass(const uint32_t (&x)[kMT][4], const uint32_t (&w)[kNT / 2][4],
                                 float (&part)[kMT][kNT][4]) {
#pragma unroll
    for (unsigned n = 0; n < kNT; ++n) {
#pragma unroll
      for (unsigned m = 0; m < kMT; ++m) {
        Step<kFirst>(part[m][n], x[m], w[n / 2][n % 2 * 2], w[n / 2][n % 2 * 2 + 1]);
      }
    }
  }

  __device__ void AddChunk(unsigned stage, float (&section)[kMT][kNT][4]) {
    const unsigned x_row = warp_row_ + lane_ % 16;
    const unsigned w_row = warp_out_ + lane_ / 16 * 8 + lane_ % 8;
    const unsigned x_at = stage + x_row * kRowBytes + ((lane_ / 16) ^ (lane_ & 7)) * 16;
    const unsigned w_at =
        stage + 2 * kXBytes + w_row * kRowBytes + ((lane_ / 8 % 2) ^ (lane_ & 7)) * 16;
    float part[kMT][kNT][4];
    AddStep<true>(x_at, w_at, part);
#pragma unroll
    for (unsigned k = 1; k < kCudaSplitChunk / 16; ++k) {
      AddStep<false>(x_at ^ (k * 32), w_at ^ (k * 32), part);
    }
#pragma unroll
    for (unsigned m = 0; m < kMT; ++m) {
#pragma unroll
      for (unsigned j = 0; j < 2; ++j) {
        const unsigned row = warp_row_ + m * 16 + lane_ / 4 + j * 8;
        float factor;
        asm volatile("ld.shared.f32 %0, [%1];" : "=f"(factor) : "r"(stage + kFactorsAt + row * 4));
#pragma unroll
        for (unsigned n = 0; n < kNT; ++n) {
#pragma unroll
          for (unsigned i = 2 * j; i < 2 * j + 2; ++i) {
            section[m][n][i] = __fmaf_rn(part[m][n][i], factor, section[m][n][i]);
          }
        }
      }
    }
  }

  __device__ void EndSection(const SplitPlace& place, SplitEnd end, float (&section)[kMT][kNT][4]) {
    const CudaSplitProduct& product = products_.of[place.product];
#pragma unroll
    for (unsigned n = 0; n < kNT; ++n) {
      const SplitPair pair(product, place.out + warp_out_ + n * 8 + lane_ % 4 * 2);
#pragma unroll
      for (unsigned m = 0; m < kMT; ++m) {
#pragma unroll
        for (unsigned j = 0; j < 2; ++j) {
          const unsigned row = place.row + warp_row_ + m * 16 + lane_ / 4 + j * 8;
          if (pair.exists && row < product.y.rows) {
            EndPair(product.y, row, pair, end, section[m][n][2 * j], section[m][n][2 * j + 1]);
          }
          section[m][n][2 * j] = section[m][n][2 * j + 1] = 0.0f;
        }
      }
    }
  }

  const SplitProducts& products_;
  unsigned memory_;
  unsigned chunks_;
  unsigned num_tiles_;
  unsigned lane_;
  unsigned warp_row_;
  unsigned warp_out_;
  // What Send sends next.
  SplitPlace sent_;
  unsigned sent_tile_;
  unsigned sent_chunk_ = 0;
};

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CUDA_PLUGIN_SPLIT_TILE_CUH_
