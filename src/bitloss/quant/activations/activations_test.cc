// Rounded activations against compressed-tensors' fake quantization and llama.cpp's own functions
// (testdata/activation_roundings.json, ggml_rows.json), and how schemes name them.
#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "bitloss/quant/formats/ggml/ggml_format.h"
#include "bitloss/quant/scheme.h"
#include "bitloss/quant/testdata/golden_json.h"

namespace bitloss {
namespace {

using nlohmann::json;
using testing::ElementsAreArray;
using testing::HasSubstr;

const ActivationRounding& RoundingNamed(std::string_view name) {
  return *std::ranges::find(ActivationRoundings(), name, &ActivationRounding::name);
}

Matrix Rounded(const ActivationRounding& rounding, float scale, const Matrix& x) {
  Matrix rows(x.rows(), x.cols());
  std::ranges::copy(x.flat(), rows.data());
  for (size_t row = 0; row < rows.rows(); ++row) ApplyRounding(rounding, scale, rows.Row(row));
  return rows;
}

float LargestOf(const Matrix& x) {
  float largest = 0;
  for (const float value : x.flat()) largest = std::max(largest, std::abs(value));
  return largest;
}

TEST(ActivationsTest, AreThoseOfCompressedTensors) {
  const json golden = golden::Read("activation_roundings.json");
  const Matrix x = golden::MatrixOf(golden, "x");
  ASSERT_EQ(golden.at("roundings").size(), 9u);
  for (const json& one : golden.at("roundings")) {
    const auto name = one.at("name").get<std::string>();
    const ActivationRounding& rounding = RoundingNamed(name);
    const float scale = golden::Array<float>(one.at("scale_f32"))[0];
    if (rounding.scale_for != nullptr) {
      // What is calibrated with three quarters of the rows cuts some off; nvfp4 saw them whole.
      const float seen = name == "nvfp4" ? 1.0f : 0.75f;
      EXPECT_EQ(rounding.scale_for(LargestOf(x) * seen), scale) << name;
    }
    EXPECT_THAT(Rounded(rounding, scale, x).flat(),
                ElementsAreArray(golden::Array<float>(one.at("rounded_f32"))))
        << name;
  }
}

TEST(ActivationsTest, Int8StepsAreThoseOfEachEngine) {
  const auto rounded = [](std::string_view name, std::vector<float> row) {
    ApplyRounding(RoundingNamed(name), 0.0f, row);
    return row;
  };
  // 127 steps of 1/64: 0.3 is 19.2 steps. 127.5 to the largest: 0.3 is 19.28 of them.
  const float largest = 127.0f / 64.0f;
  EXPECT_THAT(rounded("w4a8", {largest, 0.3f}), ElementsAreArray({largest, 19.0f / 64.0f}));
  EXPECT_FLOAT_EQ(rounded("w4a8:ct", {largest, 0.3f})[0], largest * 127.0f / 127.5f);
  // From 1 to 3.55 in 255 steps of 0.01; 0 is not among them. The zero point is -128 - 100.
  const std::vector<float> apart = rounded("w8a8:asym", {1.0f, 3.55f, 1.234f});
  EXPECT_NEAR(apart[0], 1.0f, 1e-6);
  EXPECT_NEAR(apart[1], 3.55f, 1e-6);
  EXPECT_NEAR(apart[2], 1.23f, 1e-6);
  EXPECT_THAT(rounded("w8a8:asym", {2.0f, 2.0f}), ElementsAreArray({2.0f, 2.0f}));
}

// Zeros stay zeros, and what is not finite makes its row NaN, in every rounding.
TEST(ActivationsTest, ZerosStayAndWhatIsNotFiniteShows) {
  for (const ActivationRounding& rounding : ActivationRoundings()) {
    const float scale = rounding.scale_for == nullptr ? 0.0f : rounding.scale_for(0.0f);
    std::vector<float> zeros(256, 0.0f);
    ApplyRounding(rounding, scale, zeros);
    EXPECT_THAT(zeros, testing::Each(0.0f)) << rounding.name;
    std::vector<float> row(256, 1.0f);
    row[200] = std::numeric_limits<float>::infinity();
    ApplyRounding(rounding, scale, row);
    EXPECT_TRUE(std::ranges::all_of(row, [](float v) { return std::isnan(v); })) << rounding.name;
  }
}

// ---- llama.cpp

TEST(ActivationsTest, BlocksOf256AreThoseOfLlamaCpp) {
  const json golden = golden::Read("ggml_rows.json");
  const Matrix x = golden::MatrixOf(golden, "x");
  const ActivationRounding& q8_k = *GgmlRoundingFor(ParseFormat("q4_k").value());
  EXPECT_THAT(Rounded(q8_k, 0.0f, x).flat(),
              ElementsAreArray(golden::Array<float>(golden.at("q8_k_f32"))));
}

// Decoded weights times rounded inputs are the products of its loops, but for their additions.
TEST(ActivationsTest, ProductsAreThoseOfLlamaCppsLoops) {
  const json golden = golden::Read("ggml_rows.json");
  const Matrix x = golden::MatrixOf(golden, "x");
  ASSERT_EQ(golden.at("products").size(), 16u);
  for (const json& product : golden.at("products")) {
    std::string name = product.at("name");
    std::ranges::transform(name, name.begin(), [](char c) { return std::toupper(c); });
    const GgmlType& type = *FindGgmlType(name);
    const auto blocks = golden::Array<std::byte>(product.at("blocks"));
    std::vector<float> weights(x.cols());
    type.decode(blocks, weights);
    const Matrix inputs = Rounded(*GgmlRoundingFor(GgmlFormat(type)), 0.0f, x);
    const auto sums = golden::Array<float>(product.at("sums_f32"));
    for (size_t row = 0; row < x.rows(); ++row) {
      double sum = 0, magnitudes = 0;
      for (size_t i = 0; i < weights.size(); ++i) {
        const double term = double{weights[i]} * double{inputs.Row(row)[i]};
        sum += term;
        magnitudes += std::abs(term);
      }
      // Its sums of eight lanes and a few products of scales; the weights' own rounding to float32.
      EXPECT_NEAR(sums[row], sum, 1e-6 * magnitudes) << name << " row " << row;
    }
  }
}

TEST(ActivationsTest, BlocksOf32AreMultipliedAsIntegers) {
  EXPECT_EQ(GgmlRoundingFor(ParseFormat("q4_0").value()), nullptr);
  EXPECT_EQ(GgmlRoundingFor(ParseFormat("nf4").value()), nullptr);
  EXPECT_EQ(GgmlRoundingFor(ParseFormat("f16").value())->name, "f16");
  EXPECT_EQ(GgmlRoundingFor(ParseFormat("mxfp4_gguf").value())->name, "q8_0");
}

// ---- As schemes name them

TEST(ActivationsTest, EveryExecutionHasADefinitionOfItsOwn) {
  std::set<std::string> definitions;
  for (const ExecutionInfo& info : Executions()) {
    const Execution execution =
        info.name.empty() ? Execution{} : ParseExecution(info.name, 6.0f).value();
    EXPECT_EQ(InfoOf(execution).name, info.name);
    EXPECT_TRUE(definitions.insert(DefinitionOf(execution)).second) << info.name;
  }
  EXPECT_EQ(DefinitionOf(ParseExecution("w8a8:static", 6.0f).value()), "@w8a8:static");
  EXPECT_EQ(DefinitionOf(ParseExecution("llm.int8:4", 6.0f).value()), "@llm.int8(4)");
  EXPECT_EQ(DefinitionOf(ParseExecution("fp8:block", 6.0f).value()), "@fp8:block");
}

TEST(ActivationsTest, SchemesSayWhichWeightsTheyMeet) {
  EXPECT_TRUE(ParseScheme("fp8-static").value().execution.static_activations);
  EXPECT_FALSE(ParseScheme("fp8-dynamic").value().execution.static_activations);
  EXPECT_TRUE(ParseScheme("nvfp4-w4a4").value().execution.static_activations);
  EXPECT_EQ(ParseScheme("int4_group:64:asym+awq@w4a8:ct").value().execution.rounding->name,
            "w4a8:ct");
  EXPECT_THAT(ParseScheme("nf4@fp8").error().message,
              HasSubstr("@fp8 rounds what meets weights in fp8_e4m3:row, fp8_e4m3:tensor"));
  EXPECT_THAT(ParseScheme("fp8_e4m3:row@fp8:tensor").error().message,
              HasSubstr("@fp8 has no option 'tensor'; there are @fp8:static, @fp8:block"));
  EXPECT_THAT(ParseScheme("nf4@ggml").error().message, HasSubstr("multiplies GGUF's types"));
  EXPECT_TRUE(ParseScheme("q4_k_m@ggml").ok());
  EXPECT_THAT(ParseScheme("q4_k_m@w8a8").error().message, HasSubstr("with @ggml"));
}

}  // namespace
}  // namespace bitloss
