// mxfp4, mxfp6, mxfp8: the OCP microscaling formats. 32 neighbouring weights of a row share a power
// of two; elements are small floats (formats/small_float.h). Written "mxfp4", "mxfp6[:e2m3|:e3m2]",
// "mxfp8[:e4m3|:e5m2]".
//
//   E = floor(log2(absmax)) - emax, at least -127;  emax = floor(log2(largest)): 2, 2, 4, 8, 15
//   code = round(w / 2^E), to nearest, ties to even, the largest value where it is beyond
//   value = code * 2^E, exact in float32
//
//   codes   4, 6 or 8 bits each, weight i of a row at bit bits * i, low bits first: in mxfp4 even
//           weights are in low halves
//   scales  a byte a block, E + 127; 255 means NaN (never written)
//
// This is the rule of the OCP specification and of microxcaling: a block whose largest weight has a
// mantissa above that of the largest element is clipped there. (compressed-tensors raises E by one
// from a mantissa of 1.75 on; GGUF's encoder breaks ties otherwise, see mxfp4_gguf.)
//
// Bits per weight: the element's and 8 / 32. A block of zeros has scale byte 0. Equal weights w
// come within half an element's step of w. kBadInput for NaN and infinity; kUnsupported, in
// supports, for rows that 32 does not divide. (Source: OCP Microscaling formats 1.0; microxcaling
// mx_ops.py.)
#ifndef BITLOSS_QUANT_FORMATS_MX_MX_H_
#define BITLOSS_QUANT_FORMATS_MX_MX_H_

#include "bitloss/quant/format.h"

namespace bitloss {

inline constexpr size_t kMxBlock = 32;

FormatFamily MxFp4Family();
FormatFamily MxFp6Family();
FormatFamily MxFp8Family();

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_MX_MX_H_
