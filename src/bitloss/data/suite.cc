#include "bitloss/data/suite.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "bitloss/base/file.h"
#include "bitloss/base/hash.h"
#include "bitloss/base/text.h"

namespace bitloss {
namespace {

constexpr size_t kMaxSuiteBytes = size_t{64} << 20;
constexpr size_t kMaxNewTokens = 1 << 20;
constexpr std::string_view kScopes[] = {"text", "first_line", "last_line", "fenced",
                                        "after_marker"};

struct Defaults {
  size_t max_new_tokens = kDefaultMaxNewTokens;
  Scope scope = Scope::kText;
};

// Unique, and made of a-z, 0-9 and "-".
Status TakeId(Fields& fields, std::set<std::string>& taken, std::string& id) {
  BITLOSS_TRY(id, fields.String("id"));
  const bool plain = !id.empty() && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  if (!plain) return fields.Bad("id", "letters a-z, digits and '-' are expected");
  if (!taken.insert(id).second) return fields.Bad("id", "'" + id + "' occurs twice");
  return Ok();
}

Result<Scope> ReadScope(Fields& fields, std::string_view key, Scope otherwise) {
  BITLOSS_TRY(const size_t index, fields.OneOf(key, kScopes, static_cast<size_t>(otherwise)));
  return static_cast<Scope>(index);
}

Result<size_t> ReadMaxNewTokens(Fields& fields, size_t otherwise) {
  BITLOSS_TRY(const std::optional<uint64_t> value, fields.Count("max_new_tokens"));
  if (value && (*value < 1 || *value > kMaxNewTokens)) {
    return fields.Bad("max_new_tokens", "must be between 1 and 1048576");
  }
  return value ? static_cast<size_t>(*value) : otherwise;
}

// Calls `read(Fields&, index)` for each object of the array `key`.
template <class Read>
Status ForEachObject(Fields& fields, std::string_view key, Read read) {
  const OrderedJson* array = fields.Find(key);
  if (array == nullptr || !array->is_array()) return fields.Bad(key, "an array is expected");
  for (size_t i = 0; i < array->size(); ++i) {
    BITLOSS_TRY(Fields element,
                Fields::Of((*array)[i], fmt::format("{}/{}/{}", fields.pointer(), key, i)));
    BITLOSS_DO(read(element));
    BITLOSS_DO(element.Finish());
  }
  return Ok();
}

Result<Check> ReadCheck(Fields& fields, const Defaults& defaults, std::set<std::string>& ids) {
  Check check;
  BITLOSS_DO(TakeId(fields, ids, check.id));
  BITLOSS_TRY(const std::string type, fields.String("type"));
  check.type = FindCheckType(type);
  if (check.type == nullptr) return fields.Bad("type", "there is no check '" + type + "'");
  BITLOSS_TRY(check.weight, fields.NumberOr("weight", 1.0));
  if (!(check.weight >= 0.0) || !std::isfinite(check.weight)) {
    return fields.Bad("weight", "must be 0 or more");
  }
  BITLOSS_TRY(check.required, fields.BoolOr("required", true));
  BITLOSS_TRY(check.negate, fields.BoolOr("negate", false));
  BITLOSS_TRY(check.scope, ReadScope(fields, "scope", defaults.scope));
  if (check.scope == Scope::kAfterMarker) {
    BITLOSS_TRY(check.marker, fields.StringOr("marker", check.marker));
    if (check.marker.empty()) return fields.Bad("marker", "must not be empty");
  }
  BITLOSS_TRY(check.judge, check.type->compile(fields));
  return check;
}

Status ReadCategory(Fields& fields, std::set<std::string>& ids, Suite& suite) {
  Category category;
  BITLOSS_DO(TakeId(fields, ids, category.id));
  BITLOSS_TRY(category.name, fields.String("name"));
  BITLOSS_TRY(category.super, fields.StringOr("super", ""));
  suite.categories.push_back(std::move(category));
  return Ok();
}

Result<size_t> ReadCategoryOf(Fields& fields, const Suite& suite) {
  BITLOSS_TRY(const std::string id, fields.String("category"));
  for (size_t i = 0; i < suite.categories.size(); ++i) {
    if (suite.categories[i].id == id) return i;
  }
  return fields.Bad("category", "'" + id + "' is not declared in /categories");
}

Status ReadPrompt(Fields& fields, const Defaults& defaults, std::set<std::string>& ids,
                  Suite& suite) {
  SuitePrompt prompt;
  BITLOSS_DO(TakeId(fields, ids, prompt.id));
  BITLOSS_TRY(prompt.category, ReadCategoryOf(fields, suite));
  BITLOSS_TRY(prompt.prompt, fields.String("prompt"));
  if (prompt.prompt.empty()) return fields.Bad("prompt", "must not be empty");
  BITLOSS_TRY(prompt.lang, fields.StringOr("lang", prompt.lang));
  BITLOSS_TRY(prompt.tags, fields.StringsOr("tags", {}));
  BITLOSS_TRY(prompt.max_new_tokens, ReadMaxNewTokens(fields, defaults.max_new_tokens));
  BITLOSS_TRY(prompt.references, fields.StringsOr("reference", {}));
  // The id of the prompt that this one is a variant of, or null; kept in the file only.
  if (const OrderedJson* parent = fields.Find("template_of");
      parent != nullptr && !parent->is_null() && !parent->is_string()) {
    return fields.Bad("template_of", "an id or null is expected");
  }
  if (fields.Find("checks") != nullptr) {
    std::set<std::string> check_ids;
    BITLOSS_DO(ForEachObject(fields, "checks", [&](Fields& element) -> Status {
      BITLOSS_TRY(Check check, ReadCheck(element, defaults, check_ids));
      if (check.type->name == "script" && !check.negate) {
        BITLOSS_TRY(const std::vector<std::string> named, element.Strings("scripts"));
        prompt.scripts.insert(prompt.scripts.end(), named.begin(), named.end());
      }
      prompt.checks.push_back(std::move(check));
      return Ok();
    }));
  }
  suite.prompts.push_back(std::move(prompt));
  return Ok();
}

Status ReadDefaults(Fields& fields, Defaults& defaults, Suite& suite) {
  const OrderedJson* field = fields.Find("defaults");
  if (field == nullptr) return Ok();
  BITLOSS_TRY(Fields table, Fields::Of(*field, "/defaults"));
  constexpr std::string_view kTemplates[] = {"chat", "raw"};
  BITLOSS_TRY(const size_t chosen, table.OneOf("template", kTemplates, 0));
  suite.prompt_template = static_cast<PromptTemplate>(chosen);
  BITLOSS_TRY(suite.system, table.StringOr("system", suite.system));
  BITLOSS_TRY(defaults.max_new_tokens, ReadMaxNewTokens(table, defaults.max_new_tokens));
  BITLOSS_TRY(defaults.scope, ReadScope(table, "answer_scope", defaults.scope));
  return table.Finish();
}

Result<Suite> ReadSuite(const OrderedJson& json) {
  BITLOSS_TRY(Fields fields, Fields::Of(json, ""));
  BITLOSS_TRY(const std::string schema, fields.String("schema"));
  if (schema != "bitloss.suite/1") {
    return fields.Bad("schema", "'" + schema + "' is not 'bitloss.suite/1'");
  }
  Suite suite;
  Defaults defaults;
  std::set<std::string> suite_ids;
  BITLOSS_DO(TakeId(fields, suite_ids, suite.id));
  BITLOSS_TRY(suite.version, fields.String("version"));
  BITLOSS_TRY(suite.license, fields.StringOr("license", ""));
  BITLOSS_DO(ReadDefaults(fields, defaults, suite));
  std::set<std::string> category_ids;
  BITLOSS_DO(ForEachObject(fields, "categories", [&](Fields& element) {
    return ReadCategory(element, category_ids, suite);
  }));
  std::set<std::string> prompt_ids;
  BITLOSS_DO(ForEachObject(fields, "prompts", [&](Fields& element) {
    return ReadPrompt(element, defaults, prompt_ids, suite);
  }));
  BITLOSS_DO(fields.Finish());
  return suite;
}

// "Domain Knowledge (Science)" -> "domain-knowledge-science".
std::string Slug(std::string_view name) {
  std::string slug;
  for (const char c : name) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if ((lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9')) {
      slug += lower;
    } else if (!slug.empty() && slug.back() != '-') {
      slug += '-';
    }
  }
  while (slug.ends_with('-')) slug.pop_back();
  return slug;
}

Result<Suite> ReadPlainMap(const OrderedJson& json, std::string_view name) {
  BITLOSS_TRY(Fields fields, Fields::Of(json, ""));
  Suite suite;
  suite.id = name;
  for (const auto& [category, prompts] : json.items()) {
    BITLOSS_TRY(const std::vector<std::string> texts, fields.Strings(category));
    const size_t index = suite.categories.size();
    std::string id = Slug(category);
    if (id.empty()) id = fmt::format("category-{}", index + 1);
    const auto same = [&](const Category& other) { return other.id == id; };
    if (std::any_of(suite.categories.begin(), suite.categories.end(), same)) {
      id += fmt::format("-{}", index + 1);
    }
    suite.categories.push_back({.id = id, .name = category, .super = ""});
    for (size_t i = 0; i < texts.size(); ++i) {
      if (texts[i].empty()) return fields.Bad(category, "an empty prompt");
      SuitePrompt prompt;
      prompt.id = fmt::format("{}-{:03}", id, i + 1);
      prompt.category = index;
      prompt.prompt = texts[i];
      prompt.max_new_tokens = kDefaultMaxNewTokens;
      suite.prompts.push_back(std::move(prompt));
    }
  }
  return suite;
}

}  // namespace

Result<Suite> ParseSuite(std::string_view json, std::string_view name) {
  const std::string context = fmt::format("suite '{}'", name);
  if (const auto offset = FindInvalidUtf8(json)) {
    return BadInput("{}: byte {} is not valid UTF-8", context, *offset);
  }
  const Result<OrderedJson> parsed = ParseOrderedJson(json);
  if (!parsed.ok()) return Within(context, parsed.error());
  const bool described = parsed.value().is_object() && parsed.value().contains("schema");
  Result<Suite> suite = described ? ReadSuite(parsed.value()) : ReadPlainMap(parsed.value(), name);
  if (!suite.ok()) return Within(context, suite.error());
  if (suite.value().prompts.empty()) return BadInput("{}: no prompts", context);
  suite.value().sha256 = Sha256Hex(nlohmann::json(parsed.value()).dump());
  return suite;
}

Result<Suite> LoadSuite(const std::filesystem::path& path) {
  BITLOSS_TRY(const std::string bytes, ReadFile(path, kMaxSuiteBytes));
  return ParseSuite(bytes, path.stem().string());
}

}  // namespace bitloss
