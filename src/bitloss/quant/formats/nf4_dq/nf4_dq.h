// nf4_dq: nf4 with double quantization (bnb_4bit_use_double_quant): the absmax of each block is an
// 8-bit code itself. Planes and rules: block4/nested_absmax.h. 4.127 bits per weight.
#ifndef BITLOSS_QUANT_FORMATS_NF4_DQ_NF4_DQ_H_
#define BITLOSS_QUANT_FORMATS_NF4_DQ_NF4_DQ_H_

#include "bitloss/quant/format.h"

namespace bitloss {

FormatFamily Nf4DqFamily();

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_NF4_DQ_NF4_DQ_H_
