// A tile of a product of floats for many rows: kBM rows times kBN outputs, 8 x 8 sums a thread.
//
// While a slice of kBK steps is multiplied, the next is on its way from memory into registers;
// within a slice, what the next step needs is read from shared memory while one is multiplied. A
// warp is 4 x 8 threads, whose rows and outputs lie in fours, so that no two read one bank at once.
#ifndef BITLOSS_COMPUTE_CUDA_PLUGIN_WIDE_TILE_CUH_
#define BITLOSS_COMPUTE_CUDA_PLUGIN_WIDE_TILE_CUH_

#include "bitloss/compute/cuda/plugin/float_operands.cuh"

namespace bitloss {

// kWM x kWN warps; blocks of a multiprocessor at once.
template <unsigned kWM_, unsigned kWN_, unsigned kBlocks_>
struct WideSize {
  static constexpr unsigned kWM = kWM_, kWN = kWN_, kBlocks = kBlocks_;
  static constexpr unsigned kTM = 8, kTN = 8, kBK = 16;
  static constexpr unsigned kBM = kWM * 4 * kTM, kBN = kWN * 8 * kTN;
  static constexpr unsigned kThreads = kWM * kWN * 32;
};

template <class Stored, class Size>
class WideTile {
 public:
  static constexpr unsigned kBM = Size::kBM, kBN = Size::kBN, kBK = Size::kBK;
  static constexpr unsigned kTM = Size::kTM, kTN = Size::kTN, kThreads = Size::kThreads;

  struct Shared {
    float x[2][kBK][kBM + 4];
    float w[2][kBK][kBN];
  };

  __device__ WideTile(const FloatOperands& operands, const FloatWeights<Stored>& weights,
                      size_t first_row, size_t first_out, Shared& shared)
      : operands_(operands),
        shared_(shared),
        first_row_(first_row),
        first_out_(first_out),
        row_(threadIdx.x / 32 / Size::kWN * (4 * kTM) + threadIdx.x % 32 / 8 * 4),
        out_(threadIdx.x / 32 % Size::kWN * (8 * kTN) + threadIdx.x % 8 * 4) {
    // What lies beyond the last row or output is read from where there is something: no sum that
    // is stored sees it.
#pragma unroll
    for (unsigned f = 0; f < kFetchX; ++f) {
      const unsigned four = threadIdx.x + f * kThreads;
      const size_t row = min(first_row + four / (kBK / 4), operands.rows - 1);
      x_from_[f] = operands.x + row * operands.x_stride + four % (kBK / 4) * 4;
    }
    const size_t out = first_out + threadIdx.x % (kBN / kChunk) * kChunk;
    w_from_ = weights.At(operands.depth, threadIdx.x / (kBN / kChunk),
                         out < weights.outputs_end ? out : 0);
  }

  // A row and an output of this thread's sums; outputs come in fours.
  __device__ size_t Row(unsigned m) const { return first_row_ + row_ + m / 4 * 16 + m % 4; }
  __device__ size_t Output(unsigned n) const { return first_out_ + out_ + n / 4 * 32 + n % 4; }

  __device__ void Run(float (&sums)[kTM][kTN]) {
    Fetch(0);
    Put(0);
    __syncthreads();
    unsigned buffer = 0;
    for (unsigned k = 0; k < operands_.depth; k += kBK) {
      const bool more = k + kBK < operands_.depth;
      if (more) Fetch(k + kBK);
      if (operands_.depth - k >= kBK) {
        MultiplySlice(buffer, sums);
      } else {
        MultiplyRest(buffer, operands_.depth - k, sums);
      }
      if (more) Put(buffer ^ 1);
      __syncthreads();
      buffer ^= 1;
    }
  }

 private:
  static constexpr unsigned kChunk = 16 / sizeof(Stored);  // weights that travel at once
  static constexpr unsigned kFetchX = kBM * kBK / 4 / kThreads;
  static constexpr unsigned kFetchW = kBK * kBN / kChunk / kThreads;
  static constexpr unsigned kStepsAtOnce = kThreads / (kBN / kChunk);
  static_assert(kFetchX * 4 * kThreads == kBM * kBK && kFetchW * kChunk * kThreads == kBK * kBN);

  __device__ void Load(unsigned buffer, unsigned k, float (&x)[kTM], float (&w)[kTN]) const {
#pragma unroll
    for (unsigned m = 0; m < kTM; m += 4) {
      WidenFour(&shared_.x[buffer][k][row_ + m * 4], reinterpret_cast<float(&)[4]>(x[m]));
    }
#pragma unroll
    for (unsigned n = 0; n < kTN; n += 4) {
      WidenFour(&shared_.w[buffer][k][out_ + n * 8], reinterpret_cast<float(&)[4]>(w[n]));
    }
  }

