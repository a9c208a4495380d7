// Split products: a step by hand, the bound that the header promises, and what is not ordinary. As
// the CPU backend computes them with --arithmetic split.
#include "bitloss/compute/reference/split_product.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "bitloss/compute/compute_test_inputs.h"
#include "bitloss/compute/cpu/cpu_backend.h"

namespace bitloss {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

Halves HalvesOf(std::initializer_list<float> values) {
  Halves halves;
  halves.Resize(kSplitStep);
  size_t i = 0;
  for (const float value : values) halves.Set(i++, RoundToF16(value));
  return halves;
}

// `sum` plus the products of two short lists.
float Step(float sum, std::initializer_list<float> a, std::initializer_list<float> b) {
  return TensorCoreStep(sum, HalvesOf(a), 0, HalvesOf(b), 0);
}

TEST(TensorCoreStep, AddsExactlyWhatFits) {
  EXPECT_EQ(Step(0, {3, -2, 0.5f}, {5, 4, 0.25f}), 7.125f);
  EXPECT_EQ(Step(-7.125f, {3, -2, 0.5f}, {5, 4, 0.25f}), 0.0f);
  EXPECT_FALSE(std::signbit(Step(-6, {3}, {2})));
  EXPECT_EQ(Step(1.5f, {0, 0}, {3, -4}), 1.5f);
  EXPECT_EQ(Step(0, {}, {}), 0.0f);
}

TEST(TensorCoreStep, CutsAddendsTwentyFiveBitsBelowTheLargestExponent) {
  // 2^-25 is kept and makes the sum fall below 1; 2^-26 is not there.
  EXPECT_EQ(Step(1, {-0x1p-13f}, {0x1p-12f}), 1 - 0x1p-24f);
  EXPECT_EQ(Step(1, {-0x1p-13f}, {0x1p-13f}), 1.0f);
  // The cut is toward zero: 1.5 * 2^-25 is 2^-25, and two of them are 2^-24, not 3 * 2^-25.
  EXPECT_EQ(Step(-1, {1.5f * 0x1p-13f, 1.5f * 0x1p-13f}, {0x1p-12f, 0x1p-12f}), -1 + 0x1p-24f);
  // A product counts by its factors' exponents, though 1.5 * 1.5 is above 2: 2^-25 is still kept.
  EXPECT_EQ(Step(-0x1p-25f, {1.5f}, {1.5f}), std::nextafter(2.25f, 0.0f));
  // A zero has no exponent that others are held against.
  EXPECT_EQ(Step(0, {0, 0x1p-24f}, {0x1p15f, 0x1p-24f}), 0x1p-48f);
}

TEST(TensorCoreStep, RoundsTowardZero) {
  EXPECT_EQ(Step(1, {0x1p-12f}, {0x1.8p-12f}), 1.0f);  // 1 + 0.75 units
  EXPECT_EQ(Step(-1, {-0x1p-12f}, {0x1.8p-12f}), -1.0f);
  EXPECT_EQ(Step(1, {0x1p-11f}, {0x1.cp-12f}), 1 + 0x1p-23f);  // 1 + 1.75 units
}

TEST(TensorCoreStep, TakesSubnormalHalves) {
  // Their exponent is -14, so 3 * 2^-24 counts as an addend of 2^-14 and 2^-39 is the last bit
  // kept.
  EXPECT_EQ(Step(0, {0x3p-24f, 0x1p-15f}, {-1, 0x1p-24f}), -0x3p-24f + 0x1p-39f);
  EXPECT_EQ(Step(0, {0x3p-24f, 0x1p-16f}, {-1, 0x1p-24f}), -0x3p-24f);
}

class SplitProduct : public ::testing::Test {
 protected:
  Matrix Multiply(const EncodedMatrix& weights, ConstMatrixView x,
                  std::span<const float> bias = {}) const {
    const auto packed = backend_->Pack(weights, {}).value();
    Matrix y(x.rows, weights.rows);
    const RowRange call{0, x.rows};
    backend_->MatMul(*packed, AsTensor(bias), AsTensor(x), {&call, 1}, AsTensor(y));
    return y;
  }

