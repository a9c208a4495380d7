// int8_group, int4_group, int3_group, int2_group: neighbouring weights of a row share a scale and,
// if asymmetric, a zero point. Written "int4_group:G[:asym|:sym|:full|:float[:index]]"; G is
// any number that divides the row, whose length is a multiple of 8. With b bits and m = 2^b - 1:
//
//   asym (the default): AWQ's quantizer, for groups whose range includes zero
//     low = min(0, min w), high = max(0, max w)
//     scale = fp16(max(high - low, 1e-5) / m)
//     zero  = clamp(-round(low / scale), 0, m)
//     code  = clamp(round(w / scale) + zero, 0, m),  value = (code - zero) * scale
//   sym: AWQ's symmetric quantizer ("restricted": zero and both signs alike, no code for -2^(b-1))
//     scale = fp16(max(max |w|, 1e-5) / (2^(b-1) - 1))
//     code  = round(w / scale) + 2^(b-1),            value = (code - 2^(b-1)) * scale
//   full: the symmetric quantizer of GPTQ and compressed-tensors, which uses all codes
//     scale = fp16(max(2 max |w|, 1e-5) / m)
//     code  = clamp(round(w / scale) + 2^(b-1), 0, m), value = (code - 2^(b-1)) * scale
//   float: HQQ's grid, whose zero point is a float
//     scale as in asym, zero = fp16(-low / scale), code = clamp(round(w / scale + zero), 0, m)
//     value = fma(code, scale, -(zero * scale)); the product is exact
//
// All in float32, round to nearest with ties to even. The scale is rounded to FP16 first and the
// codes are chosen for the rounded scale, because that is what will be decoded; the product of a
// code and an FP16 scale is exact in float32. Where AutoAWQ computes in FP16 throughout, codes next
// to a tie may differ.
//
// One thing is not AutoAWQ's: there the range of a group need not include zero while the zero point
// is clamped all the same, so that a group of weights in [1.0, 1.3] decodes to 0.3 throughout. Here
// the range always includes zero (as in GPTQ and compressed-tensors). A group with weights of both
// signs is the same either way.
//
//   codes   b bits each, [rows][cols], weight i of a row at bit b * i, low bits first
//   scales  float16 [rows][cols / G]
//   zeros   asym: b bits each, [rows][cols / G], packed as the codes are, each row to whole bytes;
//           float: float16 [rows][cols / G]; sym, full: empty
//
//   extra   index: uint32 [cols], the group of each column; elsewhere empty
//
// index: the columns of a group need not be neighbours, as in GPTQ's act order, and the last group
// may be short (rows are a multiple of 8). Codes stay in the order of the columns. encode takes
// neighbours; pack takes GroupedCodes::group_of.
//
// Bits per weight: b + (16 + b) / G asymmetric, b + 32 / G float, b + 16 / G otherwise, and the
// rows' last bytes.
//
// pack: GroupedCodes of kind kZeroPoint; zero points are rounded to FP16 (float) or are codes
// (asym).
//
// A group of zeros decodes to zeros, equal weights to one step (asym: m steps) of their own scale,
// but for full, where +-absmax lies half a step from the nearest codes: 14/15 or 16/15 of itself in
// 4 bits. The floor of 1e-5 is the definition's; it makes FP16 hold every scale of up to 4 bits to
// 5 %, and one of 8 bits to half a smallest FP16 number. kBadInput for NaN, infinity and for
// weights whose scale is beyond FP16; kUnsupported, in supports, for rows that G or 8
// does not divide.
//
// (Source: AutoAWQ 0.2.9 quantize/quantizer.py, pseudo_quantize_tensor.)
#ifndef BITLOSS_QUANT_FORMATS_INT_GROUP_INT_GROUP_H_
#define BITLOSS_QUANT_FORMATS_INT_GROUP_INT_GROUP_H_

#include "bitloss/quant/format.h"

namespace bitloss {

inline constexpr size_t kDefaultGroup = 64;

// Requires: bits in {2, 3, 4, 8}; group_size > 0.
Format IntGroupFormat(int bits, size_t group_size, Symmetry symmetry,
                      GroupOrder order = GroupOrder::kNeighbours);

FormatFamily Int8GroupFamily();
FormatFamily Int4GroupFamily();
FormatFamily Int3GroupFamily();
FormatFamily Int2GroupFamily();

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_INT_GROUP_INT_GROUP_H_
