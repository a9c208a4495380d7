// Split products by wgmma, whose sums are mma.sync's: tiles of 128 rows and 128 outputs. Compiled
// for compute capability 9.0 alone.
//
// Of a block's three groups of four warps one asks the copy engine for chunks of 64 k; each of the
// others multiplies 64 rows. While one chunk is multiplied, the sums of the one before are carried
// into their section, also from a tile to the next.
//
// Two blocks are a cluster: their tiles are neighbours with the same rows, or the same outputs.
// What both read travels once: each asks for half of it, which goes to both.
#include "bitloss/compute/cuda/plugin/split_products.cuh"
#include "bitloss/compute/cuda/plugin/wgmma.cuh"

namespace bitloss {
namespace {

constexpr unsigned kTile = 128;  // rows, and outputs
constexpr unsigned kGroupThreads = 128;
constexpr unsigned kThreads = 3 * kGroupThreads;
constexpr unsigned kCluster = 2;
constexpr unsigned kConsumers = 2 * kGroupThreads * kCluster;  // that read a stage of either block
constexpr unsigned kPlaneBytes = kTile * kCudaSplitChunk * 2;
constexpr unsigned kFactorBytes = kTile * 4;
constexpr unsigned kOutputBytes = kTile * 8;
static_assert(kTile == kCudaSplitRows);

// kMany: there is more than one section of k, whose sums wait in shared memory.
template <unsigned kPasses, bool kMany>
struct Stages {
  static constexpr unsigned kPlanes = kPasses == 3 ? 4 : 3;
  static constexpr unsigned kCount = (kPasses == 3 ? 3 : 4) - (kMany ? 1 : 0);
  static constexpr unsigned kStageBytes = kPlanes * kPlaneBytes;
  static constexpr unsigned kTotalsAt = kCount * kStageBytes;
  static constexpr unsigned kFactorsAt = kTotalsAt + (kMany ? kTile * kTile * 4 : 0);
  static constexpr unsigned kOutputsAt = kFactorsAt + kCount * kFactorBytes;
  static constexpr unsigned kBarriersAt = kOutputsAt + 2 * kOutputBytes;
  static constexpr unsigned kBytes = kBarriersAt + kCount * 16;

  unsigned memory;

  __device__ unsigned High(unsigned stage) const { return memory + stage * kStageBytes; }
  __device__ unsigned Low(unsigned stage) const { return High(stage) + kPlaneBytes; }
  __device__ unsigned Weights(unsigned stage) const { return High(stage) + 2 * kPlaneBytes; }
  __device__ unsigned LowWeights(unsigned stage) const { return High(stage) + 3 * kPlaneBytes; }
  __device__ unsigned Factors(unsigned stage) const {
    return memory + kFactorsAt + stage * kFactorBytes;
  }
  // A consumer's: sums of earlier sections, and what its outputs are multiplied by and added to.
  __device__ unsigned Totals(unsigned group) const {
    return memory + kTotalsAt + group * (kTile / 2 * kTile * 4);
  }
  __device__ unsigned Outputs(unsigned group) const {
    return memory + kOutputsAt + group * kOutputBytes;
  }
  __device__ unsigned Full(unsigned stage) const { return memory + kBarriersAt + stage * 16; }
  __device__ unsigned Empty(unsigned stage) const { return Full(stage) + 8; }

