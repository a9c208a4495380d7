// What a checkpoint has beside the text model's own matrices and vectors: towers for images and
// sound, heads that predict further tokens, tables of layers' inputs. A written checkpoint has it
// too.
#ifndef BITLOSS_CONVERT_CARRIED_TENSORS_H_
#define BITLOSS_CONVERT_CARRIED_TENSORS_H_

#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/checkpoint/safetensors.h"
#include "bitloss/model/weights.h"

namespace bitloss {

// Of a folder; nothing of a GGUF file. As they are stored, but for what the text model uses, which
// `precision` rounds.
Result<std::vector<SafetensorsEntry>> CarriedTensors(const ModelSource& model, Precision precision);

// The modules of `tensors` that are matrices and whose numbers are plain, sorted: what no layout
// has touched. Whole towers beside the text model by their own name alone ("vision_tower"): loaders
// call the modules in them in other ways than files do. Embeddings, which are no modules that a
// layout looks at, and `lm_head` are left out.
std::vector<std::string> PlainModules(const ModelSource& model,
                                      const std::vector<SafetensorsEntry>& tensors);

}  // namespace bitloss

#endif  // BITLOSS_CONVERT_CARRIED_TENSORS_H_
