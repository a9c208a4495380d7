// AutoAWQ's layouts (quant_method "awq"), 4 bits. Of a matrix [out][in] in groups of g, version
// "gemm":
//
//   P.qweight   I32 [in, out / 8]       nibble i of word c of row r: code of output 8c + order[i],
//   P.qzeros    I32 [in / g, out / 8]   order = 0 2 4 6 1 3 5 7; zero points alike, as they are
//   P.scales    F16 [in / g, out]
//
//   value = (code - zero) * scale
//
// Version "gemv", of which a row's groups are filled up with others that are not used:
//
//   P.qweight   I32 [out, in / 8]       nibble i of word c: code of input 8c + i
//   P.qzeros    I32 [out, z]            nibble i of word c: zero point of group 8c + i
//   P.scales    F16 [out, 8 z]          z >= in / g / 8
//
// Packed as int4_group:g:asym. kUnsupported: versions gemv_fast, exllama and marlin, other widths
// than 4 bits, no zero points. Written, as gemm, for int4_group:g:asym where 32 divides the
// outputs, as AutoAWQ's packer needs.
//
// (Source: AutoAWQ 0.2.9 modules/linear/gemm.py, gemv.py, utils/packing_utils.py.)
#ifndef BITLOSS_CHECKPOINT_LAYOUTS_AWQ_H_
#define BITLOSS_CHECKPOINT_LAYOUTS_AWQ_H_

#include "bitloss/checkpoint/layouts/layout.h"

namespace bitloss {

Layout AwqLayout();

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_LAYOUTS_AWQ_H_
