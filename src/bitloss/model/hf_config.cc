// HfConfig: one object of a JSON file.
#include <cmath>
#include <nlohmann/json.hpp>

#include "bitloss/model/config_readers.h"

namespace bitloss {

using Json = nlohmann::json;

bool HfConfig::Has(std::string_view key) const {
  asked_.emplace(key);
  const auto found = value_.find(key);
  return found != value_.end() && !found->is_null();
}

bool HfConfig::Mentions(std::string_view key) const {
  asked_.emplace(key);
  return value_.contains(key);
}

bool HfConfig::IsArray(std::string_view key) const {
  const auto found = value_.find(key);
  return found != value_.end() && found->is_array();
}

bool HfConfig::IsString(std::string_view key) const {
  const auto found = value_.find(key);
  return found != value_.end() && found->is_string();
}

Result<const Json*> HfConfig::Find(std::string_view key) const {
  asked_.emplace(key);
  const auto found = value_.find(key);
  if (found == value_.end()) return BadInput("{}: is missing", Place(key));
  return &*found;
}

Result<uint64_t> HfConfig::GetSize(std::string_view key, uint64_t max) const {
  BITLOSS_TRY(const Json* value, Find(key));
  if (!value->is_number_unsigned() || value->get<uint64_t>() == 0 || value->get<uint64_t>() > max) {
    return BadInput("{}: is {}, not an integer in [1, {}]", Place(key), Short(*value), max);
  }
  return value->get<uint64_t>();
}

Result<uint64_t> HfConfig::GetSizeOr(std::string_view key, uint64_t absent, uint64_t max) const {
  if (!Has(key)) return absent;
  return GetSize(key, max);
}

Result<uint64_t> HfConfig::GetCountOr(std::string_view key, uint64_t absent, uint64_t max) const {
  if (!Has(key)) return absent;
  BITLOSS_TRY(const Json* value, Find(key));
  if (!value->is_number_unsigned() || value->get<uint64_t>() > max) {
    return BadInput("{}: is {}, not an integer in [0, {}]", Place(key), Short(*value), max);
  }
  return value->get<uint64_t>();
}

Result<double> HfConfig::GetPositive(std::string_view key) const {
  BITLOSS_TRY(const Json* value, Find(key));
  if (!value->is_number() || !(value->get<double>() > 0) || !std::isfinite(value->get<double>())) {
    return BadInput("{}: is {}, not a number > 0", Place(key), Short(*value));
  }
  return value->get<double>();
}

Result<double> HfConfig::GetPositiveOr(std::string_view key, double absent) const {
  if (!Has(key)) return absent;
  return GetPositive(key);
}

Result<double> HfConfig::GetNumberOr(std::string_view key, double absent) const {
  if (!Has(key)) return absent;
  BITLOSS_TRY(const Json* value, Find(key));
  if (!value->is_number() || !(value->get<double>() >= 0) || !std::isfinite(value->get<double>())) {
    return BadInput("{}: is {}, not a number >= 0", Place(key), Short(*value));
  }
  return value->get<double>();
}

Result<bool> HfConfig::GetBoolOr(std::string_view key, bool absent) const {
  if (!Has(key)) return absent;
  BITLOSS_TRY(const Json* value, Find(key));
  if (!value->is_boolean()) {
    return BadInput("{}: is {}, not true or false", Place(key), Short(*value));
  }
  return value->get<bool>();
}

Result<std::string> HfConfig::GetString(std::string_view key) const {
  BITLOSS_TRY(const Json* value, Find(key));
  if (!value->is_string()) return BadInput("{}: is {}, not a string", Place(key), Short(*value));
  return value->get<std::string>();
}

Result<std::vector<std::string>> HfConfig::GetStrings(std::string_view key) const {
  BITLOSS_TRY(const Json* value, Find(key));
  if (!value->is_array()) return BadInput("{}: is {}, not an array", Place(key), Short(*value));
  std::vector<std::string> strings;
  for (const Json& element : *value) {
    if (!element.is_string()) {
      return BadInput("{}: holds {}, not a string", Place(key), Short(element));
    }
    strings.push_back(element.get<std::string>());
  }
  return strings;
}

Result<std::vector<double>> HfConfig::GetNumbers(std::string_view key) const {
  BITLOSS_TRY(const Json* value, Find(key));
  if (!value->is_array()) return BadInput("{}: is {}, not an array", Place(key), Short(*value));
  std::vector<double> numbers;
  for (const Json& element : *value) {
    if (!element.is_number() || !(element.get<double>() >= 0) ||
        !std::isfinite(element.get<double>())) {
      return BadInput("{}: holds {}, not a number >= 0", Place(key), Short(element));
    }
    numbers.push_back(element.get<double>());
  }
  return numbers;
}

Result<HfConfig> HfConfig::GetObject(std::string_view key) const {
  BITLOSS_TRY(const Json* value, Find(key));
  if (!value->is_object()) return BadInput("{}: is {}, not an object", Place(key), Short(*value));
  return HfConfig(Place(key), *value);
}

std::string HfConfig::Place(std::string_view key) const {
  return fmt::format("{}/{}", place_, key);
}

std::string HfConfig::Short(const Json& value) {
  if (value.is_structured()) return value.is_array() ? "an array" : "an object";
  constexpr size_t kMax = 60;
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true);
  if (text.size() > kMax) text.replace(kMax, text.npos, "...");
  return text;
}

}  // namespace bitloss
