// The inner loop of IQ4_NL's and IQ4_XS's encoders: how well the 16 uneven levels fit a block under
// each of 16 inverse scales. Candidates are the lanes of vectors, so each sum is taken in float32
// in the order of the weights, without fused multiply-adds: the same bits on every instruction set.
#ifndef BITLOSS_QUANT_FORMATS_GGML_IQ4_FITS_H_
#define BITLOSS_QUANT_FORMATS_GGML_IQ4_FITS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace bitloss {

// The levels of IQ4_NL and IQ4_XS.
inline constexpr std::array<float, 16> kIq4Levels = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                     1,    13,   25,  38,  53,  69,  89,  113};

// codes[i] = the index of the level nearest to inverse * x[i]; a tie goes to the upper one.
// Requires: equal sizes, multiples of 16.
void NearestIq4Levels(std::span<const float> x, float inverse, std::span<uint8_t> codes);

inline constexpr size_t kIq4Candidates = 16;

// For each candidate k, with q the level nearest to inverses[k] * x[i]:
//   qx[k] = sum_i importance[i] q x[i],  q2[k] = sum_i importance[i] q^2
struct Iq4Fits {
  alignas(64) std::array<float, kIq4Candidates> qx;
  alignas(64) std::array<float, kIq4Candidates> q2;
};
// Requires: equal sizes.
Iq4Fits FitIq4Levels(std::span<const float> x, std::span<const float> importance,
                     std::span<const float, kIq4Candidates> inverses);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_GGML_IQ4_FITS_H_
