#include "bitloss/quant/formats/ggml/lattice_blocks.h"

#include <bit>
#include <cstring>

#include "bitloss/quant/formats/ggml/lattice_tables.h"

namespace bitloss {
namespace {

template <class T, size_t kBytes>
T FieldAt(const LatticeBytes<kBytes>& bytes, size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

// Half `index` of the bytes, low halves first.
template <size_t kBytes>
int NibbleAt(const LatticeBytes<kBytes>& bytes, size_t index) {
  return bytes[index / 2] >> (4 * (index % 2)) & 15;
}

// The eighth sign makes the number of minus signs even.
unsigned WithEighthSign(unsigned seven) {
  return seven | static_cast<unsigned>(std::popcount(seven) & 1) << 7;
}

// Eight codes from a point of eights: bit 2 of a code is the sign.
void PutEight(uint16_t point, unsigned signs, uint8_t* codes) {
  for (size_t j = 0; j < 8; ++j) {
    codes[j] = static_cast<uint8_t>((point >> (2 * j) & 3) | (signs >> j & 1) << 2);
  }
}

// Four codes from a point of fours: bit 3 of a code is the sign.
void PutFour(uint16_t point, unsigned signs, uint8_t* codes) {
  for (size_t j = 0; j < 4; ++j) {
    codes[j] = static_cast<uint8_t>((point >> (4 * j) & 7) | (signs >> j & 1) << 3);
  }
}

float Scaled(F16 d, int scale, float factor) {
  return ToFloat(d) * (0.5f + static_cast<float>(scale)) * factor;
}

float OddScaled(float d, int scale) { return d * static_cast<float>(2 * scale + 1); }

}  // namespace

void Unpack(const BlockIQ2_XXS& block, BlockCodes& out) {
  for (size_t g = 0; g < 8; ++g) {
    const auto signs = FieldAt<uint32_t>(block.qs, 2 * g + 1);
    out.scales[g] = Scaled(block.d, static_cast<int>(signs >> 28), 0.25f);
    for (size_t k = 0; k < 4; ++k) {
      PutEight(LatticePoint(kIq2XxsPoints, block.qs[8 * g + k]),
               WithEighthSign(signs >> (7 * k) & 127), out.codes.data() + 32 * g + 8 * k);
    }
  }
}

void Unpack(const BlockIQ2_XS& block, BlockCodes& out) {
  for (size_t g = 0; g < 16; ++g) {
    out.scales[g] = Scaled(block.d, NibbleAt(block.scales, g), 0.25f);
  }
  for (size_t k = 0; k < 32; ++k) {
    const auto word = FieldAt<uint16_t>(block.qs, k);
    PutEight(LatticePoint(kIq2XsPoints, word & 511u), WithEighthSign(word >> 9),
             out.codes.data() + 8 * k);
  }
}

void Unpack(const BlockIQ2_S& block, BlockCodes& out) {
  for (size_t g = 0; g < 16; ++g) {
    out.scales[g] = Scaled(block.d, NibbleAt(block.scales, g), 0.25f);
  }
  for (size_t k = 0; k < 32; ++k) {
    const unsigned high = block.qh[k / 4] >> (2 * (k % 4)) & 3u;
    PutEight(LatticePoint(kIq2SPoints, block.qs[k] | high << 8), block.signs[k],
             out.codes.data() + 8 * k);
  }
}

void Unpack(const BlockIQ3_XXS& block, BlockCodes& out) {
  for (size_t g = 0; g < 8; ++g) {
    const auto field = FieldAt<uint32_t>(block.signs_and_scales, g);
    out.scales[g] = Scaled(block.d, static_cast<int>(field >> 28), 0.5f);
    for (size_t k = 0; k < 8; ++k) {
      const unsigned signs = WithEighthSign(field >> (7 * (k / 2)) & 127);
      PutFour(LatticePoint(kIq3XxsPoints, block.qs[8 * g + k]), signs >> (4 * (k % 2)),
              out.codes.data() + 32 * g + 4 * k);
    }
  }
}

void Unpack(const BlockIQ3_S& block, BlockCodes& out) {
  for (size_t g = 0; g < 8; ++g) {
    out.scales[g] = OddScaled(ToFloat(block.d), NibbleAt(block.scales, g));
  }
  for (size_t k = 0; k < 64; ++k) {
    const unsigned high = block.qh[k / 8] >> (k % 8) & 1u;
    PutFour(LatticePoint(kIq3SPoints, block.qs[k] | high << 8),
            static_cast<unsigned>(block.signs[k / 2]) >> (4 * (k % 2)), out.codes.data() + 4 * k);
  }
}

void Unpack(const BlockIQ1_S& block, BlockCodes& out) {
  for (size_t g = 0; g < 8; ++g) {
    const auto field = FieldAt<uint16_t>(block.qh, g);
    out.scales[g] = OddScaled(ToFloat(block.d), field >> 12 & 7);
    const unsigned lowered = field >> 15 != 0 ? 255 : 0;
    for (size_t k = 0; k < 4; ++k) {
      const unsigned high = field >> (3 * k) & 7u;
      PutEight(LatticePoint(kIq1Points, block.qs[4 * g + k] | high << 8), lowered,
               out.codes.data() + 32 * g + 8 * k);
    }
  }
}

void Unpack(const BlockIQ1_M& block, BlockCodes& out) {
  uint16_t d_bits = 0;
  for (size_t i = 0; i < 4; ++i) {
    d_bits |= static_cast<uint16_t>((FieldAt<uint16_t>(block.scales, i) >> 12) << (4 * i));
  }
  const float d = ToFloat(F16{d_bits});
  for (size_t g = 0; g < 16; ++g) {
    out.scales[g] = OddScaled(d, FieldAt<uint16_t>(block.scales, g / 4) >> (3 * (g % 4)) & 7);
  }
  for (size_t k = 0; k < 32; ++k) {
    const int nibble = NibbleAt(block.qh, k);
    PutEight(LatticePoint(kIq1Points, block.qs[k] | static_cast<unsigned>(nibble & 7) << 8),
             (nibble & 8) != 0 ? 255 : 0, out.codes.data() + 8 * k);
  }
}

}  // namespace bitloss
