// What is true of every format, tested over the list: a new format is under test the moment it is
// listed.
#include <gmock/gmock.h>

#include <bit>
#include <cmath>
#include <limits>

#include "bitloss/quant/format.h"
#include "bitloss/quant/formats/ggml/ggml_format.h"
#include "bitloss/quant/testdata/gaussian_matrix.h"

namespace bitloss {
namespace {

using testing::ElementsAreArray;
using testing::HasSubstr;

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const FormatFamily& family : FormatFamilies()) names.emplace_back(family.name);
  names.insert(names.end(), {"int4_group:32:sym", "int3_group:128:sym", "int2_group:16:sym",
                             "int4_group:64:full", "int4_group:64:float", "int8_group:32:sym",
                             "int4_group:4:sym", "int3_group:2:sym", "int4_group:64:asym:index",
                             "int3_group:32:sym:index", "fp8_e4m3:tensor", "fp8_e4m3:block",
                             "fp8_e5m2:block", "mxfp6:e3m2", "mxfp8:e5m2"});
  return names;
}

class EveryFormat : public testing::TestWithParam<std::string> {
 protected:
  const Format format_ = ParseFormat(GetParam()).value();

  // By importances all alike where a format is not defined without.
  Result<EncodedMatrix> TryEncode(ConstMatrixView weights) const {
    if (!NeedsImportances(format_)) return format_.encode(format_, weights);
    return format_.encode_weighted(format_, weights, std::vector<float>(weights.cols, 1.0f));
  }
  EncodedMatrix Encode(ConstMatrixView weights) const { return TryEncode(weights).value(); }

  // Whether several weights share a code, of fewer points than their values would have.
  bool IsOfPoints() const {
    return format_.name.starts_with("iq1") || format_.name.starts_with("iq2") ||
           format_.name.starts_with("iq3");
  }
};

INSTANTIATE_TEST_SUITE_P(Families, EveryFormat, testing::ValuesIn(Names()), [](const auto& tested) {
  std::string name = tested.param;
  std::ranges::replace(name, ':', '_');
  return name;
});

// The value of one weight as a kernel computes it.
float ValueOf(const GroupedCodes& grouped, size_t cols, size_t row, size_t col) {
  const size_t groups = (cols + grouped.group_size - 1) / grouped.group_size;
  const size_t group = row * groups + grouped.GroupOf(col);
  const uint8_t code = grouped.codes[row * cols + col];
  switch (grouped.kind) {
    case GroupedCodes::Kind::kTable:
      return grouped.table[code] * grouped.scales[group];
    case GroupedCodes::Kind::kZeroPoint:
      return (static_cast<float>(code) - grouped.zeros[group]) * grouped.scales[group];
    case GroupedCodes::Kind::kOffset:
      return std::fma(static_cast<float>(code), grouped.scales[group], grouped.zeros[group]);
  }
  return std::numeric_limits<float>::quiet_NaN();
}

TEST_P(EveryFormat, IsFoundByItsOwnName) {
  EXPECT_EQ(ParseFormat(format_.name).value().name, format_.name);
}

TEST_P(EveryFormat, UnpacksToTheValuesThatItDecodes) {
  if (format_.unpack == nullptr) return;  // f16, bf16, f32: no codes
  for (const size_t cols : {size_t{256}, size_t{768}}) {
    const EncodedMatrix encoded = Encode(GaussianMatrix(5, cols, 1));
    const GroupedCodes grouped = format_.unpack(encoded);
    const Matrix decoded = Decode(encoded);
    for (size_t row = 0; row < 5; ++row) {
      for (size_t col = 0; col < cols; ++col) {
        ASSERT_EQ(ValueOf(grouped, cols, row, col), decoded.Row(row)[col]) << row << ", " << col;
        ASSERT_LT(grouped.codes[row * cols + col], 1 << grouped.bits);
      }
    }
  }
}

TEST_P(EveryFormat, UnpacksRowsThatBlocksRunOver) {
  constexpr size_t kCols = 100;  // blocks of 64 cross row ends; integer groups refuse it
  if (format_.unpack == nullptr || !format_.supports(format_, 3, kCols).ok()) return;
  const EncodedMatrix encoded = Encode(GaussianMatrix(3, kCols, 2));
  const GroupedCodes grouped = format_.unpack(encoded);
  const Matrix decoded = Decode(encoded);
  for (size_t row = 0; row < 3; ++row) {
    for (size_t col = 0; col < kCols; ++col) {
      ASSERT_EQ(ValueOf(grouped, kCols, row, col), decoded.Row(row)[col]) << row << ", " << col;
    }
  }
}

