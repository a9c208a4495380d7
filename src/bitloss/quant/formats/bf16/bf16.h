// bf16: the weight rounded to the nearest bfloat16 (the upper half of a float32), ties to even; a
// weight that bfloat16 holds is kept exactly.
//
//   codes   bfloat16, [rows][cols], little-endian, any alignment
//
// 16 bits per weight. No codes: unpack is null. kBadInput, with row and column, for NaN, infinity
// and a weight that would round to infinity (|w| > 3.3961775e38).
#ifndef BITLOSS_QUANT_FORMATS_BF16_BF16_H_
#define BITLOSS_QUANT_FORMATS_BF16_BF16_H_

#include "bitloss/quant/format.h"

namespace bitloss {

FormatFamily BF16Family();

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_BF16_BF16_H_
