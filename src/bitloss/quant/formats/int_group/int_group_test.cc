#include "bitloss/quant/formats/int_group/int_group.h"

#include <gmock/gmock.h>

#include <cmath>

#include "bitloss/quant/formats/packed_bits.h"
#include "bitloss/quant/testdata/gaussian_matrix.h"

namespace bitloss {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// One group of eight: the four given weights, then zeros.
EncodedMatrix EncodeEight(std::string_view name, std::initializer_list<float> weights) {
  Matrix row(1, 8);
  row.Fill(0.0f);
  std::ranges::copy(weights, row.data());
  const Format format = ParseFormat(name).value();
  return format.encode(format, row).value();
}

std::vector<int> FirstCodes(const EncodedMatrix& matrix, size_t count) {
  const GroupedCodes grouped = matrix.format.unpack(matrix);
  return {grouped.codes.begin(), grouped.codes.begin() + count};
}

// Of the table "int4 group conventions": AWQ asymmetric, scale 1.12 / 15, zero 9.375 -> 9.
TEST(IntGroupTest, AsymmetricWorkedExample) {
  const EncodedMatrix encoded = EncodeEight("int4_group:8:asym", {0.30f, -0.70f, 0.05f, 0.42f});
  const GroupedCodes grouped = encoded.format.unpack(encoded);
  EXPECT_THAT(FirstCodes(encoded, 4), ElementsAre(13, 0, 10, 15));
  EXPECT_EQ(grouped.zeros[0], 9.0f);
  EXPECT_EQ(grouped.scales[0], ThroughF16(1.12f / 15.0f));
  const Matrix decoded = Decode(encoded);
  const float values[] = {0.2987f, -0.6720f, 0.0747f, 0.4480f};
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(decoded.Row(0)[i], values[i], 5e-4 * 0.7);
}

// Of the same table: AWQ symmetric, scale 0.1, codes 3, -7, 1 (0.5 -> 0 before the scale's rounding
// to FP16 below 0.1 makes it 0.50003 -> 1), 4.
TEST(IntGroupTest, SymmetricWorkedExample) {
  const EncodedMatrix encoded = EncodeEight("int4_group:8:sym", {0.30f, -0.70f, 0.05f, 0.42f});
  EXPECT_THAT(FirstCodes(encoded, 4), ElementsAre(8 + 3, 8 - 7, 8 + 1, 8 + 4));
  EXPECT_TRUE(encoded.zeros.empty());
}

// Of the same table: GPTQ and compressed-tensors, scale 0.7 / 7.5, the extreme at -7.5 steps to -8.
// (0.42 is 4.5 steps, 4 to even, before the scale's rounding to FP16 makes it 4.5008.)
TEST(IntGroupTest, FullSymmetricWorkedExample) {
  const EncodedMatrix encoded = EncodeEight("int4_group:8:full", {0.30f, -0.70f, 0.05f, 0.42f});
  const GroupedCodes grouped = encoded.format.unpack(encoded);
  EXPECT_THAT(FirstCodes(encoded, 4), ElementsAre(8 + 3, 8 - 8, 8 + 1, 8 + 5));
  EXPECT_NEAR(grouped.scales[0], 0.093333, 0.093333 * 0x1p-11);
  EXPECT_TRUE(encoded.zeros.empty());
}

// 12 = 8 + 4: the extremes of the last four count.
TEST(IntGroupTest, GroupsNeedNotBeMultiplesOfEight) {
  Matrix rows(2, 24);
  rows.Fill(0.0f);
  rows.Row(0)[11] = 1.5f;
  rows.Row(0)[10] = -1.5f;
  rows.Row(1)[23] = -3.0f;
  const Format format = ParseFormat("int4_group:12:asym").value();
  const EncodedMatrix encoded = format.encode(format, rows).value();
  const GroupedCodes grouped = format.unpack(encoded);
  EXPECT_THAT(grouped.scales, ElementsAre(ThroughF16(0.2f), ThroughF16(1e-5f / 15),
                                          ThroughF16(1e-5f / 15), ThroughF16(0.2f)));
  EXPECT_EQ(Decode(encoded).Row(1)[23], -15 * ThroughF16(0.2f));
  EXPECT_THAT(format.supports(format, 1, 36).error().message, HasSubstr("not a multiple of 8"));
  EXPECT_THAT(format.supports(format, 1, 32).error().message, HasSubstr("groups of 12"));
}

TEST(IntGroupTest, FloatZeroPointsAreNotRoundedToCodes) {
  // Range 1.12, scale 1.12 / 15; zero 0.7 / scale = 9.375, exact in FP16 but for the scale's error.
  const EncodedMatrix encoded = EncodeEight("int4_group:8:float", {0.30f, -0.70f, 0.05f, 0.42f});
  const Matrix decoded = Decode(encoded);
  EXPECT_THAT(FirstCodes(encoded, 4), ElementsAre(13, 0, 10, 15));
  EXPECT_NEAR(decoded.Row(0)[1], -0.70f, 0.7 * 0x1p-10);  // the ends of the range are values
  EXPECT_NEAR(decoded.Row(0)[3], 0.42f, 0.7 * 0x1p-10);
}

TEST(IntGroupTest, EightBitsByHand) {
  // 127 steps of 1 / 127: 63.5 and 0.5 are ties, but the scale rounds up in FP16 (0.0078735).
  const EncodedMatrix encoded = EncodeEight("int8_group:8:sym", {1.0f, -1.0f, 0.5f, 0.25f});
  EXPECT_THAT(FirstCodes(encoded, 4), ElementsAre(128 + 127, 128 - 127, 128 + 64, 128 + 32));
}

TEST(IntGroupTest, TiesGoToTheEvenCode) {
  // Range 15, so the scale is exactly 1 and the zero point 0.
  const EncodedMatrix encoded = EncodeEight("int4_group:8", {15.0f, 0.5f, 1.5f, 2.5f});
  EXPECT_THAT(FirstCodes(encoded, 4), ElementsAre(15, 0, 2, 2));
}

TEST(IntGroupTest, ChoosesCodesForTheRoundedScale) {
  // 1 / 15 rounds down in FP16; 0.97 / fp16(1/15) = 14.55, 15 either way; with the unrounded scale
  // 0.9666 would be 14.499 -> 14.
  const float scale = ThroughF16(1.0f / 15.0f);
  ASSERT_LT(scale, 1.0f / 15.0f);
  const float weight = 14.501f * scale;
  ASSERT_LT(weight * 15.0f, 14.5f);
  EXPECT_THAT(FirstCodes(EncodeEight("int4_group:8", {1.0f, weight}), 2), ElementsAre(15, 15));
}

// Where AutoAWQ would decode all of them to 0.3.
TEST(IntGroupTest, GroupsOfOneSignKeepTheirValues) {
  const Matrix decoded =
      Decode(EncodeEight("int4_group:8", {1.0f, 1.3f, 1.1f, 1.2f, 1.0f, 1.3f, 1.05f, 1.15f}));
  EXPECT_NEAR(decoded.Row(0)[0], 1.0, 1.3 / 30 + 1.3 * 0x1p-11);
  EXPECT_NEAR(decoded.Row(0)[1], 1.3, 1.3 / 30 + 1.3 * 0x1p-11);
}

TEST(IntGroupTest, SmallestScaleIsTheFloorOfTheDefinition) {
  const EncodedMatrix encoded = EncodeEight("int4_group:8", {});
  EXPECT_EQ(encoded.format.unpack(encoded).scales[0], ThroughF16(1e-5f / 15.0f));
}

TEST(IntGroupTest, PacksThreeBitsWithoutGaps) {
  // Scale 1, zero 0: the codes are the weights. Eight codes in three bytes, low bits first.
  const EncodedMatrix encoded =
      EncodeEight("int3_group:8", {0.0f, 1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f, 7.0f});
  ASSERT_EQ(encoded.codes.size(), 3u);
  const auto* bytes = reinterpret_cast<const uint8_t*>(encoded.codes.data());
  EXPECT_THAT(std::vector(bytes, bytes + 3), ElementsAre(0x88, 0xC6, 0xFA));
}

TEST(IntGroupTest, PutsEvenWeightsIntoLowHalves) {
  const EncodedMatrix encoded = EncodeEight("int4_group:8", {15.0f, 1.0f, 2.0f, 3.0f});
  EXPECT_EQ(static_cast<uint8_t>(encoded.codes.data()[0]), 0x1F);
  EXPECT_EQ(static_cast<uint8_t>(encoded.codes.data()[1]), 0x32);
}

TEST(IntGroupTest, TwoBitsSymmetricAreTernary) {
  EXPECT_THAT(FirstCodes(EncodeEight("int2_group:8:sym", {-1.0f, 0.4f, 0.6f, 1.0f}), 4),
              ElementsAre(1, 2, 3, 3));
}

TEST(IntGroupTest, RefusesRowsThatGroupsDoNotDivide) {
  const Format format = ParseFormat("int4_group:64:sym").value();
  const Status status = format.supports(format, 8, 100);
  EXPECT_EQ(status.error().kind, ErrorKind::kUnsupported);
  EXPECT_EQ(status.error().message,
            "int4_group:64:sym: rows of 100 weights do not divide into groups of 64");
}

TEST(IntGroupTest, RefusesScalesBeyondFp16AndSaysWhere) {
  Matrix weights(2, 16);
  weights.Fill(0.0f);
  weights.Row(1)[9] = 1e6f;
  const Format format = ParseFormat("int4_group:8").value();
  EXPECT_THAT(format.encode(format, weights).error().message,
              HasSubstr("row 1: the weights of columns 8 to 15"));
}

TEST(IntGroupTest, RefusesGroupSizesAndWordsThatItDoesNotKnow) {
  for (const std::string_view name :
       {"int4_group:0", "int4_group:sym", "int4_group:64:odd", "int4_group:64:sym:1",
        "int4_group:64x", "int4_group:-8", "int4_group:"}) {
    const auto format = ParseFormat(name);
    ASSERT_FALSE(format.ok()) << name;
    EXPECT_EQ(format.error().kind, ErrorKind::kBadInput) << name;
  }
}

TEST(IntGroupTest, DefaultsToAsymmetricGroupsOf64) {
  EXPECT_EQ(ParseFormat("int2_group").value().name, "int2_group:64:asym");
  EXPECT_EQ(ParseFormat("int3_group:32").value().name, "int3_group:32:asym");
}

// |decoded - w| <= scale / 2, and at the ends what rounding the scale to FP16 moves them: 15 steps
// by 2^-11 of a step, less than 2^-7.
TEST(IntGroupTest, ErrorIsHalfAStepAndWhatTheEndsLose) {
  for (const std::string_view name : {"int4_group:64", "int3_group:64", "int2_group:64"}) {
    const Matrix weights = GaussianMatrix(32, 256, 11);
    const Format format = ParseFormat(name).value();
    const EncodedMatrix encoded = format.encode(format, weights).value();
    const GroupedCodes grouped = format.unpack(encoded);
    const Matrix decoded = Decode(encoded);
    for (size_t row = 0; row < 32; ++row) {
      for (size_t col = 0; col < 256; ++col) {
        const double scale = grouped.scales[row * 4 + col / 64];
        ASSERT_LE(std::abs(weights.Row(row)[col] - decoded.Row(row)[col]), scale * (0.5 + 0x1p-7));
      }
    }
  }
}

TEST(PackedBitsTest, UnpacksWhatItPackedFromAnyPlace) {
  for (const int bits : {2, 3, 4, 5, 6, 7, 8}) {
    std::vector<uint8_t> codes;
    for (int i = 0; i < 61; ++i) codes.push_back(static_cast<uint8_t>(i * 37 % (1 << bits)));
    std::vector<uint8_t> packed(PackedBytes(codes.size(), bits));
    PackBits(codes, bits, packed.data());
    for (size_t first = 0; first < codes.size(); ++first) {
      std::vector<uint8_t> part(codes.size() - first);
      UnpackBits(packed.data(), bits, first, part);
      ASSERT_THAT(part, testing::ElementsAreArray(codes.begin() + first, codes.end())) << bits;
    }
  }
}

}  // namespace
}  // namespace bitloss