TEST_P(EveryFormat, DecodesAnyPartOfARowAsInTheWhole) {
  const EncodedMatrix encoded = Encode(GaussianMatrix(3, 256, 3));
  const Matrix whole = Decode(encoded);
  for (const size_t first : {0, 1, 7, 63, 64, 100, 255}) {
    for (const size_t count : {0, 1, 2, 65, 156}) {
      if (first + count > 256) continue;
      std::vector<float> part(count);
      format_.decode(encoded, 1, first, part);
      EXPECT_THAT(part, ElementsAreArray(whole.Row(1).subspan(first, count)))
          << first << "+" << count;
    }
  }
}

TEST_P(EveryFormat, PacksWhatItUnpacks) {
  if (format_.pack == nullptr || format_.symmetry == Symmetry::kFloatZero) return;
  const EncodedMatrix encoded = Encode(GaussianMatrix(5, 256, 12));
  const EncodedMatrix packed = format_.pack(format_, 5, 256, format_.unpack(encoded)).value();
  EXPECT_THAT(packed.codes.span(), ElementsAreArray(encoded.codes.span()));
  EXPECT_THAT(packed.scales.span(), ElementsAreArray(encoded.scales.span()));
  EXPECT_THAT(packed.zeros.span(), ElementsAreArray(encoded.zeros.span()));
}

TEST_P(EveryFormat, CostsWhatItSays) {
  for (const auto& [rows, cols] : {std::pair{1, 256}, {7, 768}, {64, 768}}) {
    EXPECT_EQ(Encode(GaussianMatrix(rows, cols, 4)).num_bytes(),
              format_.num_bytes(format_, rows, cols));
  }
}

TEST_P(EveryFormat, EncodesSlicesOfRowsAsTheWholeIfItSaysSo) {
  if (format_.row_coding != RowCoding::kIndependent) return;
  const Matrix weights = GaussianMatrix(6, 256, 5);
  const Matrix whole = Decode(Encode(weights));
  const Matrix slice = Decode(Encode(weights.view().Rows(2, 5)));
  EXPECT_THAT(slice.flat(), ElementsAreArray(whole.flat().subspan(2 * 256, 3 * 256)));
}

TEST_P(EveryFormat, RoundsToWhatItsCodesDecodeTo) {
  Matrix weights = GaussianMatrix(5, 256, 4);
  for (float& w : weights.Row(3)) w = std::abs(w);  // one sign
  for (float& w : weights.Row(4)) w = 0.0f;
  if (NeedsImportances(format_)) return;  // Round has none
  const Matrix expected = Decode(Encode(weights));
  ASSERT_TRUE(Round(format_, weights, weights).ok());
  for (size_t i = 0; i < weights.flat().size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(weights.flat()[i]),
              std::bit_cast<uint32_t>(expected.flat()[i]))
        << i;
  }
}

TEST_P(EveryFormat, ReadsAViewWhoseRowsAreApart) {
  const Matrix wide = GaussianMatrix(4, 768, 6);
  const ConstMatrixView part = wide.view().Cols(128, 384);
  Matrix dense(4, 256);
  for (size_t row = 0; row < 4; ++row) std::ranges::copy(part.Row(row), dense.Row(row).begin());
  const Matrix from_part = Decode(Encode(part));
  EXPECT_THAT(from_part.flat(), ElementsAreArray(Decode(Encode(dense)).flat()));
}

// What a decoder can produce, the encoder reproduces, under two conditions that real weights
// nearly always meet. The scale comes back: true where each group's decoded extremes are the ends
// of its grid, as symmetric grids and absmax always have it; an asymmetric group whose rounded
// scale is a little too large may not reach its last code. And one scale is not made of others:
// double quantization has a new mean the second time. Encoders that search a scale (K-quants, IQ4)
// may find another that fits as well.
TEST_P(EveryFormat, EncodesItsOwnOutputWithoutFurtherLoss) {
  // HQQ's zero point is rounded to FP16, and the ends of GPTQ's symmetric grid are +-7.5 steps.
  if (format_.symmetry == Symmetry::kFloatZero) return;
  if (format_.symmetry == Symmetry::kFullSymmetric) return;
  const bool searches = format_.name.ends_with("_k") || format_.name.starts_with("iq");
  if (format_.name.ends_with("_dq") || searches) return;
  const bool ends_needed = format_.symmetry == Symmetry::kAsymmetric;
  const Matrix once = Decode(Encode(GaussianMatrix(16, 256, 7)));
  const Matrix twice = Decode(Encode(once));
  const size_t group = format_.group_size == 0 ? 256 : format_.group_size;
  size_t num_compared = 0;
  for (size_t row = 0; row < 16; ++row) {
    for (size_t first = 0; first < 256; first += group) {
      const auto [low, high] = std::ranges::minmax(once.Row(row).subspan(first, group));
      const GroupedCodes codes = ends_needed ? format_.unpack(Encode(once)) : GroupedCodes{};
      if (ends_needed) {
        const float scale = codes.scales[row * (256 / group) + first / group];
        if (std::round((high - low) / scale) != float((1 << format_.bits) - 1)) continue;
      }
      ++num_compared;
      for (size_t col = first; col < first + group; ++col) {
        // Float32 scales: 127 * (SCB / 127) may miss SCB by the last bit, and so for FP8.
        const bool float_scale = format_.name == "int8_row" || format_.name.starts_with("fp8") ||
                                 format_.name == "nvfp4";
        const float slack = float_scale ? std::abs(once.Row(row)[col]) * 0x1p-22f : 0;
        ASSERT_NEAR(twice.Row(row)[col], once.Row(row)[col], slack) << row << ", " << col;
      }
    }
  }
  EXPECT_GT(num_compared, 12u);
}

