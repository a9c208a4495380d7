// Split products by wgmma, whose sums are mma.sync's: tiles of 128 rows and 128 outputs. Compiled
// for compute capability 9.0 alone.
//
// Of a block's three groups of four warps one asks the copy engine for chunks of 64 k; each of the
// others multiplies 64 rows. While one chunk is multiplied, the sums of the one before are carried
// into their section, also from a tile to the next.
#include "bitloss/compute/cuda/plugin/split_products.cuh"
#include "bitloss/compute/cuda/plugin/wgmma.cuh"

namespace bitloss {
namespace {

constexpr unsigned kTile = 128;  // rows, and outputs
constexpr unsigned kGroupThreads = 128;
constexpr unsigned kThreads = 3 * kGroupThreads;
constexpr unsigned kConsumerWarps = 8;
constexpr unsigned kPlaneBytes = kTile * kCudaSplitChunk * 2;
constexpr unsigned kFactorBytes = kTile * 4;
static_assert(kTile == kCudaSplitRows);

template <unsigned kPasses>
struct Stages {
  static constexpr unsigned kPlanes = kPasses == 3 ? 4 : 3;
  static constexpr unsigned kCount = kPasses == 3 ? 3 : 4;
  static constexpr unsigned kStageBytes = kPlanes * kPlaneBytes;
  static constexpr unsigned kFactorsAt = kCount * kStageBytes;
  static constexpr unsigned kBarriersAt = kFactorsAt + kCount * kFactorBytes;
  static constexpr unsigned kBytes = kBarriersAt + kCount * 16;

  unsigned memory;

  __device__ unsigned High(unsigned stage) const { return memory + stage * kStageBytes; }
  __device__ unsigned Low(unsigned stage) const { return High(stage) + kPlaneBytes; }
  __device__ unsigned Weights(unsigned stage) const { return High(stage) + 2 * kPlaneBytes; }
  __device__ unsigned LowWeights(unsigned stage) const { return High(stage) + 3 * kPlaneBytes; }
  __device__ unsigned Factors(unsigned stage) const {
    return memory + kFactorsAt + stage * kFactorBytes;
  }
  __device__ unsigned Full(unsigned stage) const { return memory + kBarriersAt + stage * 16; }
  __device__ unsigned Empty(unsigned stage) const { return Full(stage) + 8; }

  __device__ void Init() const {
    for (unsigned stage = 0; stage < kCount; ++stage) {
      InitBarrier(Full(stage), 1);
      InitBarrier(Empty(stage), kConsumerWarps);
    }
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
};

// A stage and the parity of its present phase.
template <unsigned kCount>
struct Turn {
  unsigned stage = 0;
  unsigned parity = 0;

  __device__ void Next() {
    if (++stage < kCount) return;
    stage = 0;
    parity ^= 1;
  }
};

template <unsigned kPasses>
__device__ void Produce(const SplitProducts& products, const Stages<kPasses>& stages) {
  const CudaPlanes& x = products.x;
  const unsigned num_tiles = products.row_tiles * products.out_tiles;
  Turn<Stages<kPasses>::kCount> turn;
  for (unsigned tile = blockIdx.x; tile < num_tiles; tile += gridDim.x) {
    const SplitPlace place(products, tile, kTile, kTile);
    const CudaPlanes& w = products.of[place.product].weights;
    size_t x_at = place.row / kTile * x.chunks * kTile;  // rows of 64 halves
    size_t w_at = place.out / kTile * x.chunks * kTile;
    for (size_t chunk = 0; chunk < x.chunks; ++chunk) {
      WaitFor(stages.Empty(turn.stage), turn.parity ^ 1);
      const unsigned full = stages.Full(turn.stage);
      ArriveExpecting(full, Stages<kPasses>::kStageBytes + kFactorBytes);
      CopyBytes(stages.High(turn.stage), x.high + x_at * kCudaSplitChunk, kPlaneBytes, full);
      CopyBytes(stages.Weights(turn.stage), w.high + w_at * kCudaSplitChunk, kPlaneBytes, full);
      CopyBytes(stages.Low(turn.stage), x.low + x_at * kCudaSplitChunk, kPlaneBytes, full);
      if constexpr (kPasses == 3) {
        CopyBytes(stages.LowWeights(turn.stage), w.low + w_at * kCudaSplitChunk, kPlaneBytes, full);
      }
      CopyBytes(stages.Factors(turn.stage), x.factors + x_at, kFactorBytes, full);
      x_at += kTile;
      w_at += kTile;
      turn.Next();
    }
  }
}

template <unsigned kPasses>
class Consumer {
 public:
  __device__ Consumer(const SplitProducts& products, const Stages<kPasses>& stages, unsigned group)
      : products_(products),
        stages_(stages),
        chunks_(static_cast<unsigned>(products.x.chunks)),
        num_tiles_(products.row_tiles * products.out_tiles),
        first_row_(group * 64),
        lane_row_(group * 64 + threadIdx.x % kGroupThreads / 32 * 16 + threadIdx.x % 32 / 4),
        tile_(blockIdx.x) {}

