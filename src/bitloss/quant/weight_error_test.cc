#include "bitloss/quant/weight_error.h"

#include <gmock/gmock.h>

#include <cmath>

namespace bitloss {
namespace {

Matrix Row(std::initializer_list<float> values) {
  Matrix matrix(1, values.size());
  std::ranges::copy(values, matrix.flat().begin());
  return matrix;
}

// Scale 1 and codes -7..7: weights on the grid stay, 0.25 becomes 0, 3.5 becomes 4.
TEST(WeightErrorTest, IsWhatAHandComputes) {
  const Format format = ParseFormat("int4_group:8:sym").value();
  const Matrix weights = Row({7, -3, 0, 0.25f, 3.5f, 1, 0, -7});
  const WeightError error = MeasureWeightError(weights, format.encode(format, weights).value());
  EXPECT_EQ(error.num_weights, 8u);
  EXPECT_DOUBLE_EQ(error.squared_error, 0.0625 + 0.25);
  EXPECT_DOUBLE_EQ(error.squared_weights, 49 + 9 + 0.0625 + 12.25 + 1 + 49);
  EXPECT_DOUBLE_EQ(error.relative_frobenius(), std::sqrt(0.3125 / 120.3125));
  EXPECT_DOUBLE_EQ(error.sqnr_db(), 10 * std::log10(120.3125 / 0.3125));
  EXPECT_EQ(error.worst, 0.5);
  EXPECT_EQ(error.worst_col, 4u);
  EXPECT_EQ(error.worst_weight, 3.5f);
  EXPECT_EQ(error.worst_decoded, 4.0f);
  EXPECT_EQ(error.num_flushed, 1u);
  EXPECT_EQ(error.num_saturated, 0u);
}

// Codes made for smaller weights: 7.4 is rounding at the end of [-8, 7], 7.6 and -9 are clipped.
TEST(WeightErrorTest, CountsWhatLiesBeyondTheGrid) {
  const Format format = ParseFormat("int4_group:8:sym").value();
  const EncodedMatrix encoded = format.encode(format, Row({7, 7, 7, 0, 0, 0, 0, -7})).value();
  const WeightError error = MeasureWeightError(Row({7, 7.4f, 7.6f, 0, 0, 0, 0, -9}), encoded);
  EXPECT_EQ(error.num_saturated, 2u);
}

TEST(WeightErrorTest, CountsClippingByATableToo) {
  const Format format = ParseFormat("nf4").value();
  Matrix small(1, 64), large(1, 64);
  small.Fill(1.0f);
  large.Fill(1.0f);
  large.flat()[5] = -2.0f;
  const WeightError error = MeasureWeightError(large, format.encode(format, small).value());
  EXPECT_EQ(error.num_saturated, 1u);
}

TEST(WeightErrorTest, IsZeroWhereNothingIsLost) {
  const Format& format = F16Format();
  const Matrix weights = Row({1, -2, 0.5f, 0});
  const WeightError error = MeasureWeightError(weights, format.encode(format, weights).value());
  EXPECT_EQ(error.relative_frobenius(), 0.0);
  EXPECT_TRUE(std::isinf(error.sqnr_db()));
  EXPECT_EQ(error.num_flushed + error.num_saturated, 0u);
}

}  // namespace
}  // namespace bitloss