  ThreadPool threads_{2};
  const std::unique_ptr<Backend> backend_ = MakeCpuBackend(threads_, Arithmetic::kSplit).value();
  const std::unique_ptr<Backend> exact_ = MakeCpuBackend(threads_, Arithmetic::kExact).value();
};

EncodedMatrix Encode(std::string_view name, const Matrix& weights) {
  return EncodeEqually(ParseFormat(name).value(), weights);
}

// Sums of twelve uniform numbers, nearly normal.
Matrix NormalMatrix(size_t rows, size_t cols, float scale, std::string_view name) {
  const RandomStream random(1, name);
  Matrix matrix(rows, cols);
  for (size_t i = 0; i < rows * cols; ++i) {
    double sum = -6;
    for (uint64_t j = 0; j < 12; ++j) sum += random.Uniform(i, j);
    matrix.flat()[i] = scale * static_cast<float>(sum);
  }
  return matrix;
}

struct Errors {
  double worst_of_bound = 0;  // |y - exact| / bound
  double square = 0;
};
Errors ErrorsOf(const Matrix& y, const Matrix& x, const EncodedMatrix& weights, double steps) {
  Errors errors;
  const auto k = static_cast<double>(x.cols());
  std::vector<float> row(x.cols());
  for (size_t out = 0; out < weights.rows; ++out) {
    weights.format.decode(weights, out, 0, row);
    for (size_t token = 0; token < x.rows(); ++token) {
      double exact = 0, magnitude = 0;
      for (size_t i = 0; i < x.cols(); ++i) {
        const double term = double{x.Row(token)[i]} * double{row[i]};
        exact += term;
        magnitude += std::fabs(term);
      }
      const double error = std::fabs(double{y.Row(token)[out]} - exact);
      errors.square += error * error;
      errors.worst_of_bound = std::max(errors.worst_of_bound,
                                       error / ((6 * steps + 2 + k / 128) * 0x1p-23 * magnitude));
    }
  }
  return errors;
}

TEST_F(SplitProduct, StaysWithinItsBoundAndNearerThanChainsOfFp32) {
  for (const size_t k : {size_t{64}, size_t{100}, size_t{896}, size_t{4864}}) {
    for (const std::string kind : {"normal", "outliers", "one-signed"}) {
      Matrix x = NormalMatrix(6, k, 1.0f, "x");
      for (size_t i = 0; i < x.flat().size(); ++i) {
        if (kind == "outliers" && i % 97 == 0) x.flat()[i] *= 100.0f;
        if (kind == "one-signed") x.flat()[i] = std::fabs(x.flat()[i]);
      }
      Matrix w = NormalMatrix(12, k, 0.02f, "w");
      for (float& value : w.flat()) {
        if (kind == "one-signed") value = std::fabs(value);
      }
      for (const std::string format : {"f16", "nf4"}) {
        const EncodedMatrix weights = Encode(format, w);
        const Errors split = ErrorsOf(Multiply(weights, x), x, weights, format == "f16" ? 8 : 12);
        EXPECT_GT(split.worst_of_bound, 0);
        EXPECT_LT(split.worst_of_bound, 1) << kind << " " << format << " " << k;
        if (k < 896) continue;
        Matrix y(6, 12);
        const RowRange call{0, 6};
        exact_->MatMul(*exact_->Pack(weights, {}).value(), {}, AsTensor(x), {&call, 1},
                       AsTensor(y));
        EXPECT_LT(split.square, ErrorsOf(y, x, weights, 8).square) << kind << " " << format << k;
      }
    }
  }
}

TEST_F(SplitProduct, TakesEveryFormat) {
  const Matrix x = NormalMatrix(2, 512, 1.0f, "x");
  const Matrix w = Decode(Encode("f16", NormalMatrix(3, 512, 0.02f, "w")));
  for (const FormatFamily& family : FormatFamilies()) {
    const EncodedMatrix weights = Encode(family.name, w);
    EXPECT_LT(ErrorsOf(Multiply(weights, x), x, weights, 12).worst_of_bound, 1) << family.name;
  }
}

TEST_F(SplitProduct, IsExactWhereNothingIsLost) {
  const Matrix x = IntegerMatrix(5, 1100, "x");
  const Matrix w = IntegerMatrix(7, 1100, "w");
  const std::vector<float> bias = RandomVector(7, "bias");
  const Matrix y = Multiply(Encode("f16", w), x, bias);
  for (size_t row = 0; row < 5; ++row) {
    for (size_t out = 0; out < 7; ++out) {
      double sum = 0;
      for (size_t i = 0; i < 1100; ++i) sum += double{x.Row(row)[i]} * double{w.Row(out)[i]};
      EXPECT_EQ(y.Row(row)[out], static_cast<float>(sum) + bias[out]);
    }
  }
}

TEST_F(SplitProduct, WeightsOfSixteenBitsHaveNoLowHalves) {
  Matrix w = NormalMatrix(4, 70, 0.02f, "w");
  w.Row(1)[3] = 1e-7f;  // subnormal in FP16
  w.Row(2)[5] = 3e-30f;
  EXPECT_FALSE(SplitWeights(Encode("f16", w), threads_).has_low);
  EXPECT_FALSE(SplitWeights(Encode("bf16", w), threads_).has_low);
  EXPECT_TRUE(SplitWeights(Encode("f32", w), threads_).has_low);
  EXPECT_TRUE(SplitWeights(Encode("nf4", w), threads_).has_low);
}

TEST_F(SplitProduct, TakesLargeAndSmallMagnitudes) {
  Matrix w(2, 64);
  for (float& value : w.flat()) value = 0.5f;
  const EncodedMatrix weights = Encode("f32", w);
  Matrix x(6, 64);
  for (float& value : x.flat()) value = 0.0f;
  x.Row(1)[7] = 0x1p100f;
  x.Row(2)[7] = 0x1p-126f;
  x.Row(3)[7] = std::numeric_limits<float>::denorm_min() * 6;
  x.Row(4)[7] = 1e20f;
  x.Row(4)[8] = 1.0f;  // nothing beside the other
  x.Row(5)[7] = 1e4f;
  x.Row(5)[8] = 0x1p-10f;
  const Matrix y = Multiply(weights, x);
  EXPECT_EQ(std::bit_cast<uint32_t>(y.Row(0)[0]), 0u);
  EXPECT_EQ(y.Row(1)[1], 0x1p99f);
  EXPECT_EQ(y.Row(2)[0], 0x1p-127f);
  EXPECT_EQ(y.Row(3)[0], std::numeric_limits<float>::denorm_min() * 3);
  EXPECT_EQ(y.Row(4)[0], 0.5e20f);
  EXPECT_EQ(y.Row(5)[0], 5000.0f + 0x1p-11f);
}

TEST_F(SplitProduct, WhatIsNotFiniteMakesItsRowsNaN) {
  Matrix x = RandomMatrix(4, 130, "x");
  x.Row(1)[129] = kInfinity;
  x.Row(2)[0] = std::numeric_limits<float>::quiet_NaN();
  const Matrix y = Multiply(Encode("f32", RandomMatrix(3, 130, "w")), x);
  for (size_t row = 0; row < 4; ++row) {
    for (size_t out = 0; out < 3; ++out) {
      EXPECT_EQ(std::isnan(y.Row(row)[out]), row == 1 || row == 2) << row << out;
    }
  }
}

}  // namespace
}  // namespace bitloss
