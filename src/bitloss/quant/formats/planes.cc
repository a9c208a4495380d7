#include "bitloss/quant/formats/planes.h"

#include <bit>
#include <cstdint>

namespace bitloss {
namespace {

constexpr uint32_t kExponent = 0x7F800000u;  // all ones: NaN or infinity

bool IsFinite(float value) { return (std::bit_cast<uint32_t>(value) & kExponent) != kExponent; }

// No early exit, since rows are nearly always finite, and a sum, since compilers can use vectors.
bool AllFinite(std::span<const float> row) {
  uint32_t num_infinite = 0;
  for (const float value : row) num_infinite += IsFinite(value) ? 0 : 1;
  return num_infinite == 0;
}

}  // namespace

Status CheckFinite(ConstMatrixView weights) {
  for (size_t row = 0; row < weights.rows; ++row) {
    const std::span<const float> values = weights.Row(row);
    if (AllFinite(values)) continue;
    for (size_t col = 0; col < values.size(); ++col) {
      if (IsFinite(values[col])) continue;
      return BadInput("the weight at row {}, column {} is {}; only finite weights can be encoded",
                      row, col, values[col]);
    }
  }
  return Ok();
}

}  // namespace bitloss
