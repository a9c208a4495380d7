// The small-float matrices of compressed-tensors (compressed_tensors.h) and of fine-grained FP8
// (fine_grained_fp8.h). Inside the module.
#ifndef BITLOSS_CHECKPOINT_LAYOUTS_COMPRESSED_FLOATS_H_
#define BITLOSS_CHECKPOINT_LAYOUTS_COMPRESSED_FLOATS_H_

#include "bitloss/checkpoint/layouts/compressed_scheme.h"
#include "bitloss/checkpoint/layouts/layout.h"

namespace bitloss {

// P.weight F8_E4M3 with the scales P.<scale_name>, by which codes are multiplied: one, one for each
// row, or one for each block of 128 x 128.
Status ReadFp8(const StoredTensors& tensors, const std::string& module, std::string_view scale_name,
               QuantizedTensors& to);

// Codes in P<codes_name> with a scale for each group of a row: NVFP4 if scales are E4M3, otherwise
// MXFP4, MXFP6 or MXFP8, by how many bytes of codes there are for a scale.
Status ReadGroupedFloats(const StoredTensors& tensors, const std::string& module,
                         std::string_view codes_name, QuantizedTensors& to);

bool HoldsCompressedFloats(const Format& format);
// Requires: HoldsCompressedFloats.
Result<std::vector<SafetensorsEntry>> WriteCompressedFloats(const std::string& module,
                                                            const EncodedMatrix& matrix);
CompressedScheme SchemeOfCompressedFloats(const Format& format);

// P.weight and P.<scale_name> of a matrix in fp8_e4m3.
std::vector<SafetensorsEntry> WriteFp8(const std::string& module, std::string_view scale_name,
                                       const EncodedMatrix& matrix);

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_LAYOUTS_COMPRESSED_FLOATS_H_
