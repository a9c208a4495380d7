#include "bitloss/compute/reference/split_product.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "bitloss/base/check.h"

namespace bitloss {
namespace {

constexpr int kFractionBits = 25;  // below the largest exponent of a step
constexpr int8_t kExponentOfZero = -100;

// 2^exponent. Requires: a normal number.
float PowerOfTwo(int exponent) {
  return std::bit_cast<float>(static_cast<uint32_t>(exponent + 127) << 23);
}

// The exponent of the scale for magnitudes up to `top`: such that scale and 1 / scale are normal.
int ScaleExponent(float top) {
  if (top == 0) return 0;
  return std::min(14 - std::ilogb(top), 126);
}

// values * 2^e as halves from element `at` on; returns the factor 2^-e.
float SplitGroup(std::span<const float> values, size_t at, SplitRows& rows) {
  float top = 0;
  bool finite = true;
  for (const float value : values) {
    finite &= std::isfinite(value);
    top = std::max(top, std::fabs(value));
  }
  const int exponent = finite ? ScaleExponent(top) : 0;
  const float scale = PowerOfTwo(exponent);
  for (size_t i = 0; i < values.size(); ++i) {
    const float scaled = finite ? values[i] * scale : 0.0f;
    const F16 high = RoundToF16(scaled);
    rows.high.Set(at + i, high);
    rows.low.Set(at + i, RoundToF16(scaled - ToFloat(high)));
  }
  return finite ? PowerOfTwo(-exponent) : std::numeric_limits<float>::quiet_NaN();
}

SplitRows MakeRows(size_t rows, size_t cols) {
  SplitRows split;
  split.rows = rows;
  split.cols = (cols + kSplitChunk - 1) / kSplitChunk * kSplitChunk;
  split.high.Resize(rows * split.cols);
  split.low.Resize(rows * split.cols);
  return split;
}

// `magnitude` * 2^exponent, cut to 24 bits. Requires: a normal number, or zero.
float TowardZero(uint64_t magnitude, int exponent) {
  const int excess = std::max(static_cast<int>(std::bit_width(magnitude)) - 24, 0);
  return static_cast<float>(magnitude >> excess) * PowerOfTwo(exponent + excess);
}

}  // namespace

void Halves::Resize(size_t count) {
  significands.assign(count, 0);
  exponents.assign(count, kExponentOfZero);
}

void Halves::Set(size_t i, F16 half) {
  const int field = half.bits >> 10 & 0x1f;
  const int fraction = half.bits & 0x3ff;
  const int significand = field == 0 ? fraction : fraction | 0x400;
  significands[i] = static_cast<int16_t>((half.bits & 0x8000) != 0 ? -significand : significand);
  exponents[i] = significand == 0 ? kExponentOfZero : static_cast<int8_t>(std::max(field, 1) - 15);
}

float TensorCoreStep(float sum, const Halves& a, size_t a_at, const Halves& b, size_t b_at) {
  const uint32_t sum_bits = std::bit_cast<uint32_t>(sum);
  const int sum_exponent = sum == 0 ? -2 * 100 : static_cast<int>(sum_bits >> 23 & 0xff) - 127;
  std::array<int32_t, kSplitStep> products;
  std::array<int32_t, kSplitStep> exponents;
  int32_t top = sum_exponent;
  for (size_t i = 0; i < kSplitStep; ++i) {
    products[i] = int32_t{a.significands[a_at + i]} * b.significands[b_at + i];
    exponents[i] = a.exponents[a_at + i] + b.exponents[b_at + i];
    top = std::max(top, exponents[i]);
  }
  // In units of 2^(top - 25), where a product's significand has 20 fractional bits, the sum's 23.
  const uint32_t significand = sum == 0 ? 0 : (sum_bits & 0x7fffff) | 0x800000;
  const int64_t kept = (significand << 2) >> std::min(top - sum_exponent, 31);
  int64_t total = (sum_bits >> 31) != 0 ? -kept : kept;
  for (size_t i = 0; i < kSplitStep; ++i) {
    const auto magnitude = static_cast<uint32_t>(std::abs(products[i])) << (kFractionBits - 20);
    const auto cut = static_cast<int32_t>(magnitude >> std::min(top - exponents[i], 31));
    total += products[i] < 0 ? -cut : cut;
  }
  if (total == 0) return 0;
  const float result = TowardZero(static_cast<uint64_t>(std::abs(total)), top - kFractionBits);
  return total < 0 ? -result : result;
}

SplitRows SplitActivations(ConstMatrixView x) {
  SplitRows split = MakeRows(x.rows, x.cols);
  split.groups = split.cols / kSplitChunk;
  split.has_low = true;
  for (size_t row = 0; row < x.rows; ++row) {
    for (size_t at = 0; at < x.cols; at += kSplitChunk) {
      const auto values = x.Row(row).subspan(at, std::min(kSplitChunk, x.cols - at));
      split.factors.push_back(SplitGroup(values, row * split.cols + at, split));
    }
  }
  return split;
}

SplitRows SplitWeights(const EncodedMatrix& weights, ThreadPool& threads) {
  SplitRows split = MakeRows(weights.rows, weights.cols);
  split.factors.resize(weights.rows);
  threads.ForEachPart(weights.rows, [&](size_t row, size_t) {
    std::vector<float> values(weights.cols);
    weights.format.decode(weights, row, 0, values);
    split.factors[row] = SplitGroup(values, row * split.cols, split);
  });
  split.has_low = std::ranges::any_of(split.low.significands, [](int16_t low) { return low != 0; });
  return split;
}

size_t SplitMatrix::num_bytes() const {
  return halves_.high.significands.size() * 2 * (sizeof(int16_t) + sizeof(int8_t)) +
         halves_.factors.size() * sizeof(float);
}

namespace {

// Of a row of activations and one of weights.
float Dot(const SplitRows& x, size_t row, const SplitRows& weights, size_t out) {
  const size_t x_at = row * x.cols;
  const size_t w_at = out * weights.cols;
  float total = 0;
  float section = 0;
  for (size_t k = 0; k < x.cols; k += kSplitChunk) {
    float part = 0;
    for (size_t i = k; i < k + kSplitChunk; i += kSplitStep) {
      part = TensorCoreStep(part, weights.high, w_at + i, x.high, x_at + i);
      part = TensorCoreStep(part, weights.high, w_at + i, x.low, x_at + i);
      if (weights.has_low) part = TensorCoreStep(part, weights.low, w_at + i, x.high, x_at + i);
    }
    section = std::fma(part, x.factors[row * x.groups + k / kSplitChunk], section);
    const size_t end = k + kSplitChunk;
    if (end % kSplitSection != 0 && end != x.cols) continue;
    total = end <= kSplitSection ? section : total + section;
    section = 0;
  }
  return total * weights.factors[out];
}

}  // namespace

void MultiplySplit(const SplitMatrix& weights, std::span<const float> bias, ConstMatrixView x,
                   ThreadPool& threads, MatrixView y) {
  BITLOSS_CHECK(x.cols == weights.in_features() && y.cols == weights.out_features());
  const SplitRows halves = SplitActivations(x);
  threads.ForEachPart(y.cols, [&](size_t out, size_t) {
    for (size_t row = 0; row < y.rows; ++row) {
      const float dot = Dot(halves, row, weights.halves(), out);
      y.Row(row)[out] = bias.empty() ? dot : dot + bias[out];
    }
  });
}

}  // namespace bitloss
