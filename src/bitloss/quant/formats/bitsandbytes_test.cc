// The formats that bitsandbytes defined, against what bitsandbytes does
// (testdata/bnb_*.json, made by tools/golden/quant_golden.py).
#include <gmock/gmock.h>

#include <cmath>

#include "bitloss/quant/format.h"
#include "bitloss/quant/formats/block4/nested_absmax.h"
#include "bitloss/quant/formats/fp4/fp4.h"
#include "bitloss/quant/formats/nf4/nf4.h"
#include "bitloss/quant/formats/planes.h"
#include "bitloss/quant/testdata/golden_json.h"

namespace bitloss {
namespace {

using nlohmann::json;
using testing::ElementsAreArray;

// By value: the cases outlive the file that they were read from.
std::vector<json> Cases(const std::string& file, const char* key) {
  auto cases = golden::Read(file).at(key).get<std::vector<json>>();
  EXPECT_FALSE(cases.empty());
  return cases;
}

template <class T>
std::vector<T> PlaneOf(const SharedBytes& plane) {
  std::vector<T> values;
  for (size_t i = 0; i < plane.size() / sizeof(T); ++i) values.push_back(LoadAt<T>(plane, i));
  return values;
}

void ExpectBlock4Golden(const std::string& format_name) {
  const Format format = ParseFormat(format_name).value();
  for (const json& golden : Cases("bnb_4bit.json", "cases")) {
    if (golden.at("blocksize") != kBlock4Weights) continue;
    SCOPED_TRACE(golden.at("name"));
    const Matrix weights = golden::MatrixOf(golden, "weights");
    const EncodedMatrix encoded = format.encode(format, weights).value();
    const json& expected = golden.at(format_name);
    EXPECT_THAT(PlaneOf<uint8_t>(encoded.codes),
                ElementsAreArray(golden::Array<uint8_t>(expected.at("codes_u8"))));
    EXPECT_THAT(PlaneOf<float>(encoded.scales),
                ElementsAreArray(golden::Array<float>(expected.at("absmax_f32"))));
    if (!expected.contains("decoded_f32")) continue;
    const Matrix decoded = Decode(encoded);
    EXPECT_THAT(decoded.flat(), ElementsAreArray(golden::Array<float>(expected.at("decoded_f32"))));
  }
}

TEST(BitsandbytesTest, Nf4CodesAbsmaxAndValuesAreTheirs) { ExpectBlock4Golden("nf4"); }
TEST(BitsandbytesTest, Fp4CodesAbsmaxAndValuesAreTheirs) { ExpectBlock4Golden("fp4"); }

TEST(BitsandbytesTest, LevelsAreTheirs) {
  const json golden = golden::Read("bnb_4bit.json");
  EXPECT_THAT(Nf4Table().levels, ElementsAreArray(golden::Array<float>(golden["nf4_levels_f32"])));
  EXPECT_THAT(Fp4Table().levels, ElementsAreArray(golden::Array<float>(golden["fp4_levels_f32"])));
}

TEST(BitsandbytesTest, DynamicMapIsTheirs) {
  EXPECT_THAT(
      DynamicMap(),
      ElementsAreArray(golden::Array<float>(golden::Read("bnb_nested.json").at("map_f32"))));
}

TEST(BitsandbytesTest, NestedAbsmaxIsTheirsAboutTheSameOffset) {
  for (const json& golden : Cases("bnb_nested.json", "cases")) {
    SCOPED_TRACE(golden.at("name"));
    const auto absmax = golden::Array<float>(golden.at("absmax_f32"));
    const float offset = golden::Array<float>(golden.at("offset_f32")).at(0);
    const NestedAbsMax nested = EncodeAbsMax(absmax, offset);
    EXPECT_THAT(nested.codes, ElementsAreArray(golden::Array<uint8_t>(golden.at("q8_u8"))));
    EXPECT_THAT(nested.a2, ElementsAreArray(golden::Array<float>(golden.at("absmax2_f32"))));
    const auto restored = golden::Array<float>(golden.at("restored_f32"));
    for (size_t block = 0; block < absmax.size(); ++block) {
      EXPECT_EQ(nested.At(block), restored[block]) << "block " << block;
    }
  }
}

// The mean of n float32 values, summed in float32 in any order, is off by at most n * 2^-24 of the
// mean of their magnitudes.
TEST(BitsandbytesTest, OffsetOfNf4DqIsTheirMeanUpToItsSummation) {
  const Format format = ParseFormat("nf4_dq").value();
  for (const json& golden : Cases("bnb_nested.json", "cases")) {
    SCOPED_TRACE(golden.at("name"));
    const auto absmax = golden::Array<float>(golden.at("absmax_f32"));
    Matrix weights(absmax.size(), kBlock4Weights);
    weights.Fill(0.0f);
    for (size_t row = 0; row < weights.rows(); ++row) weights.Row(row)[0] = absmax[row];
    const EncodedMatrix encoded = format.encode(format, weights).value();
    const float offset = PlaneOf<float>(encoded.extra).back();
    const float theirs = golden::Array<float>(golden.at("offset_f32")).at(0);
    EXPECT_NEAR(offset, theirs, static_cast<double>(absmax.size()) * 0x1p-24 * theirs);
  }
}

TEST(BitsandbytesTest, Int8RowCodesAndScalesAreTheirs) {
  const Format format = ParseFormat("int8_row").value();
  for (const json& golden : Cases("bnb_int8.json", "weights")) {
    SCOPED_TRACE(golden.at("name"));
    const EncodedMatrix encoded =
        format.encode(format, golden::MatrixOf(golden, "weights")).value();
    EXPECT_THAT(PlaneOf<int8_t>(encoded.codes),
                ElementsAreArray(golden::Array<int8_t>(golden.at("cb_i8"))));
    EXPECT_THAT(PlaneOf<float>(encoded.scales),
                ElementsAreArray(golden::Array<float>(golden.at("scb_f32"))));
  }
}

// bitsandbytes 0.50.2 on a CPU: int8_vectorwise_quant(tensor([[0.2467041015625,
// 0.12335205078125]]).half()) has codes 127 and 63. The product is 63.5 in exact arithmetic.
TEST(BitsandbytesTest, Int8RowRoundsHalfOfTheAbsmaxAsTorchDivides) {
  Matrix weights(1, 2);
  std::ranges::copy(std::array{0.2467041015625f, 0.12335205078125f}, weights.data());
  const Format format = ParseFormat("int8_row").value();
  const EncodedMatrix encoded = format.encode(format, weights).value();
  EXPECT_THAT(PlaneOf<int8_t>(encoded.codes), testing::ElementsAre(127, 63));
}

// By hand, from the definition: absmax 0.1 in a block of six.
TEST(BitsandbytesTest, Nf4WorkedExample) {
  Matrix weights(1, 6);
  std::ranges::copy(std::array{0.02f, -0.05f, 0.1f, 0.0f, 0.031f, -0.008f}, weights.data());
  const Format format = ParseFormat("nf4").value();
  const EncodedMatrix encoded = format.encode(format, weights).value();
  EXPECT_THAT(PlaneOf<uint8_t>(encoded.codes), testing::ElementsAre(0x92, 0xF7, 0xB6));
}

}  // namespace
}  // namespace bitloss