TEST_P(EveryFormat, ErrsByNoMoreThanItsStep) {
  const Matrix weights = GaussianMatrix(8, 256, 8);
  const Matrix decoded = Decode(Encode(weights));
  // The widest gap between neighbouring values, as a share of the largest weight that a scale may
  // belong to: 1 for two-bit codes, 0.3 for NF4's ends, 1/3 for FP4.
  const bool is_integer = format_.name.starts_with("int") || format_.name == "q8_0";
  const double ordinary = format_.bits == 2 ? 1.0 : 0.34;
  const double share = is_integer && format_.bits >= 8 ? 1.0 / 127 : IsOfPoints() ? 0.5 : ordinary;
  double largest = 0.0;
  for (const float w : weights.flat()) largest = std::max(largest, std::abs(double{w}));
  for (size_t i = 0; i < weights.flat().size(); ++i) {
    ASSERT_LE(std::abs(weights.flat()[i] - decoded.flat()[i]), share * largest) << i;
  }
}

TEST_P(EveryFormat, KeepsZerosZero) {
  Matrix zeros(3, 256);
  zeros.Fill(0.0f);
  const EncodedMatrix encoded = Encode(zeros);
  const Matrix decoded = Decode(encoded);
  for (const float value : decoded.flat()) ASSERT_EQ(value, 0.0f);
}

TEST_P(EveryFormat, KeepsEqualWeightsNearlyEqualToThemselves) {
  if (IsOfPoints()) return;  // not every eight of equal levels is a point
  // GPTQ's symmetric grid has no code for +-absmax: it errs by half a step there.
  const bool ends_on_ties = format_.symmetry == Symmetry::kFullSymmetric;
  const double share = ends_on_ties ? 0.5 / 7.5 + 0x1p-10 : 0x1p-11;
  for (const float value : {0.375f, -0.375f}) {
    Matrix equal(2, 256);
    equal.Fill(value);
    const Matrix decoded = Decode(Encode(equal));
    for (const float w : decoded.flat()) ASSERT_NEAR(w, value, 0.375 * share) << value;
  }
}

TEST_P(EveryFormat, RefusesWeightsThatAreNotFiniteAndSaysWhere) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    Matrix weights = GaussianMatrix(4, 256, 9);
    weights.Row(2)[77] = bad;
    const auto encoded = TryEncode(weights);
    ASSERT_FALSE(encoded.ok());
    EXPECT_EQ(encoded.error().kind, ErrorKind::kBadInput);
    EXPECT_THAT(encoded.error().message, HasSubstr("row 2, column 77"));
  }
}

// Either refused in one line that names the width, or stored whole: blocks run over row ends, the
// last one is short, or rows fall back to another type.
TEST_P(EveryFormat, DecidesWidthsThatItsBlocksDoNotDivide) {
  for (const size_t cols : {size_t{8}, size_t{33}, size_t{72}, size_t{100}, size_t{160}}) {
    const Status supported = format_.supports(format_, 5, cols);
    if (!supported.ok()) {
      EXPECT_EQ(supported.error().kind, ErrorKind::kUnsupported);
      EXPECT_THAT(supported.error().message, HasSubstr(std::to_string(cols)));
      continue;
    }
    const Matrix weights = GaussianMatrix(5, cols, 13);
    const EncodedMatrix encoded = Encode(weights);
    EXPECT_EQ(encoded.num_bytes(), format_.num_bytes(format_, 5, cols)) << cols;
    const Matrix decoded = Decode(encoded);
    double error = 0.0, total = 0.0;
    for (size_t i = 0; i < weights.flat().size(); ++i) {
      const double w = weights.flat()[i], miss = decoded.flat()[i] - w;
      error += miss * miss;
      total += w * w;
    }
    EXPECT_LT(error, 0.4 * total) << cols;
  }
}

