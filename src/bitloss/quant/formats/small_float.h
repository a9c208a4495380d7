// Floats of at most eight bits, as bits: sign, exponent, mantissa.
//
//   name   bits  exponent (bias)  mantissa  largest       smallest normal / subnormal
//   E2M1   4     2 (1)            1         6             1 / 0.5
//   E2M3   6     2 (1)            3         7.5           1 / 0.125
//   E3M2   6     3 (3)            2         28            0.25 / 0.0625
//   E4M3   8     4 (7)            3         448 (0x7E)    2^-6 / 2^-9; 0x7F and 0xFF are NaN
//   E5M2   8     5 (15)           2         57344 (0x7B)  2^-14 / 2^-16; 0x7C infinity, then NaN
//
// (Source: OCP 8-bit floating point specification 1.0, OCP Microscaling formats 1.0.)
#ifndef BITLOSS_QUANT_FORMATS_SMALL_FLOAT_H_
#define BITLOSS_QUANT_FORMATS_SMALL_FLOAT_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "bitloss/quant/formats/round_to_even.h"

namespace bitloss {

struct SmallFloat {
  int exponent_bits;
  int mantissa_bits;
  int bias;
  uint8_t largest;  // bits of the largest finite value; those above it are infinity and NaN
  bool has_infinity;

  int bits() const { return 1 + exponent_bits + mantissa_bits; }
  // floor(log2(largest)): what OCP calls emax.
  int largest_exponent() const { return (largest >> mantissa_bits) - bias; }

  float Decode(uint8_t code) const {
    const int magnitude_bits = exponent_bits + mantissa_bits;
    const int magnitude = code & ((1 << magnitude_bits) - 1);
    const float sign = code >> magnitude_bits & 1 ? -1.0f : 1.0f;
    if (magnitude > largest) {
      return has_infinity && magnitude == largest + 1
                 ? sign * std::numeric_limits<float>::infinity()
                 : std::numeric_limits<float>::quiet_NaN();
    }
    const int exponent = magnitude >> mantissa_bits;
    const int mantissa = magnitude & ((1 << mantissa_bits) - 1);
    const int whole = exponent == 0 ? mantissa : mantissa | 1 << mantissa_bits;
    return sign *
           std::ldexp(static_cast<float>(whole), std::max(exponent, 1) - bias - mantissa_bits);
  }

  // To nearest, ties to even; beyond the largest value, the largest. A value that rounds to zero
  // keeps its sign. Requires: x is a number.
  uint8_t Encode(float x) const {
    const uint32_t bits_of_x = std::bit_cast<uint32_t>(x);
    const uint32_t sign = bits_of_x >> 31 << (exponent_bits + mantissa_bits);
    const uint32_t magnitude = bits_of_x & 0x7FFFFFFFu;
    const auto smallest_normal = static_cast<uint32_t>(128 - bias) << 23;
    const uint32_t shift = static_cast<uint32_t>(23 - mantissa_bits);
    uint32_t code;
    if (magnitude < smallest_normal) {
      const float steps = std::ldexp(1.0f, bias - 1 + mantissa_bits);
      code = static_cast<uint32_t>(RoundToEven(std::bit_cast<float>(magnitude) * steps));
    } else {
      const uint32_t rounded = magnitude + ((1u << (shift - 1)) - 1) + (magnitude >> shift & 1);
      code = (rounded >> shift) - (static_cast<uint32_t>(127 - bias) << mantissa_bits);
    }
    return static_cast<uint8_t>(sign | std::min<uint32_t>(code, largest));
  }

  // The values of all codes.
  std::array<float, 256> Table() const {
    std::array<float, 256> table{};
    for (size_t code = 0; code < size_t{1} << bits(); ++code) {
      table[code] = Decode(static_cast<uint8_t>(code));
    }
    return table;
  }
};

inline constexpr SmallFloat kE2M1 = {2, 1, 1, 0x07, false};
inline constexpr SmallFloat kE2M3 = {2, 3, 1, 0x1F, false};
inline constexpr SmallFloat kE3M2 = {3, 2, 3, 0x1F, false};
inline constexpr SmallFloat kE4M3 = {4, 3, 7, 0x7E, false};
inline constexpr SmallFloat kE5M2 = {5, 2, 15, 0x7B, true};

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_SMALL_FLOAT_H_
