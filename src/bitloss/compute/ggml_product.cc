#include "bitloss/compute/ggml_product.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "bitloss/tensor/dtype.h"

namespace bitloss {

Result<GgmlWeights> UnpackGgml(const EncodedMatrix& weights) {
  const std::string& name = weights.format.name;
  if (weights.format.unpack == nullptr) {
    return Unsupported("format '{}' has no integer codes for a product of blocks", name);
  }
  const GroupedCodes grouped = weights.format.unpack(weights);
  if (grouped.group_size != kGgmlBlock || weights.cols % kGgmlBlock != 0) {
    return Unsupported("format '{}' does not have a scale for each block of {} weights", name,
                       kGgmlBlock);
  }
  GgmlWeights result{
      .codes = std::vector<int8_t>(grouped.codes.size()), .scales = grouped.scales, .offsets = {}};
  if (grouped.kind == GroupedCodes::Kind::kOffset) result.offsets = grouped.zeros;
  for (size_t i = 0; i < grouped.codes.size(); ++i) {
    const auto code = static_cast<float>(grouped.codes[i]);
    const float value = grouped.kind == GroupedCodes::Kind::kTable ? grouped.table[grouped.codes[i]]
                        : grouped.kind == GroupedCodes::Kind::kZeroPoint
                            ? code - grouped.zeros[i / kGgmlBlock]
                            : code;
    if (value != std::nearbyint(value) || value < -128 || value > 127) {
      return Unsupported("format '{}': a code means {}, which is not a whole number of 8 bits",
                         name, value);
    }
    result.codes[i] = static_cast<int8_t>(value);
  }
  return result;
}

GgmlScales RoundGgmlBlock(std::span<const float, kGgmlBlock> x,
                          std::span<float, kGgmlBlock> codes) {
  float absmax = 0.0f;
  bool finite = true;
  for (const float value : x) {
    finite &= std::isfinite(value);
    absmax = std::max(absmax, std::abs(value));
  }
  if (!finite) {
    std::ranges::fill(codes, 0.0f);
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    return {kNan, kNan};
  }
  const float scale = absmax / 127.0f;
  const float inverse = absmax == 0.0f ? 0.0f : 127.0f / absmax;
  float sum = 0.0f;  // of whole numbers: exact
  for (size_t i = 0; i < kGgmlBlock; ++i) {
    codes[i] = std::nearbyint(x[i] * inverse);
    sum += codes[i];
  }
  return {ThroughF16(scale), ThroughF16(scale * sum)};
}

}  // namespace bitloss
