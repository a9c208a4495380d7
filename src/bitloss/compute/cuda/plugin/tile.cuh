// One tile of a product: kBM rows times kBN outputs by 256 threads, kTM x kTN sums each, in
// ascending k. What a step of k is, a Policy says:
//
//   X, W        what a step reads of a row and of an output: float and float, or words of codes
//   Stored      the weights as they lie
//   Sum         one running sum
//   Step(x, w, sum), Widen(stored) -> W
//   Fold(...)   after every kFold steps: integer sums of a block into float ones (0: never)
//
// Weights lie in panels of kCudaPanel outputs, [k][kCudaPanel]. While a slice of kBK steps is
// multiplied, the next is on its way from memory into registers.
#ifndef BITLOSS_COMPUTE_CUDA_PLUGIN_TILE_CUH_
#define BITLOSS_COMPUTE_CUDA_PLUGIN_TILE_CUH_

#include "bitloss/compute/cuda/plugin/context.cuh"

namespace bitloss {

constexpr unsigned kTileThreads = 256;

template <class T>
struct alignas(4 * sizeof(T)) Four {
  T at[4];
};

template <class T>
struct TileOperands {
  const T* x;  // [rows][x_stride]
  size_t x_stride;
  size_t rows;
  size_t depth;      // steps of k
  bool x_is_aligned;  // fours of x can be read at once
};

template <class Policy, unsigned kBM, unsigned kBN, unsigned kTM, unsigned kTN, unsigned kBK>
class Tile {
 public:
  using X = typename Policy::X;
  using W = typename Policy::W;
  using Stored = typename Policy::Stored;
  using Sum = typename Policy::Sum;
  static_assert(kBM / kTM * (kBN / kTN) == kTileThreads && kCudaPanel % kBN == 0 && kBK % 4 == 0);

  struct Shared {
    X x[2][kBK][kBM + 4];
    W w[2][kBK][kBN];
  };

  __device__ Tile(const TileOperands<X>& operands, const Stored* weights, Shared& shared)
      : operands_(operands),
        shared_(shared),
        first_row_(size_t{blockIdx.x} * kBM),
        first_out_(size_t{blockIdx.y} * kBN),
        weights_(weights + first_out_ / kCudaPanel * operands.depth * kCudaPanel +
                 first_out_ % kCudaPanel) {}

  // A row and an output of this thread's sums.
  __device__ size_t Row(unsigned m) const { return first_row_ + RowInTile(m); }
  __device__ size_t Output(unsigned n) const { return first_out_ + OutInTile(n); }

  __device__ void Run(Sum (&sums)[kTM][kTN]) {
    Fetch(0);
    Put(0);
    __syncthreads();
    unsigned buffer = 0;
    for (size_t k = 0; k < operands_.depth; k += kBK) {
      const bool more = k + kBK < operands_.depth;
      if (more) Fetch(k + kBK);
      if (operands_.depth - k >= kBK) {
#pragma unroll
        for (unsigned i = 0; i < kBK; ++i) Step(buffer, i, sums);
      } else {
        const unsigned rest = static_cast<unsigned>(operands_.depth - k);
        for (unsigned i = 0; i < rest; ++i) Step(buffer, i, sums);
      }
      if (more) Put(buffer ^ 1);
      __syncthreads();
      buffer ^= 1;
    }
  }

  // Called with the step's number at the end of each block of Policy::kFold steps.
  template <class Fold>
  __device__ void RunFolding(Sum (&sums)[kTM][kTN], const Fold& fold) {
    Fetch(0);
    Put(0);
    __syncthreads();
    unsigned buffer = 0;
    for (size_t k = 0; k < operands_.depth; k += kBK) {
      const bool more = k + kBK < operands_.depth;
      if (more) Fetch(k + kBK);
      const unsigned rest = static_cast<unsigned>(min(size_t{kBK}, operands_.depth - k));
      for (unsigned i = 0; i < rest; i += Policy::kFold) {
#pragma unroll
        for (unsigned j = 0; j < Policy::kFold; ++j) Step(buffer, i + j, sums);
        fold((k + i) / Policy::kFold);
      }
      if (more) Put(buffer ^ 1);
      __syncthreads();
      buffer ^= 1;
    }
  }

 private:
  // Sums of a thread lie in groups of four, so that what neighbours read is neighbouring.
  static constexpr unsigned kColumns = kBN / kTN;  // of threads
  static constexpr unsigned kRowsOfThreads = kBM / kTM;
  static constexpr unsigned kGroupM = kTM < 4 ? kTM : 4;
  static constexpr unsigned kGroupN = kTN < 4 ? kTN : 4;
  static constexpr unsigned kFoursOfX = kBM * kBK / 4;
  static constexpr unsigned kFoursOfW = kBN * kBK / 4;
  static constexpr unsigned kFetchX = (kFoursOfX + kTileThreads - 1) / kTileThreads;
  static constexpr unsigned kFetchW = (kFoursOfW + kTileThreads - 1) / kTileThreads;

