// What llama.cpp's CPU kernels multiply with matrices of GGUF:
//
//   blocks of 256   Q8_K: M the first number of largest magnitude; f = -127 / M;
//                   code = min(127, RNE(f x));  d = 1 / f, in float32
//   MXFP4 and other blocks of 32 that are not multiplied as integers
//                   Q8_0: code = RNE(x (127 / absmax));  d = FP16(absmax / 127)
//   F16, BF16       the numbers in that type
//
// An output is then the sum of decoded weights times such inputs: exactly, since minima multiply
// the sums of codes. (Source: ggml-cpu quants.c, quantize_row_q8_K; arch/x86/quants.c,
// quantize_row_q8_0.)
#include <algorithm>
#include <array>
#include <cmath>

#include "bitloss/quant/activations/abs_max.h"
#include "bitloss/quant/activations/activation_rounding.h"
#include "bitloss/quant/formats/ggml/ggml_format.h"
#include "bitloss/quant/formats/round_to_even.h"
#include "bitloss/tensor/dtype.h"

namespace bitloss {
namespace {

constexpr size_t kSuperBlock = 256;
constexpr size_t kBlock = 32;
constexpr float kLargest = 127.0f;

void RoundToQ8K(float, std::span<float> row) {
  for (size_t at = 0; at < row.size(); at += kSuperBlock) {
    const std::span<float> block = row.subspan(at, std::min(kSuperBlock, row.size() - at));
    const float extreme =
        *std::ranges::max_element(block, {}, [](float value) { return std::abs(value); });
    if (extreme == 0.0f) {
      std::ranges::fill(block, 0.0f);
      continue;
    }
    const float factor = -kLargest / extreme;
    const float step = 1.0f / factor;
    for (float& value : block) value = std::min(kLargest, RoundToEven(factor * value)) * step;
  }
}

void RoundEachToQ8_0(float, std::span<float> row) { RoundToQ8_0(row); }

void RoundAllToF16(float, std::span<float> row) {
  for (float& value : row) value = ThroughF16(value);
}

void RoundAllToBF16(float, std::span<float> row) {
  for (float& value : row) value = ThroughBF16(value);
}

constexpr ActivationRounding Of(std::string_view type, void (*round)(float, std::span<float>)) {
  return {.name = type, .summary = "", .source = "ggml-cpu", .formats = {}, .round = round};
}

}  // namespace

void RoundToQ8_0(std::span<float> row) {
  for (size_t at = 0; at < row.size(); at += kBlock) {
    const std::span<float> block = row.subspan(at, std::min(kBlock, row.size() - at));
    const float largest = AbsMax(block);
    const float inverse = largest == 0.0f ? 0.0f : kLargest / largest;
    const float step = ThroughF16(largest / kLargest);
    for (float& value : block) value = RoundToEven(value * inverse) * step;
  }
}

const ActivationRounding* GgmlRoundingFor(const Format& weights) {
  static const ActivationRounding kQ8K = Of("q8_k", RoundToQ8K);
  static const ActivationRounding kQ8_0 = Of("q8_0", RoundEachToQ8_0);
  static const ActivationRounding kF16 = Of("f16", RoundAllToF16);
  static const ActivationRounding kBF16 = Of("bf16", RoundAllToBF16);
  if (weights.name == "f16") return &kF16;
  if (weights.name == "bf16") return &kBF16;
  const GgmlType* type = GgmlTypeOf(weights);
  if (type == nullptr || MultipliesInGgmlBlocks(weights)) return nullptr;
  return type->elements_per_block == kSuperBlock ? &kQ8K : &kQ8_0;
}

}  // namespace bitloss
