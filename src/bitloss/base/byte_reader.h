#ifndef BITLOSS_BASE_BYTE_READER_H_
#define BITLOSS_BASE_BYTE_READER_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "bitloss/base/result.h"

namespace bitloss {

// Reads little-endian values from a byte range, and never past its end. Every failure names the
// offset, so that a bad file can be opened at the right place.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <class T>
  requires std::is_arithmetic_v<T> Result<T> Read() {
    static_assert(std::endian::native == std::endian::little);
    BITLOSS_TRY(const std::span<const std::byte> raw, Take(sizeof(T)));
    T value;
    std::memcpy(&value, raw.data(), sizeof(T));
    return value;
  }

  Result<std::span<const std::byte>> Take(uint64_t num_bytes) {
    if (num_bytes > remaining()) {
      return BadInput("at byte {}: need {} bytes, but only {} are left", offset_, num_bytes,
                      remaining());
    }
    const auto taken = bytes_.subspan(offset_, num_bytes);
    offset_ += num_bytes;
    return taken;
  }

  size_t offset() const { return offset_; }
  size_t remaining() const { return bytes_.size() - offset_; }

 private:
  std::span<const std::byte> bytes_;
  size_t offset_ = 0;  // <= bytes_.size()
};

}  // namespace bitloss

#endif  // BITLOSS_BASE_BYTE_READER_H_
