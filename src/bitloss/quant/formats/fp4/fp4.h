// fp4: bitsandbytes' own 4-bit float (load_in_4bit's default; not the OCP or NVIDIA E2M1, whose
// levels are others). Blocks and rounding: block4.h. Bit 3 of a code is the sign, the magnitudes
// are 0, 1/192, 2/3, 1, 1/3, 1/2, 1/6, 1/4 for codes 0 to 7 (float32).
//
//   codes   two in a byte, the first in the high half
//   scales  float32 absmax[blocks]
//
// 4.5 bits per weight; the value is float32. Codes 0 and 8 are both zero: 8 is what small positive
// values get and 0 what zero and small negative ones get, as bitsandbytes on a CPU has it.
//
// (Source: bitsandbytes 0.50 functional.py, get_4bit_type.)
#ifndef BITLOSS_QUANT_FORMATS_FP4_FP4_H_
#define BITLOSS_QUANT_FORMATS_FP4_FP4_H_

#include "bitloss/quant/format.h"
#include "bitloss/quant/formats/block4/block4.h"

namespace bitloss {

const Block4Table& Fp4Table();
FormatFamily Fp4Family();

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_FP4_FP4_H_
