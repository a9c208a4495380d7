#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "bitloss/compute/backend.h"
#include "bitloss/compute/compute_test_inputs.h"
#include "bitloss/compute/reference/llm_int8_reference.h"
#include "bitloss/quant/format.h"

namespace bitloss {
namespace {

Matrix MatrixOf(size_t rows, size_t cols, std::vector<float> values) {
  Matrix matrix(rows, cols);
  std::copy(values.begin(), values.end(), matrix.flat().begin());
  return matrix;
}

TEST(ReferenceBackend, MultipliesRowsByRows) {
  const auto backend = MakeReferenceBackend();
  const Matrix weights = MatrixOf(2, 3, {1, 2, 3, 4, 5, 6});
  const auto encoded = std::move(F32Format().encode(F32Format(), weights)).value();
  const auto packed = std::move(backend->Pack(encoded, Execution{})).value();
  const Matrix x = MatrixOf(2, 3, {1, 0, -1, 2, 2, 2});
  const std::vector<float> bias = {0.5f, -0.5f};
  Matrix y(2, 2);
  backend->MatMul(*packed, AsTensor(bias), AsTensor(x), Calls(2, 2), AsTensor(y));
  EXPECT_EQ(std::vector<float>(y.flat().begin(), y.flat().end()),
            (std::vector<float>{-1.5f, -2.5f, 12.5f, 29.5f}));
}

// One key weighs e^(ln 3) = 3 times the other.
TEST(ReferenceBackend, WeighsValuesBySoftmax) {
  const auto backend = MakeReferenceBackend();
  const float q = std::log(3.0f) * std::sqrt(2.0f);
  const Matrix queries = MatrixOf(2, 2, {9, 9, q, 0});
  const Matrix keys = MatrixOf(2, 2, {0, 0, 1, 0});
  const Matrix values = MatrixOf(2, 2, {4, 8, 8, 0});
  const AttentionSequence sequence = {
      .rows = {0, 2}, .first_position = 0, .keys = AsTensor(keys), .values = AsTensor(values)};
  Matrix out(2, 2);
  backend->Attention({.num_heads = 1, .num_kv_heads = 1, .head_dim = 2}, AsTensor(queries),
                     {&sequence, 1}, AsTensor(out));
  EXPECT_EQ(out.Row(0)[0], 4.0f);  // the first token sees itself only
  EXPECT_EQ(out.Row(0)[1], 8.0f);
  EXPECT_NEAR(out.Row(1)[0], 7.0, 1e-6);  // (4 + 3 * 8) / 4
  EXPECT_NEAR(out.Row(1)[1], 2.0, 1e-6);  // (8 + 3 * 0) / 4
}

// silu(1) = 1 / (1 + e^-1) = 0.7310586
TEST(ReferenceBackend, GatesBySilu) {
  const auto backend = MakeReferenceBackend();
  Matrix out(1, 2);
  const Matrix gate = MatrixOf(1, 2, {1, 0});
  const Matrix up = MatrixOf(1, 2, {2, 5});
  backend->Gate({}, AsTensor(gate), AsTensor(up), AsTensor(out));
  EXPECT_FLOAT_EQ(out.Row(0)[0], 1.4621172f);
  EXPECT_EQ(out.Row(0)[1], 0.0f);
}

// ---- LLM.int8: the example of X = [1, -2, 8, 0.5],
// W = [[0.5, -0.25, 0.1, 1], [0.2, 0.4, -0.3, -0.1]], computed with bitsandbytes' formulas.

Int8Weights WorkedWeights() {
  return {.codes = {64, -32, 13, 127, 64, 127, -95, -32},
          .scales = {1.0f / 127, 0.39990234375f / 127}};
}

TEST(LlmInt8Reference, MatchesTheWorkedExampleWithoutOutliers) {
  const Matrix x = MatrixOf(1, 4, {1, -2, 8, 0.5});
  const Int8Activations activations = QuantizeActivations(x, 0.0f);
  EXPECT_EQ(activations.absmax, std::vector<float>{8.0f});
  EXPECT_EQ(activations.codes, (std::vector<int8_t>{16, -32, 127, 8}));
  EXPECT_TRUE(activations.outlier_columns.empty());
  EXPECT_EQ(IntegerProduct(activations, 0, WorkedWeights(), 0, 4), 4715);
  EXPECT_EQ(IntegerProduct(activations, 0, WorkedWeights(), 1, 4), -15361);
  Matrix y(1, 2);
  LlmInt8MatMul(WorkedWeights(), 0.0f, {}, x, y);
  // The example's results are rounded to FP16, which has steps of 2^-9 here.
  EXPECT_NEAR(y.Row(0)[0], 2.3379, 0x1p-10 + 5e-5);
  EXPECT_NEAR(y.Row(0)[1], -3.0469, 0x1p-10 + 5e-5);
}

TEST(LlmInt8Reference, MatchesTheWorkedExampleWithOneOutlierColumn) {
  const Matrix x = MatrixOf(1, 4, {1, -2, 8, 0.5});
  const Int8Activations activations = QuantizeActivations(x, 6.0f);
  EXPECT_EQ(activations.absmax, std::vector<float>{2.0f});
  EXPECT_EQ(activations.codes, (std::vector<int8_t>{64, -127, 0, 32}));
  EXPECT_EQ(activations.outlier_columns, std::vector<size_t>{2});
  EXPECT_EQ(IntegerProduct(activations, 0, WorkedWeights(), 0, 4), 12224);
  EXPECT_EQ(IntegerProduct(activations, 0, WorkedWeights(), 1, 4), -13057);
  Matrix y(1, 2);
  LlmInt8MatMul(WorkedWeights(), 6.0f, {}, x, y);
  // The example rounds to FP16 the integer part (in [0.5, 2): at most 2^-11), the outlier's weights
  // (below 0.5: 2^-13, times 8) and the sum (2^-10), and prints four digits.
  constexpr double kTolerance = 0x1p-11 + 8 * 0x1p-13 + 0x1p-10 + 5e-5;
  EXPECT_NEAR(y.Row(0)[0], 2.3340, kTolerance);
  EXPECT_NEAR(y.Row(0)[1], -3.0391, kTolerance);
}

TEST(LlmInt8Reference, CountsAnOrdinaryElementOfAnOutlierColumnInItsRowsScale) {
  const Matrix x = MatrixOf(2, 3, {7, 1, 2, 5, 1, 2});
  const Int8Activations activations = QuantizeActivations(x, 6.0f);
  EXPECT_EQ(activations.outlier_columns, std::vector<size_t>{0});
  EXPECT_EQ(activations.absmax, (std::vector<float>{2.0f, 5.0f}));
  // 1 * (127 / 2) = 63.5 to even; 1 * (127 / 5) = 25.4, 2 * (127 / 5) = 50.8.
  EXPECT_EQ(activations.codes, (std::vector<int8_t>{0, 64, 127, 0, 25, 51}));
}

TEST(LlmInt8Reference, TreatsTheThresholdItselfAsAnOutlierAfterRoundingBothToFp16) {
  // 5.999 rounds to 6 in FP16, whose steps are 2^-8 there.
  const Matrix x = MatrixOf(1, 2, {5.999f, 1});
  EXPECT_EQ(QuantizeActivations(x, 6.0f).outlier_columns, std::vector<size_t>{0});
  EXPECT_EQ(QuantizeActivations(x, 6.001f).outlier_columns, std::vector<size_t>{0});
  EXPECT_TRUE(QuantizeActivations(x, 6.01f).outlier_columns.empty());
}

TEST(LlmInt8Reference, GivesRowsOfZerosAndOfOutliersNoCodes) {
  const Matrix x = MatrixOf(2, 2, {0, 0, 9, -9});
  const Int8Activations activations = QuantizeActivations(x, 6.0f);
  EXPECT_EQ(activations.absmax, (std::vector<float>{0.0f, 0.0f}));
  EXPECT_EQ(activations.codes, (std::vector<int8_t>{0, 0, 0, 0}));
  Matrix y(2, 1);
  LlmInt8MatMul({.codes = {100, 50}, .scales = {0.01f}}, 6.0f, {}, x, y);
  EXPECT_EQ(y.Row(0)[0], 0.0f);
  EXPECT_FLOAT_EQ(y.Row(1)[0], 4.5f);  // 9 * 1 - 9 * 0.5
}

}  // namespace
}  // namespace bitloss
