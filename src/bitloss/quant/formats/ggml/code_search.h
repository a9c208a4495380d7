// The searches by which ggml's encoders choose a group's scale: small grids around the obvious
// scale, each candidate fitted by least squares. Everything is float32, operation by operation in
// the reference's order and without fused multiply-adds, because that order decides ties: with it,
// files are equal to llama.cpp's bit for bit. (Source: ggml ggml-quants.c, make_qx_quants,
// make_q3_quants, make_qkx2_quants, make_qkx3_quants, make_qp_quants.)
#ifndef BITLOSS_QUANT_FORMATS_GGML_CODE_SEARCH_H_
#define BITLOSS_QUANT_FORMATS_GGML_CODE_SEARCH_H_

#include <bit>
#include <cstdint>
#include <span>

namespace bitloss {

// To nearest, ties to even, for |x| < 2^22. Beyond it what the reference's bit trick gives there,
// some integer: blocks of tiny scales and large weights are encoded to the same nonsense.
inline int GgmlNearestInt(float x) {
  constexpr float kShift = 12582912.0f;  // 1.5 * 2^23
  const auto bits = std::bit_cast<int32_t>(x + kShift);
  return (bits & 0x007FFFFF) - 0x00400000;
}

inline constexpr float kGgmlNoScale = 1e-15f;  // groups below it are stored as zeros

// value = scale * code - min, codes 0..max_code, min >= 0.
struct AsymmetricSearch {
  enum class Error { kAbsolute, kSquared };
  int max_code;
  float first;  // candidate k divides the range by max_code + first + k * step
  float step;
  int num_steps;  // candidates - 1
  Error error;
};
struct AsymmetricScale {
  float scale = 0.0f;
  float min = 0.0f;
};
// After an improvement the reference subtracts the improved offset in all later candidates; so
// does this. Requires: equal sizes, at most 32.
AsymmetricScale SearchAsymmetric(const AsymmetricSearch& search, std::span<const float> x,
                                 std::span<const float> importance, std::span<uint8_t> codes);

// value = scale * (code - half), codes 0..2 half - 1; 19 candidates. Importance empty: x^2.
// A group of zeros gives codes 0 and scale 0. Requires: at most 32 weights.
float SearchSymmetric(int half, std::span<const float> x, std::span<const float> importance,
                      std::span<uint8_t> codes);

// The same values for codes refined one by one, at most five times over; importance x^2.
float SearchByCoordinate(int half, std::span<const float> x, std::span<uint8_t> codes);

// value = scale * code for values that are not negative (a super-block's scales).
float SearchPositive(int max_code, std::span<const float> x, std::span<const float> importance,
                     std::span<uint8_t> codes);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_GGML_CODE_SEARCH_H_
