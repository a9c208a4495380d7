// The layouts of compressed-tensors (quant_method "compressed-tensors"), which vLLM and
// llm-compressor write. What a module's tensors are follows from what is stored:
//
//   pack-quantized   P.weight_packed  I32 [out, in * b / 32 up]   code + 2^(b-1), low bits first,
//                                                                 along the inputs
//                    P.weight_scale   F16 or BF16 [out, in / g]   ([out, 1]: a group for each row)
//                    P.weight_shape   I64 [2]
//                    P.weight_zero_point  I32 [out * b / 32 up, in / g], asymmetric only: with the
//                                     same offset, along the outputs; until 2025 I8 [out, in / g],
//                                     the values themselves
//                    P.weight_g_idx   I32 [in], the group of each input, where "actorder" is
//                                     "group"; -1 throughout: neighbours
//                    packed as int_group:g, with an index if there is one. Until 2026 codes of 3
//                    bits did not straddle words, ten in each: told apart by the shape, and read
//   int-quantized    P.weight I8 [out, in], P.weight_scale [out, 1] or [1], or [out, in / g];
//                    P.weight_zero_point I8 of the same shape, asymmetric only
//                    packed as int8_row; as int8_group:g where there are groups or zero points
//   float-quantized  P.weight F8_E4M3 [out, in], P.weight_scale [out, 1], [1] or, with
//                    block_structure [128, 128], [out / 128 up, in / 128 up]
//                    packed as fp8_e4m3
//   nvfp4-pack-quantized  P.weight_packed U8 [out, in / 2], P.weight_scale F8_E4M3 [out, in / 16],
//                    P.weight_global_scale F32 [1]
//                    packed as nvfp4
//   mxfp4-pack-quantized  P.weight_packed U8 [out, in / 2], P.weight_scale U8 [out, in / 32]
//                    packed as mxfp4
//   mxfp6-pack-quantized  P.weight_packed U8 [out, in * 3 / 4], P.weight_scale U8 [out, in / 32]
//                    packed as mxfp6:e2m3
//   mxfp8-quantized  P.weight F8_E4M3 [out, in], P.weight_scale U8 [out, in / 32]
//                    packed as mxfp8:e4m3
//
// kUnsupported: sparse formats; scales of integers that FP16 does not hold. Where the config of
// int8_row weights asks for symmetric int8 activations with a scale for each token, that is run
// (@w8a8); other quantized activations stay FP32 here and a note says so.
//
// Written: int_group of neighbours as pack-quantized, int8_row (as it is or @w8a8) as
// int-quantized, fp8_e4m3 as float-quantized, nvfp4, mxfp4, mxfp6:e2m3 and mxfp8:e4m3 as above.
//
// (Source: compressed-tensors 0.20 compressors/quantized_compressors.)
#ifndef BITLOSS_CHECKPOINT_LAYOUTS_COMPRESSED_TENSORS_H_
#define BITLOSS_CHECKPOINT_LAYOUTS_COMPRESSED_TENSORS_H_

#include "bitloss/checkpoint/layouts/layout.h"

namespace bitloss {

Layout CompressedTensorsLayout();

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_LAYOUTS_COMPRESSED_TENSORS_H_