  __device__ static unsigned RowInTile(unsigned m) {
    return m / kGroupM * (kRowsOfThreads * kGroupM) + threadIdx.x / kColumns * kGroupM +
           m % kGroupM;
  }
  __device__ static unsigned OutInTile(unsigned n) {
    return n / kGroupN * (kColumns * kGroupN) + threadIdx.x % kColumns * kGroupN + n % kGroupN;
  }

  __device__ void Step(unsigned buffer, unsigned i, Sum (&sums)[kTM][kTN]) {
    X x[kTM];
    W w[kTN];
#pragma unroll
    for (unsigned m = 0; m < kTM; m += kGroupM) {
      if constexpr (kGroupM == 4) {
        const auto four = *reinterpret_cast<const Four<X>*>(&shared_.x[buffer][i][RowInTile(m)]);
#pragma unroll
        for (unsigned j = 0; j < 4; ++j) x[m + j] = four.at[j];
      } else {
#pragma unroll
        for (unsigned j = 0; j < kGroupM; ++j) x[m + j] = shared_.x[buffer][i][RowInTile(m + j)];
      }
    }
#pragma unroll
    for (unsigned n = 0; n < kTN; n += kGroupN) {
      if constexpr (kGroupN == 4) {
        const auto four = *reinterpret_cast<const Four<W>*>(&shared_.w[buffer][i][OutInTile(n)]);
#pragma unroll
        for (unsigned j = 0; j < 4; ++j) w[n + j] = four.at[j];
      } else {
#pragma unroll
        for (unsigned j = 0; j < kGroupN; ++j) w[n + j] = shared_.w[buffer][i][OutInTile(n + j)];
      }
    }
#pragma unroll
    for (unsigned m = 0; m < kTM; ++m) {
#pragma unroll
      for (unsigned n = 0; n < kTN; ++n) Policy::Step(x[m], w[n], sums[m][n]);
    }
  }

  __device__ void Fetch(size_t k) {
#pragma unroll
    for (unsigned f = 0; f < kFetchX; ++f) {
      const unsigned four = threadIdx.x + f * kTileThreads;
      if (four >= kFoursOfX) break;
      FetchX(first_row_ + four / (kBK / 4), k + four % (kBK / 4) * 4, fetched_x_[f]);
    }
#pragma unroll
    for (unsigned f = 0; f < kFetchW; ++f) {
      const unsigned four = threadIdx.x + f * kTileThreads;
      const size_t at = k + four / (kBN / 4);
      if (four >= kFoursOfW || at >= operands_.depth) break;
      fetched_w_[f] = *reinterpret_cast<const Four<Stored>*>(weights_ + at * kCudaPanel +
                                                             four % (kBN / 4) * 4);
    }
  }

  __device__ void FetchX(size_t row, size_t k, Four<X>& to) {
    to = {};
    if (row >= operands_.rows || k >= operands_.depth) return;
    const X* from = operands_.x + row * operands_.x_stride + k;
    if (operands_.x_is_aligned && k + 4 <= operands_.depth) {
      to = *reinterpret_cast<const Four<X>*>(from);
      return;
    }
#pragma unroll
    for (unsigned j = 0; j < 4; ++j) {
      if (k + j < operands_.depth) to.at[j] = from[j];
    }
  }

  __device__ void Put(unsigned buffer) {
#pragma unroll
    for (unsigned f = 0; f < kFetchX; ++f) {
      const unsigned four = threadIdx.x + f * kTileThreads;
      if (four >= kFoursOfX) break;
#pragma unroll
      for (unsigned j = 0; j < 4; ++j) {
        shared_.x[buffer][four % (kBK / 4) * 4 + j][four / (kBK / 4)] = fetched_x_[f].at[j];
      }
    }
#pragma unroll
    for (unsigned f = 0; f < kFetchW; ++f) {
      const unsigned four = threadIdx.x + f * kTileThreads;
      if (four >= kFoursOfW) break;
      Four<W> wide;
#pragma unroll
      for (unsigned j = 0; j < 4; ++j) wide.at[j] = Policy::Widen(fetched_w_[f].at[j]);
      *reinterpret_cast<Four<W>*>(&shared_.w[buffer][four / (kBN / 4)][four % (kBN / 4) * 4]) =
          wide;
    }
  }

  const TileOperands<X>& operands_;
  Shared& shared_;
  size_t first_row_;
  size_t first_out_;
  const Stored* weights_;
  Four<X> fetched_x_[kFetchX];
  Four<Stored> fetched_w_[kFetchW];
};

// Calls launch(tile size) for the largest tiles that give every multiprocessor some: the sums are
// the same for all. The sizes: rows, outputs, rows and outputs of a thread, steps of a slice.
template <unsigned kBM_, unsigned kBN_, unsigned kTM_, unsigned kTN_, unsigned kBK_>
struct TileSize {
  static constexpr unsigned kBM = kBM_, kBN = kBN_, kTM = kTM_, kTN = kTN_, kBK = kBK_;
  static dim3 Grid(size_t rows, size_t outputs) { return {Parts(rows, kBM), Parts(outputs, kBN)}; }
  static size_t Tiles(size_t rows, size_t outputs) {
    return size_t{Parts(rows, kBM)} * Parts(outputs, kBN);
  }
};

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CUDA_PLUGIN_TILE_CUH_
