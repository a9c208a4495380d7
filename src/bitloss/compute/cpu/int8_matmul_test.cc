#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "bitloss/compute/backend.h"
#include "bitloss/compute/compute_test_inputs.h"
#include "bitloss/compute/instruction_set.h"
#include "bitloss/compute/reference/llm_int8_reference.h"

namespace bitloss {
namespace {

Execution LlmInt8(float threshold) {
  return {.kind = Execution::Kind::kLlmInt8, .outlier_threshold = threshold};
}

// What int8_row unpacks to: integers about a zero point of 128, one scale for a row.
EncodedMatrix RandomInt8(size_t out, size_t in) {
  EncodedMatrix matrix =
      RandomCodes(out, in, {GroupedCodes::Kind::kZeroPoint, 8, in}, Scales::kAny);
  auto codes = std::make_shared<GroupedCodes>(CodesOf(matrix));
  std::ranges::fill(codes->zeros, 128.0f);
  matrix.extra =
      SharedBytes({reinterpret_cast<const std::byte*>(codes.get()), sizeof(GroupedCodes)}, codes);
  return matrix;
}

// Mostly in [-1, 1]; `num_outliers` columns hold some larger ones.
Matrix RandomActivations(size_t rows, size_t cols, size_t num_outliers) {
  Matrix x = RandomMatrix(rows, cols, "x");
  const RandomStream random(4, "outliers");
  for (size_t i = 0; i < num_outliers; ++i) {
    const size_t col = random.Bits(0, i) % cols;
    for (size_t row = random.Bits(1, i) % 3; row < rows; row += 3) x.Row(row)[col] *= 30;
  }
  return x;
}

Matrix Product(const Backend& backend, const EncodedMatrix& weights, float threshold,
               std::span<const float> bias, ConstMatrixView x, std::span<const RowRange> calls) {
  const auto packed = std::move(backend.Pack(weights, LlmInt8(threshold))).value();
  Matrix y(x.rows, weights.rows);
  backend.MatMul(*packed, AsTensor(bias), AsTensor(x), calls, AsTensor(y));
  return y;
}

// The FP32 formula of cpu/int8_matmul.h, from the reference's integers.
Matrix ProductByTheRule(const EncodedMatrix& encoded, float threshold, std::span<const float> bias,
                        ConstMatrixView x, std::span<const RowRange> calls) {
  const Int8Weights weights = std::move(UnpackInt8(encoded)).value();
  Matrix y(x.rows, encoded.rows);
  for (const RowRange& call : calls) {
    const ConstMatrixView rows = x.Rows(call.begin, call.end);
    const Int8Activations activations = QuantizeActivations(rows, threshold);
    for (size_t row = 0; row < rows.rows; ++row) {
      const float row_scale = activations.absmax[row] / 127.0f;
      for (size_t out = 0; out < encoded.rows; ++out) {
        const int32_t acc = IntegerProduct(activations, row, weights, out, x.cols);
        float sum = static_cast<float>(acc) * row_scale * weights.scales[out];
        for (const size_t col : activations.outlier_columns) {
          const float w =
              static_cast<float>(weights.codes[out * x.cols + col]) * weights.scales[out];
          sum = std::fma(rows.Row(row)[col], w, sum);
        }
        y.Row(call.begin + row)[out] = bias.empty() ? sum : sum + bias[out];
      }
    }
  }
  return y;
}

bool SameNumbers(const Matrix& a, const Matrix& b) {
  return std::ranges::equal(a.flat(), b.flat(), [](float left, float right) {
    return left == right || (std::isnan(left) && std::isnan(right));
  });
}

struct Shape {
  size_t tokens, in, out, num_outliers, rows_of_call;
};
const Shape kShapes[] = {{1, 1, 1, 0, 1},     {1, 64, 32, 2, 1},     {2, 31, 33, 1, 2},
                         {5, 70, 40, 3, 1},   {13, 130, 65, 9, 7},   {25, 97, 31, 0, 25},
                         {12, 66, 96, 66, 4}, {30, 300, 17, 200, 30}};

TEST(Int8MatMul, FollowsTheRuleToTheBitOnEveryInstructionSetAndThreadCount) {
  for (const std::string& instruction_set : CpuInstructionSets()) {
    for (const size_t num_threads : {1, 2, 3}) {
      ThreadPool threads(num_threads);
      const auto backend = std::move(MakeCpuBackend(threads, instruction_set)).value();
      for (const Shape& shape : kShapes) {
        const EncodedMatrix weights = RandomInt8(shape.out, shape.in);
        const Matrix x = RandomActivations(shape.tokens, shape.in, shape.num_outliers);
        const std::vector<float> bias = RandomVector(shape.out, "bias");
        const std::vector<RowRange> calls = Calls(shape.tokens, shape.rows_of_call);
        for (const float threshold : {0.0f, 6.0f, 0.5f}) {
          SCOPED_TRACE(testing::Message()
                       << instruction_set << ", " << shape.tokens << " x " << shape.in << " x "
                       << shape.out << ", threshold " << threshold);
          EXPECT_TRUE(SameNumbers(Product(*backend, weights, threshold, bias, x, calls),
                                  ProductByTheRule(weights, threshold, bias, x, calls)));
          EXPECT_TRUE(SameNumbers(Product(*backend, weights, threshold, {}, x, calls),
                                  ProductByTheRule(weights, threshold, {}, x, calls)));
        }
      }
    }
  }
}

TEST(Int8MatMul, AgreesWithTheReferenceWithinTheErrorOfItsRoundings) {
  ThreadPool threads(2);
  const auto cpu = std::move(MakeCpuBackend(threads)).value();
  const auto reference = MakeReferenceBackend();
  for (const Shape& shape : kShapes) {
    const EncodedMatrix encoded = RandomInt8(shape.out, shape.in);
    const Int8Weights weights = std::move(UnpackInt8(encoded)).value();
    const Matrix x = RandomActivations(shape.tokens, shape.in, shape.num_outliers);
    const std::vector<float> bias = RandomVector(shape.out, "bias");
    const std::vector<RowRange> calls = Calls(shape.tokens, shape.rows_of_call);
    const Matrix fast = Product(*cpu, encoded, 6.0f, bias, x, calls);
    const Matrix exact = Product(*reference, encoded, 6.0f, bias, x, calls);
    for (size_t row = 0; row < x.rows(); ++row) {
      for (size_t out = 0; out < shape.out; ++out) {
        // The integers are the same. Rounded: the conversion, absmax / 127, two products; for each
        // outlier its weight and its multiply-add; the bias; the reference's result.
        double magnitude = std::abs(double{bias[out]});
        for (size_t k = 0; k < shape.in; ++k) {
          magnitude += std::abs((std::abs(double{x.Row(row)[k]}) + 0.5 / 127) *
                                weights.codes[out * shape.in + k] * double{weights.scales[out]});
        }
        const double roundings = 6.0 + 2.0 * static_cast<double>(shape.num_outliers);
        ASSERT_NEAR(fast.Row(row)[out], exact.Row(row)[out], roundings * kEpsilon * magnitude);
      }
    }
  }
}

TEST(Int8MatMul, GivesACallTheSameBitsInAnyBatch) {
  ThreadPool threads(2);
  const auto backend = std::move(MakeCpuBackend(threads)).value();
  const EncodedMatrix weights = RandomInt8(70, 90);
  const Matrix x = RandomActivations(40, 90, 5);
  const std::vector<RowRange> calls = Calls(40, 9);
  const Matrix all = Product(*backend, weights, 6.0f, {}, x, calls);
  for (const RowRange& call : calls) {
    const Matrix alone = Product(*backend, weights, 6.0f, {}, x.view().Rows(call.begin, call.end),
                                 Calls(call.size(), call.size()));
    for (size_t row = 0; row < call.size(); ++row) {
      EXPECT_TRUE(std::ranges::equal(alone.Row(row), all.Row(call.begin + row)));
    }
  }
}

TEST(Int8MatMul, GivesTheSameBitsWhenMatricesShareTheirInput) {
  ThreadPool threads(2);
  const auto backend = std::move(MakeCpuBackend(threads)).value();
  const Matrix x = RandomActivations(40, 90, 5);
  const std::vector<RowRange> calls = Calls(40, 9);
  const std::vector<float> bias = RandomVector(70, "bias");
  // Of one threshold, and of two, which share nothing.
  for (const float other_threshold : {6.0f, 0.5f}) {
    const auto wide = std::move(backend->Pack(RandomInt8(70, 90), LlmInt8(6.0f))).value();
    const auto narrow =
        std::move(backend->Pack(RandomInt8(33, 90), LlmInt8(other_threshold))).value();
    Matrix y_wide(40, 70), y_narrow(40, 33);
    const Backend::Product products[] = {{wide.get(), AsTensor(bias), AsTensor(y_wide)},
                                         {narrow.get(), {}, AsTensor(y_narrow)}};
    backend->MatMuls(products, AsTensor(x), calls);
    EXPECT_TRUE(SameNumbers(y_wide, Product(*backend, RandomInt8(70, 90), 6.0f, bias, x, calls)));
    EXPECT_TRUE(SameNumbers(y_narrow,
                            Product(*backend, RandomInt8(33, 90), other_threshold, {}, x, calls)));
  }
}

TEST(Int8MatMul, MakesRowsThatItCannotRepresentNan) {
  ThreadPool threads(1);
  const EncodedMatrix weights = RandomInt8(33, 40);
  Matrix x = RandomActivations(4, 40, 0);
  x.Row(1)[3] = std::numeric_limits<float>::quiet_NaN();
  x.Row(2)[20] = 1e6f;  // beyond FP16: an outlier, if there are any
  const std::vector<RowRange> calls = Calls(4, 1);
  for (const std::string& instruction_set : CpuInstructionSets()) {
    const auto backend = std::move(MakeCpuBackend(threads, instruction_set)).value();
    for (const float threshold : {0.0f, 6.0f}) {
      const Matrix y = Product(*backend, weights, threshold, {}, x, calls);
      EXPECT_TRUE(SameNumbers(y, ProductByTheRule(weights, threshold, {}, x, calls)));
      for (size_t row = 0; row < 4; ++row) {
        const bool is_nan = row == 1 || (row == 2 && threshold == 0.0f);
        EXPECT_EQ(std::isnan(y.Row(row)[0]), is_nan) << "row " << row;
      }
    }
  }
}

TEST(Int8MatMul, RefusesWeightsWithoutOneScaleForARow) {
  ThreadPool threads(1);
  const auto backend = std::move(MakeCpuBackend(threads)).value();
  const EncodedMatrix weights =
      RandomCodes(4, 64, {GroupedCodes::Kind::kZeroPoint, 8, 32}, Scales::kAny);
  const auto packed = backend->Pack(weights, LlmInt8(6.0f));
  ASSERT_FALSE(packed.ok());
  EXPECT_EQ(packed.error().kind, ErrorKind::kUnsupported);
  EXPECT_FALSE(MakeReferenceBackend()->Pack(weights, LlmInt8(6.0f)).ok());
}

}  // namespace
}  // namespace bitloss
