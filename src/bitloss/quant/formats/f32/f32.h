// f32: the weight itself.
//
//   codes   float32, [rows][cols], little-endian, any alignment
//
// 32 bits per weight. No codes: unpack is null. kBadInput for NaN and infinity.
#ifndef BITLOSS_QUANT_FORMATS_F32_F32_H_
#define BITLOSS_QUANT_FORMATS_F32_F32_H_

#include "bitloss/quant/format.h"
#include "bitloss/tensor/matrix.h"

namespace bitloss {

FormatFamily F32Family();

// A matrix as it lies, of use as long as that lies there. Requires: all are finite.
EncodedMatrix F32InPlace(const Matrix& weights);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_F32_F32_H_
