#include "bitloss/tokenizer/json_fields.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace bitloss {

using Json = nlohmann::json;

Result<JsonFields> JsonFields::Of(const Json& value, std::string where) {
  if (!value.is_object()) {
    return BadInput("{} is not an object but {}", where.empty() ? "the whole" : where,
                    value.type_name());
  }
  return JsonFields(value, std::move(where));
}

std::string JsonFields::PathOf(std::string_view key) const {
  return where_.empty() ? std::string(key) : fmt::format("{}.{}", where_, key);
}

const Json* JsonFields::Find(std::string_view key) const {
  const auto found = object_->find(key);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

Result<const Json*> JsonFields::Get(std::string_view key) const {
  const Json* value = Find(key);
  if (value == nullptr) return BadInput("{} is missing", PathOf(key));
  return value;
}

Result<std::string> JsonFields::String(std::string_view key) const {
  BITLOSS_TRY(const Json* value, Get(key));
  if (!value->is_string()) return BadInput("{} is not a string", PathOf(key));
  return value->get<std::string>();
}

Result<std::string> JsonFields::String(std::string_view key, std::string fallback) const {
  return Find(key) == nullptr ? fallback : String(key);
}

Result<bool> JsonFields::Bool(std::string_view key) const {
  BITLOSS_TRY(const Json* value, Get(key));
  if (!value->is_boolean()) return BadInput("{} is neither true nor false", PathOf(key));
  return value->get<bool>();
}

Result<bool> JsonFields::Bool(std::string_view key, bool fallback) const {
  return Find(key) == nullptr ? fallback : Bool(key);
}

Result<uint64_t> JsonFields::Count(std::string_view key) const {
  BITLOSS_TRY(const Json* value, Get(key));
  if (!value->is_number_unsigned() || value->get<uint64_t>() > uint64_t{1} << 53) {
    return BadInput("{} is not a whole number from 0 to 2^53", PathOf(key));
  }
  return value->get<uint64_t>();
}

Result<const Json*> JsonFields::Array(std::string_view key) const {
  BITLOSS_TRY(const Json* value, Get(key));
  if (!value->is_array()) return BadInput("{} is not an array", PathOf(key));
  return value;
}

Status JsonFields::Only(std::initializer_list<std::string_view> known) const {
  for (const auto& [key, value] : object_->items()) {
    if (value.is_null() || std::find(known.begin(), known.end(), key) != known.end()) continue;
    return Unsupported("{} is not a field that bitloss knows", PathOf(key));
  }
  return Ok();
}

}  // namespace bitloss
