// GPTQ's layout (quant_method "gptq"), 2, 3, 4 and 8 bits. Of a matrix [out][in] in groups of g:
//
//   P.qweight   I32 [in * b / 32, out]            column o: codes of its inputs, low bits first
//   P.qzeros    I32 [in / g up, out * b / 32]     row k: zero points of group k, low bits first
//   P.scales    F16 [in / g up, out]
//   P.g_idx     I32 [in]                          the group of each input; may be absent
//
//   value = (code - zero) * scale
//
// The bits of a row or column run on through its words; with 3 bits a code may lie in two words.
//
// Zero points: checkpoint_format "gptq_v2" stores them; "gptq" (v1, and where none is named) stores
// zero - 1: the word plus 1 in each field, modulo 2^32, is the word of v2. Where no field is 0 that
// is what every reader does; where one is, readers differ, and this is what GPTQModel does, whose
// files are lossless. With 3 bits the fields are counted up one by one, modulo 8.
//
// Packed as int_group:g, symmetric where every zero point is 2^(b-1), asymmetric elsewhere, and
// with an index where the inputs of a group are not neighbours (desc_act without static groups) or
// the last group is short. kUnsupported: "marlin" and other formats; per-module overrides
// ("dynamic").
//
// Written for int_group: symmetric as v1, asymmetric as v2, since v1 loses zero points of 0 in some
// readers; with an index as desc_act.
//
// (Source: AutoGPTQ 0.7 nn_modules/qlinear; GPTQModel 4 nn_modules/qlinear/__init__.py,
// utils/model.py.)
#ifndef BITLOSS_CHECKPOINT_LAYOUTS_GPTQ_H_
#define BITLOSS_CHECKPOINT_LAYOUTS_GPTQ_H_

#include "bitloss/checkpoint/layouts/layout.h"

namespace bitloss {

Layout GptqLayout();

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_LAYOUTS_GPTQ_H_
