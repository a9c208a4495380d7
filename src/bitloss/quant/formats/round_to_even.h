#ifndef BITLOSS_QUANT_FORMATS_ROUND_TO_EVEN_H_
#define BITLOSS_QUANT_FORMATS_ROUND_TO_EVEN_H_

namespace bitloss {

// The nearest whole number, ties to even. Requires: |x| <= 2^22. (Adding 1.5 * 2^23 leaves no bits
// for a fraction, so the addition rounds. Unlike nearbyint it needs no call, and loops over it
// vectorise.)
inline float RoundToEven(float x) {
  constexpr float kShift = 12582912.0f;
  return (x + kShift) - kShift;
}

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_ROUND_TO_EVEN_H_
