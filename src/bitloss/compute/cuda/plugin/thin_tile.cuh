// A tile of a product of floats for few rows (decoding), where there is too little to do for the
// device's threads and what counts is how soon a chain of multiply-adds has its next operands.
//
// Slices of kBK steps travel into shared memory as they lie, kStages of them at once. While one is
// multiplied, the weights of the next become floats; within one, four steps' operands are read
// while the four before are multiplied. A warp is kLM x 32 / kLM threads; each has kTM rows, kLM
// apart, and four neighbouring outputs.
#ifndef BITLOSS_COMPUTE_CUDA_PLUGIN_THIN_TILE_CUH_
#define BITLOSS_COMPUTE_CUDA_PLUGIN_THIN_TILE_CUH_

#include <cuda_pipeline_primitives.h>

#include "bitloss/compute/cuda/plugin/float_operands.cuh"

namespace bitloss {

// kWM x kWN warps.
template <unsigned kWM_, unsigned kWN_, unsigned kTM_, unsigned kLM_>
struct ThinSize {
  static constexpr unsigned kWM = kWM_, kWN = kWN_, kTM = kTM_, kLM = kLM_;
  static constexpr unsigned kTN = 4, kBK = 32, kStages = 4;
  static constexpr unsigned kBlocks = 1;
  static constexpr unsigned kBM = kWM * kLM * kTM, kBN = kWN * (32 / kLM) * kTN;
  static constexpr unsigned kThreads = kWM * kWN * 32;
};

template <class Stored, class Size>
class ThinTile {
 public:
  static constexpr unsigned kBM = Size::kBM, kBN = Size::kBN, kBK = Size::kBK;
  static constexpr unsigned kTM = Size::kTM, kTN = Size::kTN, kThreads = Size::kThreads;
  static constexpr unsigned kStages = Size::kStages;

  struct Shared {
    float x[kStages][kBM][kBK + 4];
    Stored stored[kStages][kBK][kBN];
    float w[2][kBK][kBN];
  };

  __device__ ThinTile(const FloatOperands& operands, const FloatWeights<Stored>& weights,
                      size_t first_row, size_t first_out, Shared& shared)
      : operands_(operands),
        shared_(shared),
        first_row_(first_row),
        first_out_(first_out),
        row_(threadIdx.x / 32 / Size::kWN * (Size::kLM * kTM) + threadIdx.x % 32 / kLN),
        out_(threadIdx.x / 32 % Size::kWN * (kLN * kTN) + threadIdx.x % kLN * kTN) {
    // What lies beyond the last row or output is read from where there is something: no sum that
    // is stored sees it.
#pragma unroll
    for (unsigned f = 0; f < kSendX; ++f) {
      const unsigned four = threadIdx.x + f * kThreads;
      const size_t row = min(first_row + four / (kBK / 4), operands.rows - 1);
      x_from_[f] = operands.x + row * operands.x_stride + four % (kBK / 4) * 4;
    }
    const size_t out = first_out + threadIdx.x % (kBN / kChunk) * kChunk;
    w_from_ = weights.At(operands.depth, threadIdx.x / (kBN / kChunk),
                         out < weights.outputs_end ? out : 0);
  }

  __device__ size_t Row(unsigned m) const { return first_row_ + row_ + m * Size::kLM; }
  __device__ size_t Output(unsigned n) const { return first_out_ + out_ + n; }

  __device__ void Run(float (&sums)[kTM][kTN]) {
    const unsigned slices = (operands_.depth + kBK - 1) / kBK;
    for (unsigned slice = 0; slice + 1 < kStages; ++slice) Send(slice, slices);
    __pipeline_wait_prior(kStages - 2);
    __syncthreads();
    Widen(0);
    for (unsigned slice = 0; slice < slices; ++slice) {
      __pipeline_wait_prior(kStages - 3);
      __syncthreads();  // the next has come, this one is floats, all are through with the last
      Send(slice + kStages - 1, slices);
      if (slice + 1 < slices) Widen(slice + 1);
      const unsigned rest = operands_.depth - slice * kBK;
      if (rest >= kBK) {
        MultiplySlice(slice, sums);
      } else {
        MultiplyRest(slice, rest, sums);
      }
    }
  }

 private:
  static constexpr unsigned kLN = 32 / Size::kLM;
  static constexpr unsigned kChunk = 16 / sizeof(Stored);  // weights that travel at once
  static constexpr unsigned kFoursOfX = kBM * kBK / 4;
  static constexpr unsigned kSendX = (kFoursOfX + kThreads - 1) / kThreads;
  static constexpr unsigned kStepsAtOnce = kThreads / (kBN / kChunk);
  static_assert(kThreads % (kBN / kChunk) == 0 && kBK % kStepsAtOnce == 0 && kStages > 3 &&
                kBK * kBN % (4 * kThreads) == 0);

  struct FourSteps {
    float4 x[kTM];
    float w[4][kTN];
  };

