// W8A8, the products of ggml's blocks and of rounded inputs: by hand, against the reference, on
// every instruction set.
#include <gmock/gmock.h>

#include <cmath>

#include "bitloss/compute/compute_test_inputs.h"
#include "bitloss/compute/ggml_product.h"
#include "bitloss/compute/instruction_set.h"
#include "bitloss/compute/w8a8.h"
#include "bitloss/tensor/dtype.h"

namespace bitloss {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;

struct Case {
  std::string_view format;
  Execution execution;
};

std::vector<Case> Cases() {
  const Execution dynamic{.kind = Execution::Kind::kW8A8};
  const Execution fixed{
      .kind = Execution::Kind::kW8A8, .static_activations = true, .activation_scale = 0.005f};
  const Execution ggml{.kind = Execution::Kind::kGgml};
  const auto rounded = [](std::string_view name) {
    Execution execution = ParseExecution(name, 6.0f).value();
    if (execution.static_activations) execution.activation_scale = ScaleOfInputs(execution, 0.8f);
    return execution;
  };
  return {{"int8_row", dynamic},
          {"int8_row", fixed},
          {"q4_0", ggml},
          {"q4_1", ggml},
          {"q5_0", ggml},
          {"q5_1", ggml},
          {"q8_0", ggml},
          {"iq4_nl", ggml},
          {"q4_k", ggml},
          {"mxfp4_gguf", ggml},
          {"int8_row", rounded("w8a8:asym")},
          {"fp8_e4m3:row", rounded("fp8")},
          {"fp8_e4m3:tensor", rounded("fp8:static")},
          {"fp8_e4m3:block", rounded("fp8:block")},
          {"nvfp4", rounded("nvfp4")},
          {"mxfp4", rounded("mxfp4")}};
}

EncodedMatrix Encode(std::string_view format_name, ConstMatrixView weights) {
  const Format format = ParseFormat(format_name).value();
  return format.encode(format, weights).value();
}

Matrix Multiply(const Backend& backend, const Case& tested, ConstMatrixView weights,
                std::span<const float> bias, ConstMatrixView x) {
  const auto packed = backend.Pack(Encode(tested.format, weights), tested.execution).value();
  Matrix y(x.rows, weights.rows);
  backend.MatMul(*packed, AsTensor(bias), AsTensor(x), Calls(x.rows, x.rows), AsTensor(y));
  return y;
}

// Each operation of the product rounds once: at most one for each block, and a few more.
TEST(IntegerProductsTest, AgreeWithTheReferenceOnEveryInstructionSet) {
  const auto reference = MakeReferenceBackend();
  for (const Case& tested : Cases()) {
    const Matrix weights = RandomMatrix(100, 256, "weights");
    const Matrix x = RandomMatrix(13, 256, "x");
    const std::vector<float> bias = RandomVector(100, "bias");
    const Matrix expected = Multiply(*reference, tested, weights, bias, x);
    for (const std::string& name : CpuInstructionSets()) {
      ThreadPool threads(2);
      const auto backend = MakeCpuBackend(threads, name).value();
      const Matrix y = Multiply(*backend, tested, weights, bias, x);
      for (size_t i = 0; i < y.flat().size(); ++i) {
        ASSERT_NEAR(y.flat()[i], expected.flat()[i], 40 * 256 * kEpsilon) << tested.format << name;
      }
    }
  }
}

TEST(IntegerProductsTest, AreTheSameBitsForAnyInstructionSetThreadsAndBatch) {
  for (const Case& tested : Cases()) {
    const Matrix weights = RandomMatrix(70, 96, "weights");
    const Matrix x = RandomMatrix(9, 96, "x");
    const std::vector<float> bias = RandomVector(70, "bias");
    ThreadPool one(1);
    const Matrix expected = Multiply(*MakeCpuBackend(one).value(), tested, weights, bias, x);
    for (const std::string& name : CpuInstructionSets()) {
      ThreadPool threads(3);
      const auto backend = MakeCpuBackend(threads, name).value();
      EXPECT_THAT(Multiply(*backend, tested, weights, bias, x).flat(),
                  ElementsAreArray(expected.flat()))
          << tested.format << name;
      for (size_t row = 0; row < x.rows(); ++row) {
        EXPECT_THAT(Multiply(*backend, tested, weights, bias, x.view().Rows(row, row + 1)).flat(),
                    ElementsAreArray(expected.Row(row)))
            << tested.format << name;
      }
    }
  }
}

TEST(IntegerProductsTest, W8A8ByHand) {
  // absmax 2: scale 2 / 127, codes 127, -64 (-63.5 to even), 32 (31.75), 0.
  const std::vector<float> x = {2.0f, -1.0f, 0.5f, 0.0f};
  std::vector<float> codes(4);
  EXPECT_EQ(RoundToInt8(x, {.kind = Execution::Kind::kW8A8}, codes), 2.0f / 127.0f);
  EXPECT_THAT(codes, ElementsAre(127, -64, 32, 0));
  // A static scale cuts off what is larger than calibration saw.
  const Execution fixed{
      .kind = Execution::Kind::kW8A8, .static_activations = true, .activation_scale = 0.01f};
  EXPECT_EQ(RoundToInt8(x, fixed, codes), 0.01f);
  EXPECT_THAT(codes, ElementsAre(127, -100, 50, 0));
}

TEST(IntegerProductsTest, GgmlBlocksByHand) {
  std::array<float, kGgmlBlock> x{};
  x[0] = -2.0f;
  x[1] = 1.0f;
  x[31] = 0.5f;
  std::array<float, kGgmlBlock> codes;
  const GgmlScales scales = RoundGgmlBlock(x, codes);
  EXPECT_EQ(codes[0], -127.0f);
  EXPECT_EQ(codes[1], 64.0f);  // 63.5 to even
  EXPECT_EQ(codes[31], 32.0f);
  EXPECT_EQ(scales.scale, ThroughF16(2.0f / 127.0f));
  EXPECT_EQ(scales.sum, ThroughF16(2.0f / 127.0f * -31.0f));
}

TEST(IntegerProductsTest, RowsThatAreNotFiniteBecomeNaNAndOthersStay) {
  for (const Case& tested : Cases()) {
    const Matrix weights = RandomMatrix(8, 64, "weights");
    Matrix x = RandomMatrix(3, 64, "x");
    x.Row(1)[40] = std::numeric_limits<float>::infinity();
    ThreadPool threads(1);
    const Matrix y = Multiply(*MakeCpuBackend(threads).value(), tested, weights, {}, x);
    EXPECT_TRUE(std::isfinite(y.Row(0)[3]) && std::isfinite(y.Row(2)[3])) << tested.format;
    EXPECT_TRUE(std::isnan(y.Row(1)[3])) << tested.format;
  }
}

TEST(IntegerProductsTest, RefuseFormatsWithoutWholeCodesInBlocksOf32) {
  const auto reference = MakeReferenceBackend();
  const auto packed = reference->Pack(Encode("int4_group:64", RandomMatrix(8, 64, "weights")),
                                      {.kind = Execution::Kind::kGgml});
  EXPECT_EQ(packed.error().kind, ErrorKind::kUnsupported);
  EXPECT_THAT(packed.error().message, HasSubstr("does not have a scale for each block of 32"));
}

// Products that share their inputs round them once if they round alike, each for itself if not.
TEST(RoundedInputsTest, SharedInputsGiveTheBitsOfEachAlone) {
  ThreadPool threads(2);
  const auto backend = MakeCpuBackend(threads).value();
  const Matrix x = RandomMatrix(5, 96, "x");
  const Matrix weights = RandomMatrix(70, 96, "weights");
  for (const float other_scale : {0.004f, 0.001f}) {
    std::vector<std::unique_ptr<PackedMatrix>> packed;
    std::vector<Matrix> alone, together;
    for (const float scale : {0.004f, other_scale}) {
      Execution execution = ParseExecution("fp8:static", 6.0f).value();
      execution.activation_scale = scale;
      packed.push_back(backend->Pack(Encode("fp8_e4m3:tensor", weights), execution).value());
      alone.emplace_back(x.rows(), weights.rows());
      together.emplace_back(x.rows(), weights.rows());
      backend->MatMul(*packed.back(), {}, AsTensor(x), Calls(5, 5), AsTensor(alone.back()));
    }
    const Backend::Product products[] = {{packed[0].get(), {}, AsTensor(together[0])},
                                         {packed[1].get(), {}, AsTensor(together[1])}};
    backend->MatMuls(products, AsTensor(x), Calls(5, 5));
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_THAT(together[i].flat(), ElementsAreArray(alone[i].flat()));
    }
    // Rounding is by the scale that each was packed with.
    EXPECT_EQ(std::ranges::equal(alone[0].flat(), alone[1].flat()), other_scale == 0.004f);
  }
}

}  // namespace
}  // namespace bitloss
