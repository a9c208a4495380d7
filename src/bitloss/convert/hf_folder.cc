#include "bitloss/convert/hf_folder.h"

#include <array>
#include <nlohmann/json.hpp>
#include <system_error>

#include "bitloss/base/file.h"
#include "bitloss/convert/folder_from_gguf.h"
#include "bitloss/json/parse.h"

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
    "tekken.json",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
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

std::string_view TorchType(const Format& plain) {
  if (plain.name == F16Format().name) return "float16";
  return plain.name == BF16Format().name ? "bfloat16" : "float32";
}

// The model's own config.json, key for key.
Result<OrderedJson> OwnConfig(const fs::path& path) {
  BITLOSS_TRY(const std::string text, ReadFile(path));
  Result<OrderedJson> parsed = ParseOrderedJson(text);
  if (!parsed.ok()) return Within(path.string(), parsed.error());
  OrderedJson config = std::move(parsed).value();
  config.erase("quantization_config");
  const auto of_text = config.find("text_config");
  if (of_text != config.end() && of_text->is_object()) of_text->erase("quantization_config");
  return config;
}

// The type of the weights, where a config.json says it: of all parts, and of the text model.
void SetType(const Format& rest, OrderedJson& config) {
  const auto key = [](const OrderedJson& object) {
    return object.contains("dtype") ? "dtype" : "torch_dtype";
  };
  config[key(config)] = TorchType(rest);
  const auto text = config.find("text_config");
  if (text == config.end() || !text->is_object() || !text->contains(key(*text))) return;
  (*text)[key(*text)] = TorchType(rest);
}

}  // namespace

Status WriteFolderFiles(const ModelFiles& model, const OrderedJson& quantization,
                        const Format& rest, const fs::path& folder) {
  const bool from_gguf = model.source.checkpoint().gguf() != nullptr;
  BITLOSS_TRY(OrderedJson config,
              from_gguf ? ConfigFromModel(model) : OwnConfig(model.path / "config.json"));
  SetType(rest, config);
  if (!quantization.is_null()) config["quantization_config"] = quantization;
  BITLOSS_DO(WriteFileAtomically(folder / "config.json", config.dump(2) + "\n"));
  return from_gguf ? WriteTokenizerFromGguf(model, folder) : CopyFiles(model.path, folder);
}

}  // namespace bitloss