  __device__ void Widen(unsigned slice) const {
    constexpr unsigned kFours = kBK * kBN / 4;
#pragma unroll
    for (unsigned four = 0; four < kFours; four += kThreads) {
      const unsigned i = (four + threadIdx.x) * 4;
      float w[4];
      WidenFour(&shared_.stored[slice % kStages][0][0] + i, w);
      *reinterpret_cast<float4*>(&shared_.w[slice % 2][0][0] + i) = {w[0], w[1], w[2], w[3]};
    }
  }

  __device__ void Load(unsigned slice, unsigned k, FourSteps& steps) const {
#pragma unroll
    for (unsigned m = 0; m < kTM; ++m) {
      steps.x[m] =
          *reinterpret_cast<const float4*>(&shared_.x[slice % kStages][row_ + m * Size::kLM][k]);
    }
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) WidenFour(&shared_.w[slice % 2][k + i][out_], steps.w[i]);
  }

  __device__ static void Multiply(const FourSteps& steps, float (&sums)[kTM][kTN]) {
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) {
#pragma unroll
      for (unsigned m = 0; m < kTM; ++m) {
        const float4& four = steps.x[m];
        const float x = i == 0 ? four.x : i == 1 ? four.y : i == 2 ? four.z : four.w;
#pragma unroll
        for (unsigned n = 0; n < kTN; ++n) {
          sums[m][n] = __fmaf_rn(x, steps.w[i][n], sums[m][n]);
        }
      }
    }
  }

  __device__ void MultiplySlice(unsigned slice, float (&sums)[kTM][kTN]) const {
    FourSteps steps[2];
    Load(slice, 0, steps[0]);
#pragma unroll
    for (unsigned k = 0; k < kBK; k += 4) {
      if (k + 4 < kBK) Load(slice, k + 4, steps[(k / 4 + 1) % 2]);
      Multiply(steps[k / 4 % 2], sums);
    }
  }

  __device__ void MultiplyRest(unsigned slice, unsigned count, float (&sums)[kTM][kTN]) const {
    for (unsigned k = 0; k < count; ++k) {
      float w[kTN];
      WidenFour(&shared_.w[slice % 2][k][out_], w);
#pragma unroll
      for (unsigned m = 0; m < kTM; ++m) {
        const float x = shared_.x[slice % kStages][row_ + m * Size::kLM][k];
#pragma unroll
        for (unsigned n = 0; n < kTN; ++n) sums[m][n] = __fmaf_rn(x, w[n], sums[m][n]);
      }
    }
  }

  // Slices beyond the last are empty, so that the number of those on their way stays the same.
  __device__ void Send(unsigned slice, unsigned slices) const {
    if (slice < slices) {
      const unsigned k = slice * kBK;
      const unsigned stage = slice % kStages;
      if (operands_.x_is_aligned && operands_.depth - k >= kBK) {
        SendWhole(k, stage);
      } else {
        SendRest(k, stage);
      }
    }
    __pipeline_commit();
  }

  __device__ void SendWhole(unsigned k, unsigned stage) const {
#pragma unroll
    for (unsigned f = 0; f < kSendX; ++f) {
      const unsigned four = threadIdx.x + f * kThreads;
      if (kFoursOfX % kThreads != 0 && four >= kFoursOfX) break;
      __pipeline_memcpy_async(&shared_.x[stage][four / (kBK / 4)][four % (kBK / 4) * 4],
                              x_from_[f] + k, 16);
    }
#pragma unroll
    for (unsigned s = 0; s < kBK; s += kStepsAtOnce) SendW(k, s, stage);
  }

  // Steps beyond the last stay what they are: no sum sees them.
  __device__ void SendRest(unsigned k, unsigned stage) const {
#pragma unroll 1
    for (unsigned f = 0; f < kSendX; ++f) {
      const unsigned four = threadIdx.x + f * kThreads;
      if (four >= kFoursOfX) break;
      float* to = &shared_.x[stage][four / (kBK / 4)][four % (kBK / 4) * 4];
#pragma unroll 1
      for (unsigned i = 0; i < 4 && k + four % (kBK / 4) * 4 + i < operands_.depth; ++i) {
        __pipeline_memcpy_async(to + i, x_from_[f] + k + i, 4);
      }
    }
#pragma unroll 1
    for (unsigned s = 0; s < kBK; s += kStepsAtOnce) {
      if (k + s + threadIdx.x / (kBN / kChunk) < operands_.depth) SendW(k, s, stage);
    }
  }

  __device__ void SendW(unsigned k, unsigned s, unsigned stage) const {
    __pipeline_memcpy_async(&shared_.stored[stage][threadIdx.x / (kBN / kChunk) + s]
                                      [threadIdx.x % (kBN / kChunk) * kChunk],
                            w_from_ + size_t{k + s} * kCudaPanel, 16);
  }

  const FloatOperands& operands_;
  Shared& shared_;
  size_t first_row_;
  size_t first_out_;
  unsigned row_;
  unsigned out_;
  const float* x_from_[kSendX];
  const Stored* w_from_;
};

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CUDA_PLUGIN_THIN_TILE_CUH_
