// nf4: NormalFloat of QLoRA, as bitsandbytes stores it (load_in_4bit, quant_type nf4, block 64, no
// double quantization). Blocks, codes and rounding: block4.h; the levels are quantiles of the
// normal distribution, 7 below zero, zero and 8 above.
//
//   codes   two in a byte, the first in the high half
//   scales  float32 absmax[blocks]
//
// 4.5 bits per weight. The value is float32, as if the checkpoint's dtype were float32
// (bitsandbytes rounds it to the dtype that the model was loaded in).
//
// (Source: bitsandbytes 0.50 functional.py; Dettmers et al., arXiv 2305.14314.)
#ifndef BITLOSS_QUANT_FORMATS_NF4_NF4_H_
#define BITLOSS_QUANT_FORMATS_NF4_NF4_H_

#include "bitloss/quant/format.h"
#include "bitloss/quant/formats/block4/block4.h"

namespace bitloss {

const Block4Table& Nf4Table();
FormatFamily Nf4Family();

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_NF4_NF4_H_