  __device__ void Init() const {
    for (unsigned stage = 0; stage < kCount; ++stage) {
      InitBarrier(Full(stage), 1);
      InitBarrier(Empty(stage), kConsumers);
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

enum class Neighbours { kInRows, kInOutputs };

// The tiles of a block: its cluster takes pair after pair.
struct Pairs {
  SplitProducts products;
  Neighbours neighbours;
  unsigned rows;  // of pairs
  unsigned outs;

  __device__ unsigned First() const { return blockIdx.x / kCluster; }
  __device__ unsigned Step() const { return gridDim.x / kCluster; }
  __device__ unsigned Count() const { return rows * outs; }
  // A tile beyond the last row or output has sums that nobody stores.
  __device__ SplitPlace Place(unsigned pair, unsigned rank) const {
    SplitOrder order(rows, outs, pair);
    if (neighbours == Neighbours::kInRows) {
      order.row = order.row * kCluster + rank;
    } else {
      order.out = order.out * kCluster + rank;
    }
    return {products, order, kTile, kTile};
  }
};

// Where rows of 64 halves of a tile's first chunk begin; of the last tile for those beyond it.
__device__ size_t FirstOf(const CudaPlanes& planes, unsigned row) {
  const unsigned last = (static_cast<unsigned>(planes.rows) - 1) / kTile;
  return min(row / kTile, last) * planes.chunks * kTile;
}

// `bytes` of one tile, or this block's half of what both read.
__device__ void Fetch(bool both, unsigned rank, unsigned to, const void* from, unsigned bytes,
                      unsigned barrier) {
  if (!both) return CopyBytes(to, from, bytes, barrier);
  const unsigned half = bytes / kCluster;
  CopyBytesToBoth(to + rank * half, static_cast<const unsigned char*>(from) + rank * half, half,
                  barrier);
}

template <unsigned kPasses, bool kMany>
__device__ void Produce(const Pairs& pairs, const Stages<kPasses, kMany>& stages, unsigned rank) {
  const CudaPlanes& x = pairs.products.x;
  const bool share_x = pairs.neighbours == Neighbours::kInOutputs;
  Turn<Stages<kPasses, kMany>::kCount> turn;
  for (unsigned pair = pairs.First(); pair < pairs.Count(); pair += pairs.Step()) {
    const SplitPlace place = pairs.Place(pair, rank);
    const CudaPlanes& w = pairs.products.of[place.product].weights;
    size_t x_at = FirstOf(x, place.row);
    size_t w_at = FirstOf(w, place.out);
    for (size_t chunk = 0; chunk < x.chunks; ++chunk) {
      WaitFor(stages.Empty(turn.stage), turn.parity ^ 1);
      const unsigned full = stages.Full(turn.stage);
      ArriveExpecting(full, Stages<kPasses, kMany>::kStageBytes + kFactorBytes);
      const auto fetch = [&](bool both, unsigned to, const uint16_t* plane, size_t at) {
        Fetch(both, rank, to, plane + at * kCudaSplitChunk, kPlaneBytes, full);
      };
      fetch(share_x, stages.High(turn.stage), x.high, x_at);
      fetch(!share_x, stages.Weights(turn.stage), w.high, w_at);
      fetch(share_x, stages.Low(turn.stage), x.low, x_at);
      if constexpr (kPasses == 3) fetch(!share_x, stages.LowWeights(turn.stage), w.low, w_at);
      Fetch(share_x, rank, stages.Factors(turn.stage), x.factors + x_at, kFactorBytes, full);
      x_at += kTile;
      w_at += kTile;
      turn.Next();
    }
  }
}

template <unsigned kPasses, bool kMany>
class Consumer {
 public:
  __device__ Consumer(const Pairs& pairs, const Stages<kPasses, kMany>& stages, unsigned group)
      : pairs_(pairs), stages_(stages), group_(group), pair_(pairs.First()) {
    BeginTile();
  }

  // Requires: there is a pair for this cluster.
  __device__ void Run() {
    const unsigned num_chunks = ((pairs_.Count() - 1 - pairs_.First()) / pairs_.Step() + 1) *
                                static_cast<unsigned>(pairs_.products.x.chunks);
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
    const uint64_t high = WgmmaOperand(stages_.High(issued_.stage) + group_ * (kPlaneBytes / 2));
    const uint64_t low = WgmmaOperand(stages_.Low(issued_.stage) + group_ * (kPlaneBytes / 2));
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

  // The row of a tile that this thread's first sums belong to; the others' is eight further down.
  __device__ unsigned LaneRow() const {
    return group_ * 64 + threadIdx.x % kGroupThreads / 32 * 16 + threadIdx.x % 32 / 4;
  }

  // Carries the sums of the oldest chunk; its stage is free.
  __device__ void Finish(const float (&part)[64]) {
    const unsigned factors_at = stages_.Factors(done_.stage) + LaneRow() * 4;
    const float factors[2] = {ReadShared(factors_at), ReadShared(factors_at + 32)};
    for (unsigned block = 0; block < kCluster; ++block) {
      ArriveAt(stages_.Empty(done_.stage), block);
    }
    done_.Next();
#pragma unroll
    for (unsigned i = 0; i < 64; ++i) {
      section_[i] = __fmaf_rn(part[i], factors[i / 2 % 2], section_[i]);
    }
    ++chunk_;
    const bool is_last = chunk_ == static_cast<unsigned>(pairs_.products.x.chunks);
    if (kMany && (is_last || chunk_ % kSplitChunksOfSection == 0)) {
      if (chunk_ > kSplitChunksOfSection) AddTotals();
      if (!is_last) KeepTotals();
    }
    if (!is_last) return;
    EndTile();
    chunk_ = 0;
    pair_ += pairs_.Step();
    BeginTile();
  }

  // Sums of earlier sections come first.
  __device__ void AddTotals() {
    const unsigned from = stages_.Totals(group_) + threadIdx.x % kGroupThreads * 16;
#pragma unroll
    for (unsigned n = 0; n < 16; ++n) {
      float total[4];
      asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];"
                   : "=f"(total[0]), "=f"(total[1]), "=f"(total[2]), "=f"(total[3])
                   : "r"(from + n * (kGroupThreads * 16)));
#pragma unroll
      for (unsigned i = 0; i < 4; ++i) {
        section_[4 * n + i] = __fadd_rn(total[i], section_[4 * n + i]);
      }
    }
  }
  __device__ void KeepTotals() {
    const unsigned to = stages_.Totals(group_) + threadIdx.x % kGroupThreads * 16;
#pragma unroll
    for (unsigned n = 0; n < 16; ++n) {
      asm volatile("st.shared.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"(to + n * (kGroupThreads * 16)),
                   "f"(section_[4 * n]), "f"(section_[4 * n + 1]), "f"(section_[4 * n + 2]),
                   "f"(section_[4 * n + 3]));
#pragma unroll
      for (unsigned i = 0; i < 4; ++i) section_[4 * n + i] = 0.0f;
    }
  }

  // Asks for what belongs to one output of the tile, long before it is needed.
  __device__ void BeginTile() {
    if (pair_ >= pairs_.Count()) return;
    const SplitPlace place = pairs_.Place(pair_, RankInCluster());
    const CudaSplitProduct& product = pairs_.products.of[place.product];
    const unsigned out = place.out + threadIdx.x % kGroupThreads;
    if (out >= product.y.cols) return;
    factor_ = product.weights.factors[out];
    if (product.bias != nullptr) bias_ = product.bias[out];
  }

  __device__ void EndTile() {
    const SplitPlace place = pairs_.Place(pair_, RankInCluster());
    const CudaSplitProduct& product = pairs_.products.of[place.product];
    const CudaRows& y = product.y;
    const unsigned outputs = stages_.Outputs(group_);
    SyncGroup();  // all have read the last tile's
    asm volatile(
        "st.shared.v2.f32 [%0], {%1, %2};" ::"r"(outputs + threadIdx.x % kGroupThreads * 8),
        "f"(factor_), "f"(bias_)
        : "memory");
    SyncGroup();
    const bool has_bias = product.bias != nullptr;
    const unsigned row = place.row + LaneRow();
    const unsigned col = threadIdx.x % 4 * 2;
    float* to = y.data + row * y.stride + place.out + col;
    const size_t eight_rows = 8 * y.stride;
    const bool in_pairs = y.stride % 2 == 0 && reinterpret_cast<uintptr_t>(y.data) % 8 == 0;
#pragma unroll
    for (unsigned n = 0; n < 16; ++n) {
      float of[4];  // factor, bias, of two outputs
      asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];"
                   : "=f"(of[0]), "=f"(of[1]), "=f"(of[2]), "=f"(of[3])
                   : "r"(outputs + (n * 8 + col) * 8));
      const unsigned out = place.out + n * 8 + col;
#pragma unroll
      for (unsigned j = 0; j < 2; ++j) {
        float first = __fmul_rn(section_[4 * n + 2 * j], of[0]);
        float second = __fmul_rn(section_[4 * n + 2 * j + 1], of[2]);
        section_[4 * n + 2 * j] = section_[4 * n + 2 * j + 1] = 0.0f;
        if (has_bias) {
          first = __fadd_rn(first, of[1]);
          second = __fadd_rn(second, of[3]);
        }
        if (row + 8 * j >= y.rows || out >= y.cols) continue;
        float* at = to + j * eight_rows + n * 8;
        if (in_pairs && out + 1 < y.cols) {
          *reinterpret_cast<float2*>(at) = {first, second};
        } else {
          at[0] = first;
          if (out + 1 < y.cols) at[1] = second;
        }
      }
    }
  }

