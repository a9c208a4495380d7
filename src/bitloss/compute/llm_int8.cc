#include "bitloss/compute/llm_int8.h"

#include <array>
#include <cmath>

namespace bitloss {
namespace {

// The integer that a code stands for in row `row`, if it stands for one.
Result<std::array<int8_t, 256>> IntegersOfRow(const GroupedCodes& grouped, size_t row) {
  std::array<int8_t, 256> integers{};
  const size_t num_codes = size_t{1} << grouped.bits;
  for (size_t code = 0; code < num_codes; ++code) {
    const float value = grouped.kind == GroupedCodes::Kind::kTable
                            ? grouped.table[code]
                            : static_cast<float>(code) - grouped.zeros[row];
    if (value != std::nearbyint(value) || value < -128 || value > 127) {
      return Unsupported("an int8 product needs integer weights in [-128, 127], code {} means {}",
                         code, value);
    }
    integers[code] = static_cast<int8_t>(value);
  }
  return integers;
}

}  // namespace

Result<Int8Weights> UnpackInt8(const EncodedMatrix& weights) {
  const std::string& name = weights.format.name;
  if (weights.format.unpack == nullptr) {
    return Unsupported("format '{}' has no integer codes for an int8 product", name);
  }
  if (weights.cols > kMaxInt8Columns) {
    return Unsupported("rows of {} weights are too long for an int32 sum (at most {})",
                       weights.cols, kMaxInt8Columns);
  }
  const GroupedCodes grouped = weights.format.unpack(weights);
  if (grouped.group_size < weights.cols || grouped.kind == GroupedCodes::Kind::kOffset) {
    return Unsupported("format '{}' has no single scale for each row, as an int8 product needs",
                       name);
  }
  Int8Weights result{.codes = std::vector<int8_t>(weights.rows * weights.cols),
                     .scales = grouped.scales};
  for (size_t row = 0; row < weights.rows; ++row) {
    BITLOSS_TRY(const auto integers, IntegersOfRow(grouped, row));
    const size_t first = row * weights.cols;
    for (size_t i = 0; i < weights.cols; ++i) {
      result.codes[first + i] = integers[grouped.codes[first + i]];
    }
  }
  return result;
}

}  // namespace bitloss
