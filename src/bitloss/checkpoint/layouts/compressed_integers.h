// The integer matrices of compressed-tensors (compressed_tensors.h). Inside the module.
#ifndef BITLOSS_CHECKPOINT_LAYOUTS_COMPRESSED_INTEGERS_H_
#define BITLOSS_CHECKPOINT_LAYOUTS_COMPRESSED_INTEGERS_H_

#include "bitloss/checkpoint/layouts/compressed_scheme.h"
#include "bitloss/checkpoint/layouts/layout.h"

namespace bitloss {

// What the config says of pack-quantized modules.
struct PackedOptions {
  int bits = 0;
  bool has_zero_points = false;  // all of them; otherwise what is stored decides
};
Status ReadPackedIntegers(const StoredTensors& tensors, const std::string& module,
                          const PackedOptions& options, QuantizedTensors& to);
Status ReadInt8(const StoredTensors& tensors, const std::string& module, QuantizedTensors& to);

bool HoldsCompressedIntegers(const Format& format);
// Requires: HoldsCompressedIntegers.
Result<std::vector<SafetensorsEntry>> WriteCompressedIntegers(const std::string& module,
                                                              const EncodedMatrix& matrix);
CompressedScheme SchemeOfCompressedIntegers(const Format& format);

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_LAYOUTS_COMPRESSED_INTEGERS_H_
