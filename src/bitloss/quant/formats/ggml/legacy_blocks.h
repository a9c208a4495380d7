// The ggml formats with one scale for 32 neighbouring weights. `d` and `m` are FP16.
//
//   Q4_0   | d | qs[16]           |   value = d * (q - 8)
//   Q4_1   | d | m | qs[16]       |   value = d * q + m
//   Q5_0   | d | qh[4] | qs[16]   |   value = d * (q - 16)
//   Q5_1   | d | m | qh[4] | qs[16] | value = d * q + m
//   Q8_0   | d | qs[32]           |   value = d * q, q signed
//
// The low half of qs[j] holds weight j, the high half weight j + 16. In the five-bit formats, bit e
// of qh (little-endian, 32 bits) is the fifth bit of weight e.
//
// Any bits are a valid block; an infinite or NaN d gives infinities and NaNs. (Source: ggml
// ggml-common.h, ggml-quants.c.)
#ifndef BITLOSS_QUANT_FORMATS_GGML_LEGACY_BLOCKS_H_
#define BITLOSS_QUANT_FORMATS_GGML_LEGACY_BLOCKS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bitloss/tensor/dtype.h"

namespace bitloss {

inline constexpr size_t kLegacyBlock = 32;  // weights

struct BlockQ4_0 {
  F16 d;
  std::array<uint8_t, kLegacyBlock / 2> qs;
};
static_assert(sizeof(BlockQ4_0) == 18);

struct BlockQ4_1 {
  F16 d;
  F16 m;
  std::array<uint8_t, kLegacyBlock / 2> qs;
};
static_assert(sizeof(BlockQ4_1) == 20);

struct BlockQ5_0 {
  F16 d;
  std::array<uint8_t, 4> qh;
  std::array<uint8_t, kLegacyBlock / 2> qs;
};
static_assert(sizeof(BlockQ5_0) == 22);

struct BlockQ5_1 {
  F16 d;
  F16 m;
  std::array<uint8_t, 4> qh;
  std::array<uint8_t, kLegacyBlock / 2> qs;
};
static_assert(sizeof(BlockQ5_1) == 24);

struct BlockQ8_0 {
  F16 d;
  std::array<int8_t, kLegacyBlock> qs;
};
static_assert(sizeof(BlockQ8_0) == 34);

void Decode(const BlockQ4_0& block, std::span<float, kLegacyBlock> out);
void Decode(const BlockQ4_1& block, std::span<float, kLegacyBlock> out);
void Decode(const BlockQ5_0& block, std::span<float, kLegacyBlock> out);
void Decode(const BlockQ5_1& block, std::span<float, kLegacyBlock> out);
void Decode(const BlockQ8_0& block, std::span<float, kLegacyBlock> out);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_GGML_LEGACY_BLOCKS_H_
