// bitsandbytes' layouts (quant_method "bitsandbytes"), as transformers saves them.
//
// 4 bits, matrix "P.weight" of n weights in blocks of 64:
//
//   P.weight                                   U8 (or another type of the same bytes) [n / 2 up, 1]
//   P.weight.absmax                            F32 [blocks]; nested: U8 [blocks]
//   P.weight.quant_map                         F32 [16]: the levels
//   P.weight.nested_absmax                     F32 [blocks / 256 up]        nested only
//   P.weight.nested_quant_map                  F32 [256]                    nested only
//   P.weight.quant_state.bitsandbytes__nf4     U8: JSON {"quant_type", "blocksize", "dtype",
//     (or __fp4)                               "shape"; nested: "nested_blocksize", "nested_dtype",
//                                              "nested_offset"}
//
//   packed as nf4, nf4_dq, fp4 or fp4_dq. kUnsupported: another block size; levels that are not the
//   format's.
//
// 8 bits:
//
//   P.weight            I8 [out, in]
//   P.SCB               F32 [out]
//   P.weight_format     U8: 0, row by row
//
//   packed as int8_row, run as LLM.int8 with the threshold of the config ("llm_int8_threshold").
//
// Written with "dtype" float32 in a quant state: bitsandbytes then decodes to float32 as bitloss
// does, whatever the model's other tensors are.
//
// (Source: bitsandbytes 0.50 functional.py, QuantState.as_dict; nn/modules.py.)
#ifndef BITLOSS_CHECKPOINT_LAYOUTS_BITSANDBYTES_H_
#define BITLOSS_CHECKPOINT_LAYOUTS_BITSANDBYTES_H_

#include "bitloss/checkpoint/layouts/layout.h"

namespace bitloss {

Layout Bitsandbytes4BitLayout();
Layout Bitsandbytes8BitLayout();

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_LAYOUTS_BITSANDBYTES_H_
