#include "bitloss/json/fields.h"

#include <nlohmann/json.hpp>

namespace bitloss {
namespace {

// "~" and "/" are escaped in a JSON pointer (RFC 6901).
std::string EscapePointer(std::string_view key) {
  std::string out;
  for (const char c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

Result<Fields> Fields::Of(const OrderedJson& object, std::string pointer) {
  if (!object.is_object()) {
    return BadInput("{}: expected an object, found {}", pointer, object.type_name());
  }
  return Fields(object, std::move(pointer));
}

const OrderedJson* Fields::Find(std::string_view key) {
  asked_.emplace(key);
  const auto found = object_->find(key);
  return found == object_->end() ? nullptr : &*found;
}

Result<std::string> Fields::String(std::string_view key) {
  const OrderedJson* field = Find(key);
  if (field == nullptr) return Bad(key, "missing; a string is expected");
  if (!field->is_string()) return Bad(key, "a string is expected");
  return field->get<std::string>();
}

Result<double> Fields::Number(std::string_view key) {
  const OrderedJson* field = Find(key);
  if (field == nullptr) return Bad(key, "missing; a number is expected");
  if (!field->is_number()) return Bad(key, "a number is expected");
  return field->get<double>();
}

Result<std::vector<std::string>> Fields::Strings(std::string_view key) {
  const OrderedJson* field = Find(key);
  if (field == nullptr || !field->is_array() || field->empty()) {
    return Bad(key, "an array of at least one string is expected");
  }
  std::vector<std::string> strings;
  for (const OrderedJson& element : *field) {
    if (!element.is_string()) return Bad(key, "an array of strings is expected");
    strings.push_back(element.get<std::string>());
  }
  return strings;
}

Result<std::string> Fields::StringOr(std::string_view key, std::string otherwise) {
  if (Find(key) == nullptr) return otherwise;
  return String(key);
}

Result<double> Fields::NumberOr(std::string_view key, double otherwise) {
  if (Find(key) == nullptr) return otherwise;
  return Number(key);
}

Result<bool> Fields::BoolOr(std::string_view key, bool otherwise) {
  const OrderedJson* field = Find(key);
  if (field == nullptr) return otherwise;
  if (!field->is_boolean()) return Bad(key, "true or false is expected");
  return field->get<bool>();
}

Result<std::vector<std::string>> Fields::StringsOr(std::string_view key,
                                                   std::vector<std::string> otherwise) {
  if (Find(key) == nullptr) return otherwise;
  return Strings(key);
}

Result<std::optional<uint64_t>> Fields::Count(std::string_view key) {
  const OrderedJson* field = Find(key);
  if (field == nullptr) return std::optional<uint64_t>();
  if (!field->is_number_unsigned()) return Bad(key, "a whole number is expected");
  return std::optional<uint64_t>(field->get<uint64_t>());
}

Result<size_t> Fields::OneOf(std::string_view key, std::span<const std::string_view> names,
                             size_t otherwise) {
  if (Find(key) == nullptr) return otherwise;
  BITLOSS_TRY(const std::string value, String(key));
  std::string known;
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == value) return i;
    known += (i == 0 ? "" : ", ") + std::string(names[i]);
  }
  return Bad(key, "'" + value + "' is not one of: " + known);
}

Status Fields::Finish() const {
  for (const auto& [key, value] : object_->items()) {
    if (!key.starts_with("x-") && !asked_.contains(key)) {
      return Bad(key, "unknown field; fields of your own begin with 'x-'");
    }
  }
  return Ok();
}

Error Fields::Bad(std::string_view key, std::string_view message) const {
  return BadInput("{}/{}: {}", pointer_, EscapePointer(key), message);
}

}  // namespace bitloss
