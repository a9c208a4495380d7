// Inputs in small blocks of floats:
//
//   nvfp4   E2M1, blocks of 16; G = 2688 * (1 / the largest of the calibration text), one for a
//           matrix;  scale = E4M3(G * (absmax / 6)), 0.125 for 0;  code = E2M1(x / (scale / G))
//   mxfp4   E2M1, blocks of 32;  scale = 2^e, e = the exponent of absmax, plus 1 from a mantissa of
//           1.75 on, less 2
//   mxfp8   E4M3, the same less 8
//
// All to nearest even, saturating. (Sources: compressed-tensors 0.20.1 generate_gparam,
// calculate_qparams, generate_mx_scales; vLLM's kernels take approximate inverses for nvfp4.)
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "bitloss/quant/activations/abs_max.h"
#include "bitloss/quant/activations/activation_rounding.h"
#include "bitloss/quant/formats/small_float.h"

namespace bitloss {
namespace {

constexpr size_t kNvBlock = 16;
constexpr size_t kMxBlock = 32;
constexpr float kLargestE2M1 = 6.0f;
constexpr float kLargestE4M3 = 448.0f;
constexpr float kScaleOfZeros = 0.125f;

const std::array<float, 256>& E2M1Values() {
  static const std::array<float, 256> kTable = kE2M1.Table();
  return kTable;
}

const std::array<float, 256>& E4M3Values() {
  static const std::array<float, 256> kTable = kE4M3.Table();
  return kTable;
}

// use(block) for neighbours of a row; the last may be fewer.
template <class Use>
void ForEachBlock(std::span<float> row, size_t size, const Use& use) {
  for (size_t at = 0; at < row.size(); at += size) {
    use(row.subspan(at, std::min(size, row.size() - at)));
  }
}

float GlobalScale(float largest) {
  return largest == 0.0f ? 1.0f : kLargestE2M1 * kLargestE4M3 * (1.0f / largest);
}

void RoundNvFp4(float global, std::span<float> row) {
  ForEachBlock(row, kNvBlock, [&](std::span<float> block) {
    const float wanted = E4M3Values()[kE4M3.Encode(global * (AbsMax(block) / kLargestE2M1))];
    const float scale = (wanted == 0.0f ? kScaleOfZeros : wanted) / global;
    for (float& value : block) value = E2M1Values()[kE2M1.Encode(value / scale)] * scale;
  });
}

// 2^e for a block whose largest magnitude is absmax.
float PowerOfTwoFor(float absmax, int largest_exponent) {
  constexpr uint32_t kFrom175 = 1u << 21;
  constexpr int kBias = 127;
  const auto exponent = static_cast<int>((std::bit_cast<uint32_t>(absmax) + kFrom175) >> 23);
  return std::ldexp(1.0f, std::max(exponent - largest_exponent, 0) - kBias);
}

void RoundMx(const SmallFloat& type, const std::array<float, 256>& values, std::span<float> row) {
  ForEachBlock(row, kMxBlock, [&](std::span<float> block) {
    const float scale = PowerOfTwoFor(AbsMax(block), type.largest_exponent());
    for (float& value : block) value = values[type.Encode(value / scale)] * scale;
  });
}

void RoundMxFp4(float, std::span<float> row) { RoundMx(kE2M1, E2M1Values(), row); }
void RoundMxFp8(float, std::span<float> row) { RoundMx(kE4M3, E4M3Values(), row); }

constexpr std::string_view kSource = "compressed-tensors 0.20.1; vLLM";
constexpr std::array<std::string_view, 1> kNvFp4 = {"nvfp4"};
constexpr std::array<std::string_view, 1> kMxFp4 = {"mxfp4"};
constexpr std::array<std::string_view, 2> kMxFp8 = {"mxfp8:e4m3", "mxfp4"};

}  // namespace

std::span<const ActivationRounding> BlockFloatRoundings() {
  static const std::array kList = {
      ActivationRounding{"nvfp4", "E2M1 inputs, an E4M3 scale for 16, one from calibration for all",
                         kSource, kNvFp4, GlobalScale, RoundNvFp4},
      ActivationRounding{"mxfp4", "E2M1 inputs, a power of two for 32", kSource, kMxFp4, nullptr,
                         RoundMxFp4},
      ActivationRounding{"mxfp8", "E4M3 inputs, a power of two for 32", kSource, kMxFp8, nullptr,
                         RoundMxFp8},
  };
  return kList;
}

}  // namespace bitloss
