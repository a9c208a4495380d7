// Importances measured here, for importance.h to read and for llama.cpp.
#ifndef BITLOSS_MODEL_MEASURE_IMPORTANCE_H_
#define BITLOSS_MODEL_MEASURE_IMPORTANCE_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/model/transformer.h"
#include "bitloss/model/weights.h"

namespace bitloss {

// Mean squares of the inputs of matrices, by the matrices' GGUF names, and the text that they are
// of.
struct MeasuredImportances {
  std::map<std::string, std::vector<float>> entries;
  std::string text_name;
  uint32_t num_sequences = 0;
  uint32_t sequence_tokens = 0;  // of each
};

// Runs the sequences through the unquantized blocks. `layer_done` is called with the number of
// blocks done. kUnsupported for models with experts, whose matrices llama.cpp keeps as one.
Result<MeasuredImportances> MeasureImportances(
    const ModelSource& source, Transformer& transformer,
    std::span<const std::vector<int32_t>> sequences,
    const std::function<void(size_t num_layers_done)>& layer_done);

// Writes the .gguf form, which llama-quantize and llama-imatrix read. The file appears whole or not
// at all.
Status WriteImportanceFile(const MeasuredImportances& measured, const std::filesystem::path& path);

// What the importances of a linear are filed under. Requires: it is no expert's.
std::string ImportanceName(size_t layer, const LinearSpec& linear);

}  // namespace bitloss

#endif  // BITLOSS_MODEL_MEASURE_IMPORTANCE_H_
