// fp4_dq: fp4 with double quantization, what load_in_4bit with bnb_4bit_use_double_quant gives
// where no quant type is named. Planes and rules: block4/nested_absmax.h. 4.127 bits per weight.
#ifndef BITLOSS_QUANT_FORMATS_FP4_DQ_FP4_DQ_H_
#define BITLOSS_QUANT_FORMATS_FP4_DQ_FP4_DQ_H_

#include "bitloss/quant/format.h"

namespace bitloss {

FormatFamily Fp4DqFamily();

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_FP4_DQ_FP4_DQ_H_
