// GPTQ, HQQ and clipping against numpy (tools/golden/fit_golden.py), worked examples and what they
// promise.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "bitloss/quant/fit/cholesky.h"
#include "bitloss/quant/fit/clip.h"
#include "bitloss/quant/fit/gptq.h"
#include "bitloss/quant/fit/hqq.h"
#include "bitloss/quant/scheme.h"
#include "bitloss/quant/testdata/gaussian_matrix.h"
#include "bitloss/quant/testdata/golden_json.h"

namespace bitloss {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;

double SquaredError(ConstMatrixView a, const Matrix& b) {
  double sum = 0.0;
  for (size_t row = 0; row < a.rows; ++row) {
    for (size_t i = 0; i < a.cols; ++i) {
      const double miss = double{a.Row(row)[i]} - double{b.Row(row)[i]};
      sum += miss * miss;
    }
  }
  return sum;
}

// delta^T H delta summed over rows: the squared error of the outputs.
double OutputError(const Gram& gram, ConstMatrixView a, const Matrix& b) {
  Matrix deltas(a.rows, a.cols);
  for (size_t row = 0; row < a.rows; ++row) {
    for (size_t i = 0; i < a.cols; ++i) deltas.Row(row)[i] = b.Row(row)[i] - a.Row(row)[i];
  }
  std::vector<double> forms(a.rows);
  QuadraticForms(gram, deltas, forms);
  double sum = 0.0;
  for (const double form : forms) sum += form;
  return sum;
}

class FitsTest : public testing::Test {
 protected:
  EncodedMatrix Gptq(const Format& format, ConstMatrixView weights, const Gram& gram,
                     const GptqOptions& options) {
    const GptqFactor factor = FactorGptq(gram, options, threads_).value();
    return EncodeGptq(format, weights, factor, options, threads_).value();
  }

  ThreadPool threads_{2};
  const nlohmann::json golden_ = golden::Read("fits.json");
  const Matrix weights_ = golden::MatrixOf(golden_, "weights");

