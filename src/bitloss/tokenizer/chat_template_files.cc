#include "bitloss/tokenizer/chat_template_files.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bitloss/base/file.h"
#include "bitloss/json/parse.h"

namespace bitloss {
namespace {

namespace fs = std::filesystem;
using Sources = std::vector<ChatTemplateSource>;

constexpr size_t kMaxTemplateBytes = size_t{64} << 20;

bool MayExist(const fs::path& path) {
  std::error_code unreadable;  // then ReadFile says why
  return fs::exists(path, unreadable) || unreadable;
}

Status AddFile(const fs::path& path, std::string name, Sources& sources) {
  BITLOSS_TRY(std::string jinja, ReadFile(path, kMaxTemplateBytes));
  sources.push_back({std::move(name), std::move(jinja), path.string()});
  return Ok();
}

Result<Sources> FromFiles(const fs::path& folder) {
  Sources sources;
  const fs::path own = folder / "chat_template.jinja";
  if (MayExist(own)) BITLOSS_DO(AddFile(own, "default", sources));
  std::vector<fs::path> more;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder / "additional_chat_templates", none)) {
    if (entry.path().extension() == ".jinja") more.push_back(entry.path());
  }
  std::sort(more.begin(), more.end());
  for (const fs::path& path : more) BITLOSS_DO(AddFile(path, path.stem().string(), sources));
  return sources;
}

// A Jinja source, or a list of named ones.
Result<Sources> FromConfig(const JsonFields& config, const std::string& origin) {
  Sources sources;
  const nlohmann::json* value = config.Find("chat_template");
  if (value == nullptr) return sources;
  if (!value->is_array()) {
    BITLOSS_TRY(std::string jinja, config.String("chat_template"));
    if (!jinja.empty()) sources.push_back({"default", std::move(jinja), origin});
    return sources;
  }
  for (size_t i = 0; i < value->size(); ++i) {
    BITLOSS_TRY(const JsonFields entry,
                JsonFields::Of((*value)[i], fmt::format("chat_template[{}]", i)));
    BITLOSS_TRY(std::string name, entry.String("name"));
    BITLOSS_TRY(std::string jinja, entry.String("template"));
    const std::string where = fmt::format("{}, chat template '{}'", origin, name);
    sources.push_back({std::move(name), std::move(jinja), where});
  }
  return sources;
}

}  // namespace

Result<Sources> FindChatTemplates(const fs::path& folder, const JsonFields* config) {
  BITLOSS_TRY(Sources files, FromFiles(folder));
  if (!files.empty()) return files;
  if (config != nullptr) {
    BITLOSS_TRY(Sources named, FromConfig(*config, (folder / "tokenizer_config.json").string()));
    if (!named.empty()) return named;
  }
  const fs::path json = folder / "chat_template.json";
  if (!MayExist(json)) return Sources();
  BITLOSS_TRY(const std::string text, ReadFile(json, kMaxTemplateBytes));
  const auto read = [&]() -> Result<Sources> {
    BITLOSS_TRY(const nlohmann::json document, ParseJson(text));
    BITLOSS_TRY(const JsonFields fields, JsonFields::Of(document, ""));
    return FromConfig(fields, json.string());
  };
  auto sources = read();
  return sources.ok() ? sources : Within(json.string(), sources.error());
}

Result<Sources> FindChatTemplates(const GgufMetadata& metadata) {
  const std::string key = "tokenizer.chat_template";
  Sources sources;
  if (metadata.Has(key)) {
    BITLOSS_TRY(std::string jinja, metadata.GetString(key));
    if (!jinja.empty()) sources.push_back({"default", std::move(jinja), key});
  }
  if (!metadata.Has("tokenizer.chat_templates")) return sources;
  BITLOSS_TRY(const auto names, metadata.GetStrings("tokenizer.chat_templates"));
  for (const std::string& name : names) {
    const std::string of_name = key + "." + name;
    BITLOSS_TRY(std::string jinja, metadata.GetString(of_name));
    sources.push_back({name, std::move(jinja), of_name});
  }
  return sources;
}

}  // namespace bitloss