  // The four warps of this consumer.
  __device__ void SyncGroup() const {
    asm volatile("bar.sync %0, %1;" ::"r"(group_ + 1), "n"(kGroupThreads) : "memory");
  }

  __device__ static float ReadShared(unsigned from) {
    float value;
    asm volatile("ld.shared.f32 %0, [%1];" : "=f"(value) : "r"(from));
    return value;
  }

  const Pairs& pairs_;
  const Stages<kPasses, kMany>& stages_;
  unsigned group_;
  Turn<Stages<kPasses, kMany>::kCount> issued_;
  Turn<Stages<kPasses, kMany>::kCount> done_;
  // Of what is finished next.
  unsigned pair_;
  unsigned chunk_ = 0;
  float factor_ = 0.0f;
  float bias_ = 0.0f;
  float section_[64] = {};
};

template <unsigned kPasses, bool kMany>
__global__ void __cluster_dims__(kCluster) __launch_bounds__(kThreads, 1)
    HopperKernel(const __grid_constant__ Pairs pairs) {
  extern __shared__ __align__(1024) unsigned char hopper_memory[];
  const Stages<kPasses, kMany> stages{
      static_cast<unsigned>(__cvta_generic_to_shared(hopper_memory))};
  const unsigned rank = RankInCluster();
  if (threadIdx.x == 0) stages.Init();
  SyncCluster();
  const unsigned group = threadIdx.x / kGroupThreads;
  if (group == 2) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 24;");
    if (threadIdx.x % kGroupThreads == 0) Produce(pairs, stages, rank);
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 240;");
    Consumer<kPasses, kMany>(pairs, stages, group).Run();
  }
  SyncCluster();  // what one sends or tells the other has arrived
}

// A pair with the same rows has more in common. One tile too many is little among many.
Pairs PairUp(const SplitProducts& products) {
  constexpr unsigned kMany = 32;
  const bool in_outputs = products.out_tiles % kCluster == 0 || products.out_tiles >= kMany;
  Pairs pairs{products, in_outputs ? Neighbours::kInOutputs : Neighbours::kInRows,
              products.row_tiles, products.out_tiles};
  unsigned& paired = in_outputs ? pairs.outs : pairs.rows;
  paired = Parts(paired, kCluster);
  return pairs;
}

template <unsigned kPasses, bool kMany>
cudaError_t Launch(CudaContext* context, SplitProducts products) {
  constexpr unsigned kBytes = Stages<kPasses, kMany>::kBytes;
  const cudaError_t status =
      cudaFuncSetAttribute(HopperKernel<kPasses, kMany>,
                           cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(kBytes));
  if (status != cudaSuccess) return status;
  CountTiles(products, kTile, kTile);
  const Pairs pairs = PairUp(products);
  const unsigned most = static_cast<unsigned>(context->multiprocessors) / kCluster;
  const unsigned blocks = kCluster * min(pairs.rows * pairs.outs, most);
  HopperKernel<kPasses, kMany><<<blocks, kThreads, kBytes, context->stream>>>(pairs);
  return cudaGetLastError();
}

}  // namespace

cudaError_t MultiplySplitOnHopper(CudaContext* context, SplitProducts products, unsigned passes) {
  const bool many = products.x.chunks > kSplitChunksOfSection;
  const auto launch = passes == 3 ? (many ? Launch<3, true> : Launch<3, false>)
                                  : (many ? Launch<2, true> : Launch<2, false>);
  return launch(context, products);
}

}  // namespace bitloss
