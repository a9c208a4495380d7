#include "bitloss/hub/hub_choice.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "bitloss/base/text.h"
#include "bitloss/checkpoint/gguf_parts.h"
#include "bitloss/hub/hub_name.h"
#include "bitloss/json/parse.h"

namespace bitloss {
namespace {

std::string_view FileName(std::string_view path) { return path.substr(path.rfind('/') + 1); }

bool IsLetterOrDigit(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

// `quant` between boundaries, anywhere in the path.
bool Matches(std::string_view path, std::string_view quant) {
  const std::string in = InLowerCase(path), wanted = InLowerCase(quant);
  for (size_t at = in.find(wanted); at != in.npos; at = in.find(wanted, at + 1)) {
    const size_t end = at + wanted.size();
    const bool begins = at == 0 || !IsLetterOrDigit(in[at - 1]);
    const bool ends = end == in.size() || (!IsLetterOrDigit(in[end]) && in[end] != '_');
    if (begins && ends) return true;
  }
  return false;
}

// The parts of each model, by its name without numbers.
using Models = std::map<std::string, std::map<size_t, std::string>>;

std::string List(const Models& models) {
  constexpr size_t kShown = 20;
  std::vector<std::string> names;
  for (const auto& [whole, parts] : models) names.push_back(parts.begin()->second);
  const size_t more = names.size() > kShown ? names.size() - kShown : 0;
  names.resize(names.size() - more);
  return fmt::format("{}{}", fmt::join(names, ", "),
                     more > 0 ? fmt::format(" and {} more", more) : "");
}

}  // namespace

bool IsSmallModelFile(std::string_view path) {
  static const std::set<std::string_view> kNames = {"config.json",
                                                    "generation_config.json",
                                                    "tokenizer.json",
                                                    "tokenizer.model",
                                                    "tokenizer_config.json",
                                                    "special_tokens_map.json",
                                                    "vocab.json",
                                                    "added_tokens.json",
                                                    "merges.txt",
                                                    "vocab.txt",
                                                    "chat_template.jinja",
                                                    "chat_template.json",
                                                    "hf_quant_config.json",
                                                    "quantize_config.json",
                                                    "quantization_config.json"};
  constexpr std::string_view kTemplates = "additional_chat_templates/";
  return kNames.contains(path) || (path.starts_with(kTemplates) && path.ends_with(".jinja"));
}

bool HoldsSafetensors(const std::vector<std::string>& paths) {
  return std::ranges::any_of(
      paths, [](const std::string& path) { return path == kWeightsFile || path == kIndexFile; });
}

Result<std::vector<std::string>> ShardsOf(std::string_view index_json) {
  BITLOSS_TRY(const nlohmann::json index, ParseJson(index_json));
  const auto map = index.is_object() ? index.find("weight_map") : index.end();
  if (map == index.end() || !map->is_object() || map->empty()) {
    return BadInput("/weight_map is not an object with tensors");
  }
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : map->items()) {
    if (!shard.is_string()) return BadInput("/weight_map has a value that is not a string");
    const auto name = shard.get<std::string>();
    if (!IsSafeHubPath(name) || name.find('/') != name.npos || !name.ends_with(".safetensors")) {
      return BadInput("/weight_map: {} is not the name of a safetensors file in this folder",
                      shard.dump(-1, ' ', true));
    }
    shards.insert(name);
  }
  return std::vector<std::string>(shards.begin(), shards.end());
}

bool IsGgufModel(std::string_view path) {
  constexpr std::array<std::string_view, 6> kBeside = {"mmproj",  "imatrix", "mtp-",
                                                       "eagle3-", "dflash-", "dspark-"};
  const std::string name = InLowerCase(FileName(path));
  return name.ends_with(".gguf") && std::ranges::none_of(kBeside, [&](std::string_view beside) {
           return name.find(beside) != name.npos;
         });
}

Result<std::vector<std::string>> ChooseGguf(const std::vector<std::string>& paths,
                                            std::string_view quant) {
  Models all, matching;
  for (const std::string& path : paths) {
    if (!IsGgufModel(path)) continue;
    const GgufPartName split = ParseGgufPartName(path);
    all[split.whole][split.number] = path;
    if (quant.empty() || Matches(split.whole, quant)) matching[split.whole][split.number] = path;
  }
  if (all.empty()) return NotFound("there is no GGUF file");
  if (matching.empty())
    return NotFound("no GGUF file is called '{}'; there are {}", quant, List(all));
  if (matching.size() > 1) {
    return NotFound("{} GGUF models{}; name one of them, as in owner/name:Q4_K_M; there are {}",
                    matching.size(), quant.empty() ? "" : fmt::format(" match '{}'", quant),
                    List(matching));
  }
  const auto& parts = matching.begin()->second;
  const size_t count = ParseGgufPartName(parts.begin()->second).count;
  std::vector<std::string> chosen;
  for (size_t number = 1; number <= count; ++number) {
    const auto part = parts.find(number);
    if (part == parts.end()) {
      return NotFound("of {} part {} of {} is missing", parts.begin()->second, number, count);
    }
    chosen.push_back(part->second);
  }
  return chosen;
}

}  // namespace bitloss
