// What a GGUF file says of a model, made of its configuration.
#ifndef BITLOSS_CONVERT_GGUF_CONFIG_H_
#define BITLOSS_CONVERT_GGUF_CONFIG_H_

#include <optional>

#include "bitloss/base/result.h"
#include "bitloss/checkpoint/write_gguf.h"
#include "bitloss/model/weights.h"

namespace bitloss {

// Adds general.architecture and the architecture's keys. Requires: GGUF has a name for it.
void AddGgufConfig(const ModelConfig& config, GgufPairs& pairs);

// What llama3's rope scaling is in a file: the factor of each frequency. None for no scaling.
std::optional<GgufTensor> GgufRopeFactors(const ModelConfig& config);

// Whether a file with these keys and factors, and the tensors of a folder's model, is read as that
// model: it is made without their numbers, and read.
//
// kUnsupported: the architecture is not known in GGUF, or has no name there for a tensor; the file
// is read as another model, with the respect in which it differs.
Status CheckSaidInGguf(const ModelSource& model);

}  // namespace bitloss

#endif  // BITLOSS_CONVERT_GGUF_CONFIG_H_
