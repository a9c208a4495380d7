// Fine-grained FP8 (quant_method "fp8"), as DeepSeek and transformers write it:
//
//   P.weight             F8_E4M3 [out, in]
//   P.weight_scale_inv   F32 [out / 128 up, in / 128 up]; despite its name, codes are multiplied by
//                        it
//
// Packed as fp8_e4m3:block. kUnsupported: other blocks than 128 x 128, other floats than E4M3.
// Activations, which such checkpoints quantize as they run, stay FP32 here and a note says so.
// Written for fp8_e4m3:block where 128 divides both sides: transformers 5.24 refuses other blocks,
// which are read here.
//
// (Source: transformers quantizers/quantizer_finegrained_fp8.py; DeepSeek-V3 README_WEIGHTS.md.)
#ifndef BITLOSS_CHECKPOINT_LAYOUTS_FINE_GRAINED_FP8_H_
#define BITLOSS_CHECKPOINT_LAYOUTS_FINE_GRAINED_FP8_H_

#include "bitloss/checkpoint/layouts/layout.h"

namespace bitloss {

Layout FineGrainedFp8Layout();

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_LAYOUTS_FINE_GRAINED_FP8_H_
