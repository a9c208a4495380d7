// Arrays of numbers as blobs: the elements one after the other, little-endian, nothing else. An
// empty array is an empty blob.
#ifndef BITLOSS_STORE_BLOBS_H_
#define BITLOSS_STORE_BLOBS_H_

#include <bit>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include "bitloss/base/result.h"

namespace bitloss {

static_assert(std::endian::native == std::endian::little);

// The bytes of `array`, in place.
template <class T>
requires std::is_arithmetic_v<T> std::span<const std::byte> AsBlob(const std::vector<T>& array) {
  return std::as_bytes(std::span(array));
}

// A copy of the elements. kBadInput if the blob does not hold whole elements.
template <class T>
requires std::is_arithmetic_v<T> Result<std::vector<T>> FromBlob(std::span<const std::byte> blob) {
  if (blob.size() % sizeof(T) != 0) {
    return BadInput("a blob of {} bytes does not hold elements of {} bytes", blob.size(),
                    sizeof(T));
  }
  std::vector<T> array(blob.size() / sizeof(T));
  if (!blob.empty()) std::memcpy(array.data(), blob.data(), blob.size());
  return array;
}

// Flags (0 or 1) as the bits of bytes, the first in the lowest.
inline std::vector<uint8_t> PackBits(std::span<const uint8_t> flags) {
  std::vector<uint8_t> bytes((flags.size() + 7) / 8);
  for (size_t i = 0; i < flags.size(); ++i) {
    bytes[i / 8] = static_cast<uint8_t>(bytes[i / 8] | ((flags[i] & 1u) << (i % 8)));
  }
  return bytes;
}

// Requires: `bytes` holds `count` bits.
inline std::vector<uint8_t> UnpackBits(std::span<const uint8_t> bytes, size_t count) {
  std::vector<uint8_t> flags(count);
  for (size_t i = 0; i < count; ++i) flags[i] = (bytes[i / 8] >> (i % 8)) & 1u;
  return flags;
}

}  // namespace bitloss

#endif  // BITLOSS_STORE_BLOBS_H_
