// json, json_value: the answer is a JSON document (RFC 8259: no NaN, no comments, no repeated
// keys).
//
// `fence`: "forbid" takes the answer as it is; "allow" (default) also takes an answer that is one
// fenced block and nothing else; "extract" takes the first fenced block of any answer, or, without
// a fence, what stands between the first "{" and the last "}".
#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "bitloss/data/checks/answer_text.h"
#include "bitloss/data/checks/list.h"

namespace bitloss {
namespace {

enum class Fence { kForbid, kAllow, kExtract };

Result<Fence> ReadFence(Fields& fields) {
  constexpr std::string_view kNames[] = {"forbid", "allow", "extract"};
  BITLOSS_TRY(const size_t index, fields.OneOf("fence", kNames, 1));
  return static_cast<Fence>(index);
}

struct Document {
  std::optional<OrderedJson> json;
  std::string how;  // "raw", "fenced", or why there is none
};

bool IsOneFencedBlock(std::string_view text) {
  const std::string_view trimmed = Trim(text);
  return trimmed.starts_with("```") && trimmed.ends_with("```") && trimmed.size() > 6 &&
         trimmed.find("```", 3) == trimmed.size() - 3;
}

// From the first "{" to the last "}", where prose stands around.
std::optional<std::string_view> FirstObject(std::string_view text) {
  const size_t begin = text.find('{');
  const size_t end = text.rfind('}');
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) {
    return std::nullopt;
  }
  return text.substr(begin, end + 1 - begin);
}

Document ReadDocument(std::string_view text, Fence fence) {
  Result<OrderedJson> raw = ParseOrderedJson(Trim(text));
  if (raw.ok()) return {std::move(raw).value(), "raw"};
  const bool unwrap =
      fence == Fence::kExtract || (fence == Fence::kAllow && IsOneFencedBlock(text));
  auto block = unwrap ? FirstFencedBlock(text) : std::nullopt;
  if (!block && fence == Fence::kExtract) block = FirstObject(text);
  if (!block) return {std::nullopt, raw.error().message};
  Result<OrderedJson> fenced = ParseOrderedJson(Trim(*block));
  if (fenced.ok()) return {std::move(fenced).value(), "fenced"};
  return {std::nullopt, "in the fence: " + fenced.error().message};
}

constexpr std::array<std::string_view, 7> kTypes = {"string", "number", "integer", "boolean",
                                                    "array",  "object", "null"};

bool HasType(const OrderedJson& value, std::string_view type) {
  if (type == "integer") {
    return value.is_number_integer() ||
           (value.is_number_float() && std::floor(value.get<double>()) == value.get<double>());
  }
  return value.type_name() == type;
}

using KeyTypes = std::vector<std::pair<std::string, std::string>>;

// "keys": {"name": "string", ...}.
Result<KeyTypes> ReadKeys(Fields& fields) {
  KeyTypes keys;
  const OrderedJson* field = fields.Find("keys");
  if (field == nullptr) return keys;
  if (!field->is_object()) return fields.Bad("keys", "an object of key: type is expected");
  for (const auto& [key, type] : field->items()) {
    if (!type.is_string() ||
        std::find(kTypes.begin(), kTypes.end(), type.get<std::string>()) == kTypes.end()) {
      return fields.Bad("keys", "types are string, number, integer, boolean, array, object, null");
    }
    keys.emplace_back(key, type.get<std::string>());
  }
  return keys;
}

// What is wrong with the keys of `json`; empty if nothing is.
std::string FindKeyFault(const OrderedJson& json, const KeyTypes& keys, bool exact) {
  if (keys.empty() && !exact) return {};
  if (!json.is_object()) return "not an object";
  for (const auto& [key, type] : keys) {
    const auto found = json.find(key);
    if (found == json.end()) return "no key '" + Excerpt(key) + "'";
    if (!HasType(*found, type)) return "'" + Excerpt(key) + "' is not of type " + type;
  }
  if (exact && json.size() != keys.size()) return "keys that were not asked for";
  return {};
}

// Numbers by value, objects whatever the order of their keys, top-level strings as `equal` has
// them.
bool SameValue(const OrderedJson& found, const OrderedJson& wanted,
               const Normalization& normalization) {
  if (found.is_string() && wanted.is_string()) {
    return Normalize(found.get<std::string>(), normalization) ==
           Normalize(wanted.get<std::string>(), normalization);
  }
  return nlohmann::json(found) == nlohmann::json(wanted);
}

}  // namespace

Result<CheckFunction> CompileJson(Fields& fields) {
  BITLOSS_TRY(const Fence fence, ReadFence(fields));
  BITLOSS_TRY(const KeyTypes keys, ReadKeys(fields));
  BITLOSS_TRY(const bool exact, fields.BoolOr("exact_keys", false));
  return CheckFunction([fence, keys, exact](const AnswerView& answer) -> Judged {
    const Document document = ReadDocument(answer.scoped, fence);
    if (!document.json) return Decide(false, document.how);
    const std::string fault = FindKeyFault(*document.json, keys, exact);
    return Decide(fault.empty(), fault.empty() ? "valid, " + document.how : fault);
  });
}

Result<CheckFunction> CompileJsonValue(Fields& fields) {
  BITLOSS_TRY(const Fence fence, ReadFence(fields));
  BITLOSS_TRY(const Normalization normalization, ReadNormalization(fields));
  BITLOSS_TRY(const std::string path, fields.String("path"));
  OrderedJson::json_pointer pointer;
  try {
    pointer = OrderedJson::json_pointer(path);
  } catch (const OrderedJson::exception&) {
    return fields.Bad("path", "a JSON pointer is expected, such as /date, or \"\" for the whole");
  }
  const OrderedJson* equals = fields.Find("equals");
  const OrderedJson* any_of = fields.Find("any_of");
  if ((equals == nullptr) == (any_of == nullptr)) {
    return fields.Bad("equals", "exactly one of 'equals' and 'any_of' is expected");
  }
  if (any_of != nullptr && (!any_of->is_array() || any_of->empty())) {
    return fields.Bad("any_of", "an array of at least one value is expected");
  }
  const OrderedJson wanted = any_of != nullptr ? *any_of : OrderedJson::array({*equals});
  return CheckFunction([=](const AnswerView& answer) -> Judged {
    const Document document = ReadDocument(answer.scoped, fence);
    if (!document.json) return Decide(false, document.how);
    try {
      const OrderedJson& found = document.json->at(pointer);
      const bool passed = std::any_of(
          wanted.begin(), wanted.end(),
          [&](const OrderedJson& accepted) { return SameValue(found, accepted, normalization); });
      return Decide(passed, "found: " + Excerpt(found.dump()));
    } catch (const OrderedJson::exception&) {
      return Decide(false, "nothing at '" + Excerpt(path) + "'");
    }
  });
}

}  // namespace bitloss