  // Requires: there is a tile for this block.
  __device__ void Run() {
    const unsigned num_chunks = (num_tiles_ - 1 - blockIdx.x) / gridDim.x * chunks_ + chunks_;
    float one[64];
    float other[64];
    Issue(one);
    unsigned left = num_chunks - 1;
    for (; left >= 2; left -= 2) {
      Issue(other);
      WgmmaWait<1>(one);
      Finish(one);
      Issue(one);
      WgmmaWait<1>(other);
      Finish(other);
    }
    if (left == 1) {
      Issue(other);
      WgmmaWait<1>(one);
      Finish(one);
      WgmmaWait<0>(other);
      Finish(other);
    } else {
      WgmmaWait<0>(one);
      Finish(one);
    }
  }

 private:
  // The products of the next chunk.
  __device__ void Issue(float (&part)[64]) {
    WaitFor(stages_.Full(issued_.stage), issued_.parity);
    const uint64_t high = WgmmaOperand(stages_.High(issued_.stage) + first_row_ * 128);
    const uint64_t low = WgmmaOperand(stages_.Low(issued_.stage) + first_row_ * 128);
    const uint64_t w = WgmmaOperand(stages_.Weights(issued_.stage));
    const uint64_t w_low = WgmmaOperand(stages_.LowWeights(issued_.stage));
    WgmmaBegin();
#pragma unroll
    for (unsigned k = 0; k < kCudaSplitChunk / 16; ++k) {
      const unsigned step = k * 32 >> 4;
      Wgmma(part, high + step, w + step, k > 0);
      Wgmma(part, low + step, w + step, true);
      if constexpr (kPasses == 3) Wgmma(part, high + step, w_low + step, true);
    }
    WgmmaCommit();
    issued_.Next();
  }

  // Carries the sums of the oldest chunk; its stage is free.
  __device__ void Finish(const float (&part)[64]) {
    float factors[2];
#pragma unroll
    for (unsigned j = 0; j < 2; ++j) {
      asm volatile("ld.shared.f32 %0, [%1];"
                   : "=f"(factors[j])
                   : "r"(stages_.Factors(done_.stage) + (lane_row_ + 8 * j) * 4));
    }
    __syncwarp();
    if (threadIdx.x % 32 == 0) Arrive(stages_.Empty(done_.stage));
    done_.Next();
#pragma unroll
    for (unsigned i = 0; i < 64; ++i) {
      section_[i] = __fmaf_rn(part[i], factors[i / 2 % 2], section_[i]);
    }
    ++chunk_;
    if (chunk_ % kSplitChunksOfSection == 0 || chunk_ == chunks_) {
      EndSection({chunk_ <= kSplitChunksOfSection, chunk_ == chunks_});
    }
    if (chunk_ < chunks_) return;
    chunk_ = 0;
    tile_ += gridDim.x;
  }

  __device__ void EndSection(SplitEnd end) {
    const SplitPlace place(products_, tile_, kTile, kTile);
    const CudaSplitProduct& product = products_.of[place.product];
#pragma unroll
    for (unsigned n = 0; n < 16; ++n) {
      const SplitPair pair(product, place.out + n * 8 + threadIdx.x % 4 * 2);
#pragma unroll
      for (unsigned j = 0; j < 2; ++j) {
        const unsigned row = place.row + lane_row_ + 8 * j;
        if (pair.exists && row < product.y.rows) {
          EndPair(product.y, row, pair, end, section_[4 * n + 2 * j], section_[4 * n + 2 * j + 1]);
        }
        section_[4 * n + 2 * j] = section_[4 * n + 2 * j + 1] = 0.0f;
      }
    }
  }

  const SplitProducts& products_;
  const Stages<kPasses>& stages_;
  unsigned chunks_;
  unsigned num_tiles_;
  unsigned first_row_;
  unsigned lane_row_;
  Turn<Stages<kPasses>::kCount> issued_;
  Turn<Stages<kPasses>::kCount> done_;
  // Of what is finished next.
  unsigned tile_;
  unsigned chunk_ = 0;
  float section_[64] = {};
};

template <unsigned kPasses>
__global__ void __launch_bounds__(kThreads, 1)
    HopperKernel(const __grid_constant__ SplitProducts products) {
  extern __shared__ __align__(1024) unsigned char hopper_memory[];
  const Stages<kPasses> stages{static_cast<unsigned>(__cvta_generic_to_shared(hopper_memory))};
  if (threadIdx.x == 0) stages.Init();
  __syncthreads();
  const unsigned group = threadIdx.x / kGroupThreads;
  if (group == 2) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 24;");
    if (threadIdx.x % kGroupThreads == 0) Produce(products, stages);
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 240;");
    Consumer<kPasses>(products, stages, group).Run();
  }
}

template <unsigned kPasses>
cudaError_t Launch(CudaContext* context, SplitProducts products) {
  constexpr unsigned kBytes = Stages<kPasses>::kBytes;
  const cudaError_t status = cudaFuncSetAttribute(
      HopperKernel<kPasses>, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(kBytes));
  if (status != cudaSuccess) return status;
  CountTiles(products, kTile, kTile);
  const unsigned blocks =
      min(products.row_tiles * products.out_tiles, static_cast<unsigned>(context->multiprocessors));
  HopperKernel<kPasses><<<blocks, kThreads, kBytes, context->stream>>>(products);
  return cudaGetLastError();
}

}  // namespace

cudaError_t MultiplySplitOnHopper(CudaContext* context, SplitProducts products, unsigned passes) {
  return passes == 3 ? Launch<3>(context, products) : Launch<2>(context, products);
}

}  // namespace bitloss
