#include "bitloss/tensor/tensor_view.h"

namespace bitloss {

std::optional<uint64_t> NumElements(std::span<const uint64_t> shape) {
  uint64_t count = 1;
  for (const uint64_t extent : shape) {
    if (__builtin_mul_overflow(count, extent, &count)) return std::nullopt;
  }
  return count;
}

std::optional<uint64_t> NumBytes(DType dtype, std::span<const uint64_t> shape) {
  const std::optional<uint64_t> count = NumElements(shape);
  uint64_t bytes = 0;
  if (!count || __builtin_mul_overflow(*count, uint64_t{BytesPerElement(dtype)}, &bytes)) {
    return std::nullopt;
  }
  return bytes;
}

}  // namespace bitloss
