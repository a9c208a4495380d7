// f16: the weight rounded to the nearest float16, ties to even; a weight that float16 holds is kept
// exactly.
//
//   codes   float16, [rows][cols], little-endian, any alignment
//
// 16 bits per weight. No codes: unpack is null. kBadInput, with row and column, for NaN, infinity
// and a weight that would round to infinity (|w| >= 65520).
#ifndef BITLOSS_QUANT_FORMATS_F16_F16_H_
#define BITLOSS_QUANT_FORMATS_F16_F16_H_

#include "bitloss/quant/format.h"

namespace bitloss {

FormatFamily F16Family();

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_F16_F16_H_
