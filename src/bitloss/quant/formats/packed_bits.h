// Codes of 2 to 8 bits packed without gaps: code i of a run lies at bit bits * i, low bits first.
#ifndef BITLOSS_QUANT_FORMATS_PACKED_BITS_H_
#define BITLOSS_QUANT_FORMATS_PACKED_BITS_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "bitloss/base/check.h"

namespace bitloss {

constexpr size_t PackedBytes(size_t num_codes, int bits) {
  return (num_codes * static_cast<size_t>(bits) + 7) / 8;
}

// Requires: out holds PackedBytes(codes.size(), bits).
inline void PackBits(std::span<const uint8_t> codes, int bits, uint8_t* out) {
  uint64_t pending = 0;  // low bits first
  int num_pending = 0;
  for (const uint8_t code : codes) {
    pending |= uint64_t{code} << num_pending;
    num_pending += bits;
    for (; num_pending >= 8; num_pending -= 8, pending >>= 8) {
      *out++ = static_cast<uint8_t>(pending);
    }
  }
  if (num_pending > 0) *out = static_cast<uint8_t>(pending);
}

// Codes [first, first + out.size()) of a run.
inline void UnpackBits(const uint8_t* packed, int bits, size_t first, std::span<uint8_t> out) {
  const unsigned mask = (1u << bits) - 1u;
  size_t bit = first * static_cast<size_t>(bits);
  for (uint8_t& code : out) {
    const size_t byte = bit / 8;
    const size_t shift = bit % 8;
    unsigned value = unsigned{packed[byte]} >> shift;
    if (shift + static_cast<size_t>(bits) > 8) value |= unsigned{packed[byte + 1]} << (8 - shift);
    code = static_cast<uint8_t>(value & mask);
    bit += static_cast<size_t>(bits);
  }
}

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_PACKED_BITS_H_
