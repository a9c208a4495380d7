// The part of one GGUF file before its tensors' bytes, checked against the file's size. Inside the
// module: callers want GgufFile.
#ifndef BITLOSS_CHECKPOINT_GGUF_HEADER_H_
#define BITLOSS_CHECKPOINT_GGUF_HEADER_H_

#include <vector>

#include "bitloss/base/bytes.h"
#include "bitloss/base/result.h"
#include "bitloss/checkpoint/gguf.h"

namespace bitloss {

struct GgufHeader {
  uint32_t version = 0;
  GgufMetadata metadata;
  std::vector<GgufTensor> tensors;
  size_t num_bytes = 0;  // up to and with the last tensor's entry
};

// Reads the header of the file whose bytes these are; errors name the offset or the tensor.
//
// Refused, as the reference reader does: empty, unprintable or repeated keys; tensor names that
// are repeated or longer than 63 bytes; strings and arrays longer than 2^30 or than the file; bools
// other than 0 and 1; unknown types; rows that end inside a block; sizes that overflow; tensors
// that are not laid one after the other at the alignment; an alignment that is not a power of two
// >= 8; bytes that belong to nothing.
Result<GgufHeader> ParseGgufHeader(const SharedBytes& file);

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_GGUF_HEADER_H_
