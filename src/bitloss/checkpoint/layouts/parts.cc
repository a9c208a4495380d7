#include "bitloss/checkpoint/layouts/parts.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace bitloss {
namespace {

using Json = nlohmann::json;

const Json* Find(const Json& config, const char* key) {
  const auto found = config.find(key);
  return found == config.end() || found->is_null() ? nullptr : &*found;
}

template <class T>
Result<T> Required(const char* key, const std::optional<T>& absent) {
  if (absent) return *absent;
  return BadInput("quantization_config has no '{}'", key);
}

Error WrongOption(const char* key, const Json& value, std::string_view wanted) {
  constexpr size_t kShown = 40;
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true);
  if (text.size() > kShown) text = text.substr(0, kShown) + "...";
  return BadInput("quantization_config: '{}' is {}, not {}", key, text, wanted);
}

}  // namespace

std::vector<std::string> ModulesWith(const StoredTensors& tensors, std::string_view suffix) {
  std::vector<std::string> modules;
  for (const auto& [name, entry] : tensors) {
    if (name.size() > suffix.size() && name.ends_with(suffix)) {
      modules.push_back(name.substr(0, name.size() - suffix.size()));
    }
  }
  return modules;
}

Result<const SafetensorsEntry*> FindPart(const StoredTensors& tensors, const std::string& name,
                                         std::initializer_list<std::string_view> types) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) return BadInput("tensor '{}' is missing", name);
  if (std::ranges::find(types, found->second.stored_type) == types.end()) {
    return BadInput("tensor '{}' is of type {}, not {}", name, found->second.stored_type,
                    fmt::join(types, " or "));
  }
  return &found->second;
}

Result<const SafetensorsEntry*> FindPart(const StoredTensors& tensors, const std::string& name,
                                         std::initializer_list<std::string_view> types,
                                         std::initializer_list<uint64_t> shape) {
  BITLOSS_TRY(const SafetensorsEntry* part, FindPart(tensors, name, types));
  if (!std::ranges::equal(part->shape, shape)) {
    return BadInput("tensor '{}' has shape [{}], not [{}]", name, fmt::join(part->shape, ", "),
                    fmt::join(shape, ", "));
  }
  return part;
}

Result<const SafetensorsEntry*> FindOptionalPart(const StoredTensors& tensors,
                                                 const std::string& name,
                                                 std::initializer_list<std::string_view> types,
                                                 std::initializer_list<uint64_t> shape) {
  if (tensors.find(name) == tensors.end()) return nullptr;
  return FindPart(tensors, name, types, shape);
}

Result<std::vector<float>> FloatValues(const SafetensorsEntry& part) {
  std::vector<float> values;
  if (part.stored_type == "F32") values = PartValues<float>(part);
  if (part.stored_type == "F16") {
    for (const F16 value : PartValues<F16>(part)) values.push_back(ToFloat(value));
  }
  if (part.stored_type == "BF16") {
    for (const BF16 value : PartValues<BF16>(part)) values.push_back(ToFloat(value));
  }
  BITLOSS_DO(CheckFinite(part.name, values));
  return values;
}

bool IsMethod(const Json& config, std::string_view method) {
  const Json* found = Find(config, "quant_method");
  return found != nullptr && found->is_string() && found->get_ref<const std::string&>() == method;
}

Result<uint64_t> UintOption(const Json& config, const char* key, std::optional<uint64_t> absent) {
  const Json* value = Find(config, key);
  if (value == nullptr) return Required(key, absent);
  if (!value->is_number_unsigned()) return WrongOption(key, *value, "a number of things");
  return value->get<uint64_t>();
}

Result<uint64_t> GroupOption(const Json& config, const char* key) {
  const Json* value = Find(config, key);
  if (value != nullptr && *value == -1) return uint64_t{0};
  BITLOSS_TRY(const uint64_t group_size, UintOption(config, key, std::nullopt));
  constexpr uint64_t kMax = uint64_t{1} << 24;
  if (group_size == 0 || group_size > kMax) return WrongOption(key, *value, "a size of groups");
  return group_size;
}

Result<bool> BoolOption(const Json& config, const char* key, std::optional<bool> absent) {
  const Json* value = Find(config, key);
  if (value == nullptr) return Required(key, absent);
  if (!value->is_boolean()) return WrongOption(key, *value, "true or false");
  return value->get<bool>();
}

Result<double> NumberOption(const Json& config, const char* key, std::optional<double> absent) {
  const Json* value = Find(config, key);
  if (value == nullptr) return Required(key, absent);
  if (!value->is_number()) return WrongOption(key, *value, "a number");
  return value->get<double>();
}

Result<std::string> StringOption(const Json& config, const char* key,
                                 std::optional<std::string> absent) {
  const Json* value = Find(config, key);
  if (value == nullptr) return Required(key, absent);
  if (!value->is_string()) return WrongOption(key, *value, "a string");
  return value->get<std::string>();
}

std::string DescribeRounding(const Json& args) {
  const auto word = [&](const char* key) -> std::string {
    const auto found = args.find(key);
    if (found == args.end() || found->is_null()) return "";
    const std::string text = found->dump(-1, ' ', /*ensure_ascii=*/true);
    return found->is_string() ? text.substr(1, std::min<size_t>(text.size() - 2, 30))
                              : text.substr(0, 30);
  };
  if (!args.is_object()) return args.dump(-1, ' ', /*ensure_ascii=*/true).substr(0, 30);
  const std::string type = word("type"), strategy = word("strategy"), dynamic = word("dynamic");
  std::vector<std::string> how;
  if (!strategy.empty()) how.push_back(strategy);
  if (!dynamic.empty()) {
    how.emplace_back(dynamic == "true" ? "dynamic" : dynamic == "false" ? "static" : dynamic);
  }
  return fmt::format("{}, {} bits{}", type.empty() ? "numbers" : type, word("num_bits"),
                     how.empty() ? "" : fmt::format(" ({})", fmt::join(how, ", ")));
}

void NoteUnknownEntries(const Json& object, std::string_view where,
                        std::initializer_list<std::string_view> known, StoredQuantization& to) {
  for (const auto& [key, value] : object.items()) {
    if (value.is_null() || std::ranges::find(known, key) != known.end()) continue;
    to.notes.push_back(fmt::format("{}'s entry {} is not known and was not looked at", where,
                                   Json(key).dump(-1, ' ', /*ensure_ascii=*/true).substr(0, 40)));
  }
}

void AddNotRun(std::string what, StoredQuantization& to) {
  if (std::ranges::find(to.not_run, what) == to.not_run.end())
    to.not_run.push_back(std::move(what));
}

std::vector<std::string> WithHead(LeftAlone left_alone) {
  std::vector<std::string> modules(left_alone.begin(), left_alone.end());
  modules.emplace_back("lm_head");
  return modules;
}

SafetensorsEntry MakePart(std::string name, std::string_view type, std::vector<uint64_t> shape,
                          SharedBytes bytes) {
  return {.name = std::move(name),
          .stored_type = std::string(type),
          .dtype = std::nullopt,
          .shape = std::move(shape),
          .bytes = std::move(bytes)};
}

void AddMatrix(const std::string& name, QuantizedTensor matrix,
               std::initializer_list<const SafetensorsEntry*> parts, QuantizedTensors& to) {
  for (const SafetensorsEntry* part : parts) {
    if (part == nullptr) continue;
    matrix.num_bytes += part->bytes.size();
    to.parts.insert(part->name);
  }
  to.matrices.insert_or_assign(name, std::move(matrix));
}

}  // namespace bitloss
