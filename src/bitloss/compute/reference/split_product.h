// Products in split arithmetic, bit for bit as the tensor cores of compute capability 9.0 and later
// compute them, in integers. The definition of what GPUs do with --arithmetic split, and what the
// CPU does with it.
//
// A step, the sum of 16 products and what was there before, is what Xie et al. (MMA-Sim, arXiv
// 2511.10909) and Khattak and Mikaitis (arXiv 2512.07004) found the hardware to do: every addend is
// cut to 25 fractional bits below the largest exponent among them (of a product: the sum of its
// factors' exponents), all are added exactly, and the sum is rounded toward zero to FP32.
//
// Halves: x = (high + low) / s with s a power of two that puts the largest magnitude that shares it
// into [2^14, 2^15); high = fp16(x s), low = fp16(x s - high), to nearest. Activations share s
// within a row's chunk of 64 columns, weights within a row.
//
// y[t][o]: part = 0 for each chunk of 64 k; then for its steps of 16 in ascending order high.high,
// high.low (weights' high halves, activations' low ones) and, if any low half of the matrix is not
// zero, low.high. section = fma(part, 1 / s of the activations, section), chunks ascending.
// Sections of 1,024 k are added in ascending order, to nearest; the total is multiplied by 1 / s of
// the weights, and the bias is added. Columns that fill the last chunk up are zeros.
//
// |y - exact| <= (6 c + 2 + K / 128) 2^-23 sum |x w|, c = 8 steps a chunk, 12 with low.high. One
// element that is not finite makes a row's outputs NaN; magnitudes past 2^100 may overflow.
#ifndef BITLOSS_COMPUTE_REFERENCE_SPLIT_PRODUCT_H_
#define BITLOSS_COMPUTE_REFERENCE_SPLIT_PRODUCT_H_

#include <cstdint>
#include <span>
#include <vector>

#include "bitloss/base/threads.h"
#include "bitloss/compute/backend.h"
#include "bitloss/tensor/dtype.h"
#include "bitloss/tensor/matrix.h"

namespace bitloss {

inline constexpr size_t kSplitStep = 16;
inline constexpr size_t kSplitChunk = 64;
inline constexpr size_t kSplitSection = 1024;

// FP16 numbers taken apart: significand * 2^(exponent - 10). Zeros have an exponent below all
// others.
struct Halves {
  std::vector<int16_t> significands;
  std::vector<int8_t> exponents;

  void Resize(size_t count);
  void Set(size_t i, F16 half);
};

// One step of the tensor cores: `sum` plus the products of elements [a_at, a_at + 16) of `a` and
// [b_at, b_at + 16) of `b`.
// Requires: all finite; sum is 0 or of magnitude [2^-100, 2^100).
float TensorCoreStep(float sum, const Halves& a, size_t a_at, const Halves& b, size_t b_at);

// Rows of halves, each filled up to whole chunks, and what their sums are multiplied by: a factor
// for each group of columns. NaN for a group that has an element that is not finite; its halves are
// zeros.
struct SplitRows {
  size_t rows = 0;
  size_t cols = 0;  // whole chunks
  Halves high;
  Halves low;
  bool has_low = false;        // some low half is not zero
  size_t groups = 1;           // of a row
  std::vector<float> factors;  // [rows][groups]
};
// A factor for each chunk.
SplitRows SplitActivations(ConstMatrixView x);
// A factor for each row.
SplitRows SplitWeights(const EncodedMatrix& weights, ThreadPool& threads);

class SplitMatrix final : public PackedMatrix {
 public:
  SplitMatrix(const EncodedMatrix& weights, ThreadPool& threads)
      : cols_(weights.cols), halves_(SplitWeights(weights, threads)) {}

  size_t out_features() const override { return halves_.rows; }
  size_t in_features() const override { return cols_; }
  size_t num_bytes() const override;
  const SplitRows& halves() const { return halves_; }

 private:
  size_t cols_;
  SplitRows halves_;
};

// y = x W^T + bias, on all threads. `bias` is empty or of W's rows.
void MultiplySplit(const SplitMatrix& weights, std::span<const float> bias, ConstMatrixView x,
                   ThreadPool& threads, MatrixView y);

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_REFERENCE_SPLIT_PRODUCT_H_
