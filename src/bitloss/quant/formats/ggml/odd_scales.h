// The scales of a block's sub-blocks as ggml's lattice formats store them: odd multiples of one
// float.
#ifndef BITLOSS_QUANT_FORMATS_GGML_ODD_SCALES_H_
#define BITLOSS_QUANT_FORMATS_GGML_ODD_SCALES_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bitloss/quant/formats/ggml/lattice_search.h"

namespace bitloss {

template <size_t kCount>
struct OddScales {
  float d = 0.0f;                          // 0: all scales are
  std::array<uint8_t, kCount> integers{};  // scale = d * (2 * integer + 1)
};

// The largest becomes `largest_odd` times d, the others the nearest odd multiples.
template <size_t kCount>
OddScales<kCount> RoundOddScales(const std::array<float, kCount>& scales, int largest_odd) {
  OddScales<kCount> rounded;
  const float largest = std::ranges::max(scales);
  if (!(largest > 0.0f)) return rounded;
  rounded.d = largest / static_cast<float>(largest_odd);
  const float inverse = 1 / rounded.d;
  for (size_t s = 0; s < kCount; ++s) {
    rounded.integers[s] = NearestLevel(inverse * scales[s], largest_odd / 2);
  }
  return rounded;
}

// Field `index` of those of T's size, little-endian.
template <class T, size_t kBytes>
void PutField(T value, std::array<uint8_t, kBytes>& bytes, size_t index) {
  std::memcpy(bytes.data() + index * sizeof(T), &value, sizeof(T));
}

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_GGML_ODD_SCALES_H_