  Gram InputGram() {
    Matrix x(golden_.at("tokens"), weights_.cols());
    ToFloat(golden::Array<F16>(golden_.at("x_f16")), x.flat());
    return MakeGram(x, threads_);
  }
};

// Sums in another order may decide a tie; of 3840 codes none does.
TEST_F(FitsTest, GptqChoosesTheCodesOfTheReference) {
  const Gram gram = InputGram();
  for (const nlohmann::json& one : golden_.at("gptq")) {
    const Scheme scheme = ParseScheme(one.at("scheme").get<std::string>()).value();
    const EncodedMatrix encoded = Gptq(scheme.format, weights_, gram, scheme.fit_options.gptq);
    EXPECT_THAT(scheme.format.unpack(encoded).codes,
                ElementsAreArray(golden::Array<uint8_t>(one.at("codes_u8"))))
        << scheme.text;
  }
}

// The worked example: one row [0.33, -0.48], H = [[2, 1], [1, 2]], 4 bits symmetric.
TEST_F(FitsTest, GptqWorkedExample) {
  Gram gram{.size = 8, .num_inputs = 1, .folded = std::vector<double>(64)};
  for (size_t i = 0; i < 8; ++i) gram.folded[i * 8 + i] = 2.0;
  gram.folded[1 * 8 + 0] = 2.0;  // twice H_10
  Matrix row(1, 8);
  row.Fill(0.0f);
  row.Row(0)[0] = 0.33f;
  row.Row(0)[1] = -0.48f;
  const GptqFactor factor = FactorGptq(gram, {}, threads_).value();
  EXPECT_NEAR(factor.upper[0], 0.809789, 1e-6);
  EXPECT_NEAR(factor.upper[1], -0.400886, 1e-6);
  EXPECT_NEAR(factor.upper[9], 0.703597, 1e-6);
  const Format format = ParseFormat("int4_group:8:full").value();
  const std::vector<uint8_t> codes =
      format.unpack(EncodeGptq(format, row, factor, {}, threads_).value()).codes;
  EXPECT_THAT(std::vector(codes.begin(), codes.begin() + 2), ElementsAre(13, 1));
}

TEST_F(FitsTest, GptqLosesLessOutputThanNearestInEveryFormatThatItTakes) {
  const Gram gram = InputGram();
  size_t num_formats = 0;
  for (const FormatFamily& family : FormatFamilies()) {
    const Format format = family.make({}).value();
    if (!CheckFit(format, FitKind::kGptq).ok() || format.bits > 4) continue;
    const Matrix nearest = Decode(format.encode(format, weights_).value());
    const Matrix fitted = Decode(Gptq(format, weights_, gram, {}));
    EXPECT_LT(OutputError(gram, weights_, fitted), 0.8 * OutputError(gram, weights_, nearest))
        << format.name;
    ++num_formats;
  }
  EXPECT_GE(num_formats, 4u);
}

// The scale of a row stays the one of its largest weight; codes are of 8 bits, -128 among them.
TEST_F(FitsTest, GptqKeepsTheScalesOfInt8Rows) {
  const Format format = ParseFormat("int8_row").value();
  const Gram gram = InputGram();
  const EncodedMatrix nearest = format.encode(format, weights_).value();
  const EncodedMatrix fitted = Gptq(format, weights_, gram, {});
  EXPECT_THAT(format.unpack(fitted).scales, ElementsAreArray(format.unpack(nearest).scales));
  EXPECT_FALSE(std::ranges::equal(fitted.codes.span(), nearest.codes.span()));
  EXPECT_LT(OutputError(gram, weights_, Decode(fitted)),
            OutputError(gram, weights_, Decode(nearest)));
}

TEST_F(FitsTest, GptqIsTheSameForAnyNumberOfThreads) {
  const Gram gram = InputGram();
  const Format format = ParseFormat("int4_group:64:full").value();
  const GptqFactor factor = FactorGptq(gram, {}, threads_).value();
  ThreadPool one(1);
  EXPECT_THAT(
      EncodeGptq(format, weights_, factor, {}, one).value().codes.span(),
      ElementsAreArray(EncodeGptq(format, weights_, factor, {}, threads_).value().codes.span()));
}

TEST_F(FitsTest, GptqRefusesFormatsThatCannotKeepItsScales) {
  const Gram gram = InputGram();
  const Format format = ParseFormat("q4_k").value();
  const auto encoded =
      EncodeGptq(format, weights_, FactorGptq(gram, {}, threads_).value(), {}, threads_);
  EXPECT_EQ(encoded.error().kind, ErrorKind::kUnsupported);
  EXPECT_THAT(encoded.error().message, HasSubstr("q4_k makes its scales of others"));
}

TEST_F(FitsTest, GptqRaisesTheDampingWhereInputsDoNotSpanAllColumns) {
  Matrix x(3, 64);
  for (size_t row = 0; row < 3; ++row) {
    for (size_t i = 0; i < 64; ++i) x.Row(row)[i] = row == 2 ? 1e-3f : 1.0f;
  }
  GptqOptions options;
  options.damping = 1e-18;  // lost beside a diagonal of 2
  const GptqFactor factor = FactorGptq(MakeGram(x, threads_), options, threads_).value();
  EXPECT_GT(factor.damping, 0.009);
}

TEST_F(FitsTest, GptqRefusesInputsThatAreNotFinite) {
  Gram gram = InputGram();
  gram.folded[0] = std::numeric_limits<double>::infinity();
  EXPECT_EQ(FactorGptq(gram, {}, threads_).error().kind, ErrorKind::kBadInput);
}

TEST_F(FitsTest, HqqFindsTheScalesZeroPointsAndCodesOfTheReference) {
  for (const nlohmann::json& one : golden_.at("hqq")) {
    const Format format = ParseFormat(one.at("format").get<std::string>()).value();
    const EncodedMatrix encoded = EncodeHqq(format, weights_, threads_).value();
    const GroupedCodes grouped = format.unpack(encoded);
    EXPECT_THAT(grouped.codes, ElementsAreArray(golden::Array<uint8_t>(one.at("codes_u8"))))
        << format.name;
    const auto scales = golden::Array<float>(one.at("scales_f32"));
    const auto zeros = golden::Array<float>(one.at("zeros_f32"));
    EXPECT_THAT(grouped.scales, ElementsAreArray(scales)) << format.name;
    for (size_t i = 0; i < zeros.size(); ++i) {
      EXPECT_EQ(grouped.zeros[i], -zeros[i] * scales[i]) << format.name << i;
    }
  }
}

TEST_F(FitsTest, HqqTakesZerosAndEqualWeights) {
  const Format format = ParseFormat("int4_group:64:float").value();
  for (const float value : {0.0f, 0.375f, -0.375f}) {
    Matrix equal(2, 128);
    equal.Fill(value);
    const Matrix decoded = Decode(EncodeHqq(format, equal, threads_).value());
    for (const float w : decoded.flat()) ASSERT_NEAR(w, value, 0.375 * 0x1p-10);
  }
}

TEST_F(FitsTest, ClippingNeverRaisesTheErrorAndLowersItForCoarseGrids) {
  for (const std::string_view name : {"int4_group:64:sym", "int3_group:64:asym",
                                      "int2_group:64:asym", "q4_0", "mxfp4", "int8_row"}) {
    const Format format = ParseFormat(name).value();
    const Matrix nearest = Decode(format.encode(format, weights_).value());
    const Matrix clipped = Decode(EncodeClipped(format, weights_, {}, threads_).value());
    EXPECT_LE(SquaredError(weights_, clipped), SquaredError(weights_, nearest)) << name;
    if (format.bits > 3) continue;
    EXPECT_LT(SquaredError(weights_, clipped), 0.95 * SquaredError(weights_, nearest)) << name;
  }
}

// One group of eight, 2 bits symmetric (-1, 0, 1 times the scale): 1 and seven of 0.45. Nearest
// takes scale 1 and loses 7 * 0.45^2; a clip to 0.55 (k = 18) decodes 0.55 throughout.
TEST_F(FitsTest, ClippingWorkedExampleAndItsImportances) {
  Matrix row(1, 8);
  row.Fill(0.45f);
  row.Row(0)[0] = 1.0f;
  const Format format = ParseFormat("int2_group:8:sym").value();
  const Matrix clipped = Decode(EncodeClipped(format, row, {}, threads_).value());
  EXPECT_NEAR(clipped.Row(0)[0], 0.525, 1e-3);
  EXPECT_NEAR(clipped.Row(0)[7], 0.525, 1e-3);
  // If the large weight is all that matters, it is kept.
  const std::vector<float> importance = {1.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
  const Matrix kept = Decode(EncodeClipped(format, row, importance, threads_).value());
  EXPECT_NEAR(kept.Row(0)[0], 1.0, 1e-3);
}

// Sizes below, at and beyond a block of the factorization.
TEST_F(FitsTest, FactorsOfTheInverseMakeTheInverse) {
  ThreadPool one(1);
  for (const size_t size : {1, 3, 128, 129, 300}) {
    SCOPED_TRACE(size);
    const RandomStream random(7, "moments");
    std::vector<double> h(size * size);
    for (size_t i = 0; i < size; ++i) {
      for (size_t j = 0; j <= i; ++j) {
        h[i * size + j] = h[j * size + i] = random.Uniform(i, j) - 0.5;
      }
      h[i * size + i] += static_cast<double>(size);
    }
    const std::vector<double> u = UpperFactorOfInverse(h, size, threads_);
    ASSERT_EQ(u.size(), size * size);
    EXPECT_EQ(u, UpperFactorOfInverse(h, size, one));
    // U h U^T is the identity.
    std::vector<double> uh(size * size);
    for (size_t i = 0; i < size; ++i) {
      for (size_t k = 0; k < size; ++k) {
        EXPECT_TRUE(k >= i || u[i * size + k] == 0.0);
        for (size_t j = 0; j < size; ++j) uh[i * size + j] += u[i * size + k] * h[k * size + j];
      }
    }
    double worst = 0.0;
    for (size_t i = 0; i < size; ++i) {
      EXPECT_GT(u[i * size + i], 0.0);
      for (size_t j = 0; j < size; ++j) {
        double sum = 0.0;
        for (size_t k = 0; k < size; ++k) sum += uh[i * size + k] * u[j * size + k];
        worst = std::max(worst, std::abs(sum - (i == j ? 1.0 : 0.0)));
      }
    }
    EXPECT_LT(worst, 1e-12);
  }
  EXPECT_TRUE(UpperFactorOfInverse(std::vector<double>{1, 2, 2, 1}, 2, threads_).empty());
}

}  // namespace
}  // namespace bitloss