// Groups of zeros, of equal weights, of FP16's smallest and of ordinary ones side by side: zeros
// stay zeros, nothing becomes NaN or larger than twice the largest weight.
TEST_P(EveryFormat, KeepsUnlikeGroupsApart) {
  Matrix weights = GaussianMatrix(4, 1024, 14);
  for (size_t row = 0; row < 4; ++row) {
    std::ranges::fill(weights.Row(row).subspan(0, 256), 0.0f);
    std::ranges::fill(weights.Row(row).subspan(256, 256), -0.5f);
    std::ranges::fill(weights.Row(row).subspan(512, 256), 0x1p-24f);
  }
  double largest = 0.0;
  for (const float w : weights.flat()) largest = std::max(largest, std::abs(double{w}));
  const Matrix decoded = Decode(Encode(weights));
  for (size_t row = 0; row < 4; ++row) {
    for (size_t col = 0; col < 1024; ++col) {
      const float value = decoded.Row(row)[col];
      ASSERT_LE(std::abs(value), 2 * largest) << row << ", " << col;  // false for NaN
      ASSERT_TRUE(col >= 256 || value == 0.0f) << row << ", " << col;
    }
  }
}

TEST_P(EveryFormat, TakesASingleRow) {
  const Matrix weights = GaussianMatrix(1, 256, 10);
  EXPECT_EQ(Encode(weights).rows, 1u);
  EXPECT_EQ(Decode(Encode(weights)).cols(), 256u);
}

// From the layouts in the formats' headers, for 64 rows of 768.
TEST(FormatTest, BitsPerWeightAreThoseOfTheLayout) {
  constexpr std::pair<std::string_view, double> kExpected[] = {
      {"f32", 32.0},
      {"f16", 16.0},
      {"bf16", 16.0},
      {"int8_row", 8.0 + 32.0 / 768},
      {"nf4", 4.5},
      {"fp4", 4.5},
      {"nf4_dq", 4.0 + 8.0 / 64 + 32.0 * (3 + 1) / (64 * 768)},  // 768 blocks in 3 nested ones
      {"fp4_dq", 4.0 + 8.0 / 64 + 32.0 * (3 + 1) / (64 * 768)},
      {"int4_group:64:asym", 4.0 + 16.0 / 64 + 4.0 / 64},
      {"int4_group:64:sym", 4.25},
      {"int3_group:64:sym", 3.25},
      {"int3_group:64:asym", 3.0 + 16.0 / 64 + 40.0 / 768},  // 12 zero points of 3 bits: 5 bytes
      {"int2_group:64:asym", 2.0 + 16.0 / 64 + 2.0 / 64},
      {"q4_0", 4.5},
      {"q8_0", 8.5},
      {"q2_k", 2.625},
      {"q3_k", 3.4375},
      {"q4_k", 4.5},
      {"q6_k", 6.5625},
      {"iq4_xs", 4.25},
  };
  for (const auto& [name, bits] : kExpected) {
    const Format format = ParseFormat(name).value();
    EXPECT_DOUBLE_EQ(8.0 * double(format.num_bytes(format, 64, 768)) / (64 * 768), bits) << name;
  }
}

TEST(FormatTest, NamesTheKnownFormatsWhenItDoesNotKnowOne) {
  const auto format = ParseFormat("int5_group:64");
  EXPECT_EQ(format.error().kind, ErrorKind::kUnsupported);
  EXPECT_THAT(format.error().message, HasSubstr("'int5_group'; known are int"));
}

TEST(FormatTest, RefusesParametersThatAFormatDoesNotHave) {
  EXPECT_THAT(ParseFormat("nf4:32").error().message, HasSubstr("takes no parameters"));
}

TEST(FormatTest, F16RefusesWeightsBeyondItsRangeAndSaysWhere) {
  Matrix weights(2, 3);
  weights.Fill(65519.0f);  // rounds down to 65504
  EXPECT_EQ(Decode(F16Format().encode(F16Format(), weights).value()).Row(1)[2], 65504.0f);
  weights.Row(1)[2] = -65520.0f;  // the first that would round to infinity
  EXPECT_THAT(F16Format().encode(F16Format(), weights).error().message,
              HasSubstr("-65520 at row 1, column 2"));
}

TEST(FormatTest, F16RoundsToNearestEven) {
  Matrix weights(1, 2);
  weights.Row(0)[0] = 1.0f + 0x1p-11f;      // between 1 and 1 + 2^-10: to the even 1
  weights.Row(0)[1] = 1.0f + 3 * 0x1p-11f;  // to the even 1 + 2^-9
  const Matrix decoded = Decode(F16Format().encode(F16Format(), weights).value());
  EXPECT_THAT(decoded.flat(), testing::ElementsAre(1.0f, 1.0f + 0x1p-9f));
}

}  // namespace
}  // namespace bitloss
