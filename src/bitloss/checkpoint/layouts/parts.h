// How layouts look at the tensors and options that files claim to have. Inside the module.
#ifndef BITLOSS_CHECKPOINT_LAYOUTS_PARTS_H_
#define BITLOSS_CHECKPOINT_LAYOUTS_PARTS_H_

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/checkpoint/layouts/layout.h"
#include "bitloss/tensor/dtype.h"

namespace bitloss {

// The modules P of all tensors "P<suffix>", sorted.
std::vector<std::string> ModulesWith(const StoredTensors& tensors, std::string_view suffix);

// kBadInput if the tensor is missing or not of one of the types and, if given, of this shape.
Result<const SafetensorsEntry*> FindPart(const StoredTensors& tensors, const std::string& name,
                                         std::initializer_list<std::string_view> types);
Result<const SafetensorsEntry*> FindPart(const StoredTensors& tensors, const std::string& name,
                                         std::initializer_list<std::string_view> types,
                                         std::initializer_list<uint64_t> shape);
// The same, or null if there is no such tensor.
Result<const SafetensorsEntry*> FindOptionalPart(const StoredTensors& tensors,
                                                 const std::string& name,
                                                 std::initializer_list<std::string_view> types,
                                                 std::initializer_list<uint64_t> shape);

// Elements of a part, which need not be aligned.
template <class T>
std::vector<T> PartValues(const SafetensorsEntry& part) {
  std::vector<T> values(part.bytes.size() / sizeof(T));
  std::memcpy(values.data(), part.bytes.data(), values.size() * sizeof(T));
  return values;
}
// F32, F16 or BF16 to float32; kBadInput, naming the tensor, if one is NaN or infinite.
Result<std::vector<float>> FloatValues(const SafetensorsEntry& part);

// Whether "quant_method" is this one.
bool IsMethod(const nlohmann::json& config, std::string_view method);

// Options of a quantization_config; null and absent are the same. kBadInput names the option.
Result<uint64_t> UintOption(const nlohmann::json& config, const char* key,
                            std::optional<uint64_t> absent);
// A group size; 0 for -1, which means the whole row.
Result<uint64_t> GroupOption(const nlohmann::json& config, const char* key);
Result<bool> BoolOption(const nlohmann::json& config, const char* key, std::optional<bool> absent);
Result<double> NumberOption(const nlohmann::json& config, const char* key,
                            std::optional<double> absent);
Result<std::string> StringOption(const nlohmann::json& config, const char* key,
                                 std::optional<std::string> absent);

// What `args` (an object of "num_bits", "type", "strategy", "dynamic") rounds something to, in
// words: "float, 8 bits (token, dynamic)".
std::string DescribeRounding(const nlohmann::json& args);

// Adds a note for each entry of `object`, the quantization_config or a part of it that `where`
// names, that is there, not null and not among `known`: nothing is passed over in silence.
void NoteUnknownEntries(const nlohmann::json& object, std::string_view where,
                        std::initializer_list<std::string_view> known, StoredQuantization& to);

// Adds to what is not run, once.
void AddNotRun(std::string what, StoredQuantization& to);

// The modules left alone, and lm_head, which always is.
std::vector<std::string> WithHead(LeftAlone left_alone);

// A tensor to be written; `type` as safetensors spells it.
SafetensorsEntry MakePart(std::string name, std::string_view type, std::vector<uint64_t> shape,
                          SharedBytes bytes);

// Ours to add: registers the parts of `matrix` and its size.
void AddMatrix(const std::string& name, QuantizedTensor matrix,
               std::initializer_list<const SafetensorsEntry*> parts, QuantizedTensors& to);

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_LAYOUTS_PARTS_H_
