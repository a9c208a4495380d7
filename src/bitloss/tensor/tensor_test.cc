#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "bitloss/tensor/dtype.h"
#include "bitloss/tensor/matrix.h"
#include "bitloss/tensor/tensor_view.h"

namespace bitloss {
namespace {

// The definition: sign, exponent and fraction of binary16.
double F16Value(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const int fraction = bits & 1023;
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

TEST(F16Test, EveryFiniteValueDecodesByDefinitionAndSurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const F16 half{static_cast<uint16_t>(bits)};
    if ((bits & 0x7C00) == 0x7C00) continue;
    ASSERT_EQ(ToFloat(half), F16Value(half.bits));
    ASSERT_EQ(RoundToF16(ToFloat(half)), half) << bits;
  }
}

TEST(F16Test, RoundsMidpointsToEvenAndTheirNeighboursToNearest) {
  for (uint32_t bits = 0; bits < 0x7BFF; ++bits) {
    const auto low = static_cast<uint16_t>(bits);
    const auto high = static_cast<uint16_t>(bits + 1);
    const auto middle = static_cast<float>((F16Value(low) + F16Value(high)) / 2);
    ASSERT_EQ(RoundToF16(middle).bits, low % 2 == 0 ? low : high);
    ASSERT_EQ(RoundToF16(std::nextafter(middle, 0.0f)).bits, low);
    ASSERT_EQ(RoundToF16(std::nextafter(middle, 1e9f)).bits, high);
  }
}

TEST(F16Test, OverflowsToInfinityAndKeepsNaN) {
  EXPECT_EQ(RoundToF16(65519.0f).bits, 0x7BFF);
  EXPECT_EQ(RoundToF16(65520.0f).bits, 0x7C00);
  EXPECT_EQ(RoundToF16(-1e30f).bits, 0xFC00);
  EXPECT_TRUE(std::isnan(ToFloat(RoundToF16(std::numeric_limits<float>::quiet_NaN()))));
  EXPECT_TRUE(std::isinf(ToFloat(F16{0x7C00})));
}

TEST(BF16Test, RoundsToNearestEven) {
  EXPECT_EQ(RoundToBF16(1.0f).bits, 0x3F80);
  EXPECT_EQ(RoundToBF16(1.00390625f).bits, 0x3F80);  // 1 + 2^-8, a tie
  EXPECT_EQ(RoundToBF16(1.01171875f).bits, 0x3F82);  // 1 + 3 * 2^-8, a tie
  EXPECT_TRUE(std::isnan(ToFloat(RoundToBF16(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(TensorViewTest, CountsBytesWithoutOverflow) {
  EXPECT_EQ(NumBytes(DType::kF16, std::vector<uint64_t>{3, 4}), 24u);
  EXPECT_EQ(NumBytes(DType::kF32, {}), 4u);  // a scalar
  EXPECT_EQ(NumBytes(DType::kF32, std::vector<uint64_t>{uint64_t{1} << 62, 1}), std::nullopt);
  EXPECT_EQ(NumElements(std::vector<uint64_t>{~uint64_t{0}, 2}), std::nullopt);
}

TEST(MatrixTest, ViewsRowsAndColumnsInPlace) {
  Matrix m(3, 4);
  for (size_t i = 0; i < 12; ++i) m.data()[i] = static_cast<float>(i);
  const MatrixView block = m.view().Rows(1, 3).Cols(2, 4);
  EXPECT_EQ(block.Row(1)[0], 10.0f);
  m.Resize(2, 2);
  EXPECT_EQ(m.flat().size(), 4u);
}

}  // namespace
}  // namespace bitloss
