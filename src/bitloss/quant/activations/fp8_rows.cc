// E4M3 inputs:
//
//   each token   s = max(absmax / 448, 1 / (448 * 512));  code = E4M3(x / s)
//   static       s = the largest of the calibration text / 448;  code = E4M3(x / s),
//                saturating: what is larger than anything calibration saw is cut off
//   blocks       of 128 neighbours: s = max(absmax, 1e-10) / 448;  code = E4M3(x / s)
//
// To nearest even. The last block of a row may be shorter. (Sources: vLLM csrc/quantization/fp8 and
// w8a8/fp8/per_token_group_quant, which multiplies by 1 / s where s is static; compressed-tensors,
// which has no least scales.)
#include <algorithm>
#include <array>
#include <cmath>

#include "bitloss/quant/activations/abs_max.h"
#include "bitloss/quant/activations/activation_rounding.h"
#include "bitloss/quant/formats/small_float.h"

namespace bitloss {
namespace {

constexpr float kLargest = 448.0f;
constexpr float kLeastScale = 1.0f / (kLargest * 512.0f);
constexpr float kLeastOfBlock = 1e-10f;
constexpr size_t kBlock = 128;

float E4M3(float x) {
  static const std::array<float, 256> kTable = kE4M3.Table();
  return kTable[kE4M3.Encode(x)];
}

void RoundBy(float scale, std::span<float> row) {
  for (float& value : row) value = E4M3(value / scale) * scale;
}

void RoundToken(float, std::span<float> row) {
  RoundBy(std::max(AbsMax(row) / kLargest, kLeastScale), row);
}

void RoundBlocks(float, std::span<float> row) {
  for (size_t at = 0; at < row.size(); at += kBlock) {
    const std::span<float> block = row.subspan(at, std::min(kBlock, row.size() - at));
    RoundBy(std::max(AbsMax(block), kLeastOfBlock) / kLargest, block);
  }
}

float StaticScale(float largest) { return largest / kLargest; }

void RoundStatic(float scale, std::span<float> row) {
  if (scale == 0.0f) {  // calibration saw zeros only
    std::ranges::fill(row, 0.0f);
    return;
  }
  RoundBy(scale, row);
}

constexpr std::array<std::string_view, 2> kWhole = {"fp8_e4m3:row", "fp8_e4m3:tensor"};
constexpr std::array<std::string_view, 1> kBlocks = {"fp8_e4m3:block"};

}  // namespace

std::span<const ActivationRounding> Fp8Roundings() {
  static const std::array kList = {
      ActivationRounding{"fp8", "E4M3 inputs, a scale for each token", "vLLM; FP8_DYNAMIC", kWhole,
                         nullptr, RoundToken},
      ActivationRounding{"fp8:static", "E4M3 inputs, one scale from calibration, saturating",
                         "vLLM; compressed-tensors FP8", kWhole, StaticScale, RoundStatic},
      ActivationRounding{"fp8:block", "E4M3 inputs, a scale for 128 neighbours of each token",
                         "vLLM; DeepSeek-V3", kBlocks, nullptr, RoundBlocks},
  };
  return kList;
}

}  // namespace bitloss
