#include "bitloss/quant/formats/block4/nested_absmax.h"

#include <algorithm>
#include <cmath>

#include "bitloss/base/sum.h"

namespace bitloss {
namespace {

// torch.linspace(0.1, 1, count) in float32: from both ends, each with one fused step.
float Boundary(size_t i, size_t count) {
  const float step = (1.0f - 0.1f) / static_cast<float>(count - 1);
  if (i < count / 2) return std::fma(step, static_cast<float>(i), 0.1f);
  return std::fma(-step, static_cast<float>(count - 1 - i), 1.0f);
}

std::array<float, 256> MakeDynamicMap() {
  constexpr std::array<float, 7> kDecades = {1e-6f, 1e-5f, 1e-4f, 1e-3f, 1e-2f, 1e-1f, 1e0f};
  std::array<float, 256> map{};
  size_t size = 0;
  for (size_t e = 0; e < kDecades.size(); ++e) {
    const size_t num_centres = size_t{1} << e;
    for (size_t j = 0; j < num_centres; ++j) {
      const float centre = (Boundary(j, num_centres + 1) + Boundary(j + 1, num_centres + 1)) / 2.0f;
      map[size++] = kDecades[e] * centre;
      map[size++] = -kDecades[e] * centre;
    }
  }
  map[size++] = 0.0f;
  map[size++] = 1.0f;
  BITLOSS_CHECK(size == map.size());
  std::ranges::sort(map);
  return map;
}

// The entry nearest to point i of the grid; on a midpoint the lower.
uint8_t NearestToGridPoint(size_t i) {
  const std::array<float, 256>& map = DynamicMap();
  const float v = static_cast<float>(i) / 65535.0f * 2.0f - 1.0f;
  size_t code = 0;
  for (size_t step = 128; step > 0; step /= 2) {
    const size_t below = code + step - 1;
    if (v > (map[below] + map[below + 1]) / 2.0f) code += step;
  }
  return static_cast<uint8_t>(code);
}

// Requires: v in [-1, 1].
uint8_t DynamicCode(float v) {
  return NearestToGridPoint(static_cast<size_t>((v + 1.0f) * 0.5f * 65535.0f + 0.5f));
}

float Decoded(uint8_t code, float a2, float offset) { return DynamicMap()[code] * a2 + offset; }

}  // namespace

const std::array<float, 256>& DynamicMap() {
  static const std::array<float, 256> kMap = MakeDynamicMap();
  return kMap;
}

float NestedAbsMax::At(size_t block) const {
  return Decoded(codes[block], a2[block / kNestedBlock], offset);
}

NestedAbsMax EncodeAbsMax(std::span<const float> absmax, float offset) {
  NestedAbsMax nested{.codes = {}, .a2 = {}, .offset = offset};
  for (size_t first = 0; first < absmax.size(); first += kNestedBlock) {
    const auto block = absmax.subspan(first, std::min(kNestedBlock, absmax.size() - first));
    float a2 = 0.0f;
    for (const float value : block) a2 = std::max(a2, std::abs(value - offset));
    const float reciprocal = a2 == 0.0f ? 0.0f : 1.0f / a2;
    for (const float value : block) {
      const float v = std::clamp((value - offset) * reciprocal, -1.0f, 1.0f);
      nested.codes.push_back(DynamicCode(v));
    }
    nested.a2.push_back(a2);
  }
  return nested;
}

NestedAbsMax EncodeAbsMaxAboutMean(std::span<const float> absmax) {
  Sum sum;
  for (const float value : absmax) sum.Add(value);
  return EncodeAbsMax(absmax, static_cast<float>(sum.Total() / static_cast<double>(absmax.size())));
}

float NestedAbsMaxOf(const EncodedMatrix& matrix, size_t block) {
  const size_t num_nested = matrix.extra.size() / sizeof(float) - 1;
  return Decoded(LoadAt<uint8_t>(matrix.scales, block),
                 LoadAt<float>(matrix.extra, block / kNestedBlock),
                 LoadAt<float>(matrix.extra, num_nested));
}

}  // namespace bitloss
