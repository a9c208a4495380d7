// Everything of a folder in Hugging Face layout that is not its weights.
#ifndef BITLOSS_CONVERT_HF_FOLDER_H_
#define BITLOSS_CONVERT_HF_FOLDER_H_

#include <filesystem>
#include <nlohmann/json.hpp>

#include "bitloss/base/result.h"
#include "bitloss/study/model_files.h"

namespace bitloss {

// Writes config.json with the `quantization` (null: none) and the plain format `rest` as the type
// of everything else, and copies generation_config.json and the files of the tokenizer and chat
// template that the model has; for a GGUF file, makes them (folder_from_gguf.h).
Status WriteFolderFiles(const ModelFiles& model, const nlohmann::ordered_json& quantization,
                        const Format& rest, const std::filesystem::path& folder);

}  // namespace bitloss

#endif  // BITLOSS_CONVERT_HF_FOLDER_H_
