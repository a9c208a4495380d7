// How gpt-oss is published: the experts of a layer as one tensor of 4-bit floats in blocks of 32
// that share a power of two.
//
//   P_blocks  U8 [experts][out][in / 32][16], element 2i in the low half of byte i
//   P_scales  U8 [experts][out][in / 32], the exponent + 127
//
// which are the planes of mxfp4 (quant/formats/mx), rows of all experts one after the other. These
// are the model's own weights, so such a checkpoint is a baseline.
#ifndef BITLOSS_CHECKPOINT_LAYOUTS_MXFP4_H_
#define BITLOSS_CHECKPOINT_LAYOUTS_MXFP4_H_

#include "bitloss/checkpoint/layouts/layout.h"

namespace bitloss {

Layout MxFp4Layout();

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_LAYOUTS_MXFP4_H_
