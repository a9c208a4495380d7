#include "bitloss/quant/formats/small_float.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "bitloss/base/hash.h"
#include "bitloss/quant/format.h"
#include "bitloss/quant/testdata/golden_json.h"
#include "bitloss/tensor/dtype.h"

namespace bitloss {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;

nlohmann::json FloatFormats() { return golden::Read("float_formats.json"); }

TEST(SmallFloatTest, RoundsEveryHalfAsTorchDoes) {
  for (const auto& [type, key] :
       {std::pair{kE4M3, "half_e4m3_sha256"}, std::pair{kE5M2, "half_e5m2_sha256"}}) {
    std::string codes;
    for (uint32_t bits = 0; bits < 65536; ++bits) {
      const float x = ToFloat(F16{static_cast<uint16_t>(bits)});
      if (std::isfinite(x)) codes.push_back(static_cast<char>(type.Encode(x)));
    }
    EXPECT_EQ(Sha256Hex(codes), FloatFormats().at(key).get<std::string>()) << key;
  }
}

TEST(SmallFloatTest, EncodesWhatItDecodes) {
  for (const SmallFloat& type : {kE2M1, kE2M3, kE3M2, kE4M3, kE5M2}) {
    for (int code = 0; code < 1 << type.bits(); ++code) {
      const float value = type.Decode(static_cast<uint8_t>(code));
      if (!std::isfinite(value)) continue;
      EXPECT_EQ(type.Encode(value), code);
    }
  }
}

TEST(SmallFloatTest, TiesGoToTheEvenCodeAndTheEndsSaturate) {
  // The boundaries of E2M1, and what a tie becomes.
  constexpr std::pair<float, int> kTies[] = {{0.25f, 0}, {0.75f, 2}, {1.25f, 2}, {1.75f, 4},
                                             {2.5f, 4},  {3.5f, 6},  {5.0f, 6},  {1e30f, 7}};
  for (const auto& [x, code] : kTies) {
    EXPECT_EQ(kE2M1.Encode(x), code) << x;
    EXPECT_EQ(kE2M1.Encode(-x), 8 + code) << x;
  }
  EXPECT_EQ(kE4M3.Encode(449.0f), 0x7E);
  EXPECT_EQ(kE4M3.Encode(1e9f), 0x7E);
  EXPECT_EQ(kE5M2.Encode(-1e9f), 0xFB);
}

EncodedMatrix EncodeRow(std::string_view name, std::initializer_list<float> values, size_t cols) {
  Matrix row(1, cols);
  row.Fill(0.0f);
  std::ranges::copy(values, row.data());
  const Format format = ParseFormat(name).value();
  return format.encode(format, row).value();
}

std::vector<float> FirstValues(const EncodedMatrix& matrix, size_t count) {
  std::vector<float> values(count);
  matrix.format.decode(matrix, 0, 0, values);
  return values;
}

TEST(FloatFormatsTest, WorkedExampleOfFp8) {
  const EncodedMatrix encoded = EncodeRow("fp8_e4m3:tensor", {0.30f, -0.70f, 0.05f, 0.42f}, 4);
  const auto* codes = reinterpret_cast<const uint8_t*>(encoded.codes.data());
  EXPECT_THAT(std::vector(codes, codes + 4), ElementsAre(0x74, 0xFE, 0x60, 0x78));
}

TEST(FloatFormatsTest, WorkedExampleOfMxFp4) {
  const EncodedMatrix encoded = EncodeRow("mxfp4", {0.30f, -0.95f, 0.05f, 0.42f}, 32);
  EXPECT_EQ(static_cast<int>(encoded.scales.data()[0]), 124);
  EXPECT_THAT(FirstValues(encoded, 4), ElementsAre(0.25f, -0.75f, 0.0625f, 0.375f));
}

TEST(FloatFormatsTest, WorkedExampleOfNvFp4) {
  const EncodedMatrix encoded = EncodeRow(
      "nvfp4", {0.30f, -0.70f, 0.05f, 0.42f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2.0f}, 32);
  EXPECT_EQ(static_cast<int>(encoded.scales.data()[0]), 0x72);
  const std::vector<float> values = FirstValues(encoded, 4);
  const float expected[] = {0.3571f, -0.7143f, 0.0595f, 0.4762f};
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(values[i], expected[i], 5e-5);
}

TEST(FloatFormatsTest, EncodesToTheCodesAndScalesOfTheGoldens) {
  const nlohmann::json made = FloatFormats();
  const auto halves = golden::Array<F16>(made.at("weights_f16"));
  Matrix weights(made.at("rows"), made.at("cols"));
  ToFloat(halves, weights.flat());
  for (const nlohmann::json& one : made.at("formats")) {
    const Format format = ParseFormat(one.at("name").get<std::string>()).value();
    const EncodedMatrix encoded = format.encode(format, weights).value();
    EXPECT_THAT(format.unpack(encoded).codes,
                ElementsAreArray(golden::Array<uint8_t>(one.at("codes_u8"))))
        << format.name;
    const auto scales = golden::Array<std::byte>(one.at("scales"));
    EXPECT_THAT(encoded.scales.span(), ElementsAreArray(scales)) << format.name;
  }
}

}  // namespace
}  // namespace bitloss
