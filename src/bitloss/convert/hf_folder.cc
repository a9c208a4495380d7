#include "bitloss/convert/hf_folder.h"

#include <array>
#include <system_error>

#include "bitloss/base/file.h"
#include "bitloss/checkpoint/json_file.h"
#include "bitloss/convert/folder_from_gguf.h"

namespace bitloss {
namespace {

namespace fs = std::filesystem;
using OrderedJson = nlohmann::ordered_json;

constexpr std::array kCopied = {
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
    "chat_template.json",
    "LICENSE",
};

Status CopyFiles(const fs::path& from, const fs::path& to) {
  for (const char* name : kCopied) {
    std::error_code error;
    if (!fs::is_regular_file(from / name, error)) continue;
    BITLOSS_TRY(const std::string bytes, ReadFile(from / name));
    BITLOSS_DO(WriteFileAtomically(to / name, bytes));
  }
  return Ok();
}

// The model's own config.json, key for key, in FP16.
Result<OrderedJson> OwnConfig(const fs::path& path) {
  BITLOSS_DO(ReadJsonFile(path).ok() ? Ok() : Status(ReadJsonFile(path).error()));  // strictly
  BITLOSS_TRY(const std::string text, ReadFile(path));
  OrderedJson config = OrderedJson::parse(text);  // keeps the order of keys
  config.erase("quantization_config");
  config[config.contains("dtype") ? "dtype" : "torch_dtype"] = "float16";
  return config;
}

}  // namespace

Status WriteFolderFiles(const ModelFiles& model, const OrderedJson& quantization,
                        const fs::path& folder) {
  const bool from_gguf = model.source.checkpoint().gguf() != nullptr;
  BITLOSS_TRY(OrderedJson config,
              from_gguf ? ConfigFromModel(model) : OwnConfig(model.path / "config.json"));
  if (!quantization.is_null()) config["quantization_config"] = quantization;
  BITLOSS_DO(WriteFileAtomically(folder / "config.json", config.dump(2) + "\n"));
  return from_gguf ? WriteTokenizerFromGguf(model, folder) : CopyFiles(model.path, folder);
}

}  // namespace bitloss