  __device__ static void Step(const float (&x)[kTM], const float (&w)[kTN],
                              float (&sums)[kTM][kTN]) {
#pragma unroll
    for (unsigned m = 0; m < kTM; ++m) {
#pragma unroll
      for (unsigned i = 0; i < kTN; ++i) {
        const unsigned n = m % 2 == 0 ? i : kTN - 1 - i;  // neighbours share an operand
        sums[m][n] = __fmaf_rn(x[m], w[n], sums[m][n]);
      }
    }
  }

  __device__ void MultiplySlice(unsigned buffer, float (&sums)[kTM][kTN]) const {
    float x[2][kTM];
    float w[2][kTN];
    Load(buffer, 0, x[0], w[0]);
#pragma unroll
    for (unsigned k = 0; k < kBK; ++k) {
      if (k + 1 < kBK) Load(buffer, k + 1, x[(k + 1) % 2], w[(k + 1) % 2]);
      Step(x[k % 2], w[k % 2], sums);
    }
  }

  __device__ void MultiplyRest(unsigned buffer, unsigned count, float (&sums)[kTM][kTN]) const {
    for (unsigned k = 0; k < count; ++k) {
      float x[kTM];
      float w[kTN];
      Load(buffer, k, x, w);
      Step(x, w, sums);
    }
  }

  // Whole slices by addresses that were made once; the rest of k, and rows that are not aligned,
  // element by element.
  __device__ void Fetch(unsigned k) {
    if (operands_.x_is_aligned && operands_.depth - k >= kBK) {
#pragma unroll
      for (unsigned f = 0; f < kFetchX; ++f) {
        fetched_x_[f] = *reinterpret_cast<const float4*>(x_from_[f] + k);
      }
#pragma unroll
      for (unsigned f = 0; f < kFetchW; ++f) {
        fetched_w_[f] = *reinterpret_cast<const uint4*>(
            w_from_ + (size_t{k} + f * kStepsAtOnce) * kCudaPanel);
      }
      return;
    }
#pragma unroll
    for (unsigned f = 0; f < kFetchX; ++f) {
      const unsigned four = threadIdx.x + f * kThreads;
      FetchX(x_from_[f] + k, k + four % (kBK / 4) * 4, fetched_x_[f]);
    }
#pragma unroll
    for (unsigned f = 0; f < kFetchW; ++f) {
      const unsigned step = k + threadIdx.x / (kBN / kChunk) + f * kStepsAtOnce;
      if (step >= operands_.depth) continue;
      fetched_w_[f] = *reinterpret_cast<const uint4*>(
          w_from_ + (size_t{k} + f * kStepsAtOnce) * kCudaPanel);
    }
  }

  __device__ void FetchX(const float* from, unsigned k, float4& to) const {
    to = {};
    if (k < operands_.depth) to.x = from[0];
    if (k + 1 < operands_.depth) to.y = from[1];
    if (k + 2 < operands_.depth) to.z = from[2];
    if (k + 3 < operands_.depth) to.w = from[3];
  }

  __device__ void Put(unsigned buffer) {
#pragma unroll
    for (unsigned f = 0; f < kFetchX; ++f) {
      const unsigned four = threadIdx.x + f * kThreads;
      const unsigned row = four / (kBK / 4);
      const unsigned k = four % (kBK / 4) * 4;
      shared_.x[buffer][k][row] = fetched_x_[f].x;
      shared_.x[buffer][k + 1][row] = fetched_x_[f].y;
      shared_.x[buffer][k + 2][row] = fetched_x_[f].z;
      shared_.x[buffer][k + 3][row] = fetched_x_[f].w;
    }
#pragma unroll
    for (unsigned f = 0; f < kFetchW; ++f) {
      const unsigned chunk = threadIdx.x + f * kThreads;
      float* to = &shared_.w[buffer][chunk / (kBN / kChunk)][chunk % (kBN / kChunk) * kChunk];
      const Stored* stored = reinterpret_cast<const Stored*>(&fetched_w_[f]);
#pragma unroll
      for (unsigned i = 0; i < kChunk; i += 4) {
        float four[4];
        WidenFour(stored + i, four);
        *reinterpret_cast<float4*>(to + i) = {four[0], four[1], four[2], four[3]};
      }
    }
  }

  const FloatOperands& operands_;
  Shared& shared_;
  size_t first_row_;
  size_t first_out_;
  unsigned row_;
  unsigned out_;
  const float* x_from_[kFetchX];
  const Stored* w_from_;
  float4 fetched_x_[kFetchX];
  uint4 fetched_w_[kFetchW] = {};
};

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CUDA_PLUGIN_WIDE_TILE_CUH_
