// Element types of stored tensors, and the two 16-bit floats.
#ifndef BITLOSS_TENSOR_DTYPE_H_
#define BITLOSS_TENSOR_DTYPE_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace bitloss {

// Types whose elements have whole bytes; block types are formats (quant/).
enum class DType { kF64, kF32, kF16, kBF16, kF8E4M3, kI64, kI32, kI16, kI8, kU8, kBool };

constexpr size_t BytesPerElement(DType dtype) {
  switch (dtype) {
    case DType::kF64:
    case DType::kI64:
      return 8;
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kF16:
    case DType::kBF16:
    case DType::kI16:
      return 2;
    case DType::kF8E4M3:
    case DType::kI8:
    case DType::kU8:
    case DType::kBool:
      return 1;
  }
  return 0;
}

// As safetensors spells it: "F16", "BF16", ...
std::string_view Name(DType dtype);

// IEEE 754 binary16, as bits.
struct F16 {
  uint16_t bits = 0;
  friend bool operator==(F16, F16) = default;
};
inline constexpr float kMaxF16 = 65504.0f;

// The upper half of an IEEE 754 binary32.
struct BF16 {
  uint16_t bits = 0;
  friend bool operator==(BF16, BF16) = default;
};

// Exact.
float ToFloat(F16 value);
constexpr float ToFloat(BF16 value) { return std::bit_cast<float>(uint32_t{value.bits} << 16); }

// To nearest, ties to even; overflow to infinity; NaN stays NaN (quieted).
F16 RoundToF16(float value);
BF16 RoundToBF16(float value);

// The value after a round trip through the narrower type.
inline float ThroughF16(float value) { return ToFloat(RoundToF16(value)); }
inline float ThroughBF16(float value) { return ToFloat(RoundToBF16(value)); }

// Whole rows. Requires: equal lengths.
void ToFloat(std::span<const F16> in, std::span<float> out);
void RoundToF16(std::span<const float> in, std::span<F16> out);

}  // namespace bitloss

#endif  // BITLOSS_TENSOR_DTYPE_H_
