// config.json and the tokenizer's files of a model that is a GGUF file.
#ifndef BITLOSS_CONVERT_FOLDER_FROM_GGUF_H_
#define BITLOSS_CONVERT_FOLDER_FROM_GGUF_H_

#include <filesystem>
#include <nlohmann/json.hpp>

#include "bitloss/base/result.h"
#include "bitloss/study/model_files.h"

namespace bitloss {

// A config.json in the words of transformers, FP16. kUnsupported: rotary factors that a file only
// lists (rope_freqs), biases that transformers' Llama cannot have one without the other.
Result<nlohmann::ordered_json> ConfigFromModel(const ModelFiles& model);

// Writes generation_config.json, tokenizer.json and tokenizer_config.json. kUnsupported for a
// tokenizer other than byte-level BPE, or one that the files, read back, do not give.
Status WriteTokenizerFromGguf(const ModelFiles& model, const std::filesystem::path& folder);

}  // namespace bitloss

#endif  // BITLOSS_CONVERT_FOLDER_FROM_GGUF_H_
