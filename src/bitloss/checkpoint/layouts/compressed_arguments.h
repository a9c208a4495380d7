// How a compressed-tensors config says that numbers are rounded (its QuantizationArgs), and the
// executions that round inputs of linears so.
#ifndef BITLOSS_CHECKPOINT_LAYOUTS_COMPRESSED_ARGUMENTS_H_
#define BITLOSS_CHECKPOINT_LAYOUTS_COMPRESSED_ARGUMENTS_H_

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "bitloss/quant/execution.h"

namespace bitloss {

// What the arguments of a quantization say, as far as executions go by it.
struct CompressedArguments {
  int bits = 0;
  std::string_view type;
  std::string_view strategy;
  int group_size = 0;  // 0: none, or not looked at
  bool symmetric = true;

  bool operator==(const CompressedArguments&) const = default;
};

// When scales are found ("dynamic").
enum class ScalesAre {
  kStored,  // false: before, in the file
  kFound,   // true: as the model runs
  kLocal,   // "local": those of groups as it runs, over one for all that is in the file
};

// Written down, with every key that its readers expect.
nlohmann::ordered_json ArgumentsJson(const CompressedArguments& arguments, ScalesAre scales);

// The execution ("fp8", "w8a8:asym", "fp8:static") that multiplies weights with inputs as a config
// group's "weights" and "input_activations" say; empty where none does: asymmetric scales that a
// file holds, strategies that no engine runs.
std::string_view ExecutionOfGroup(const nlohmann::json& weights, const nlohmann::json& inputs);

// "input_activations" of an execution: null for real activations. Requires: HasCompressedInputs.
nlohmann::ordered_json CompressedInputs(const Execution& execution);
bool HasCompressedInputs(const Execution& execution);

// What the file calls a matrix's scale of inputs, behind its module: "input_scale". Requires:
// execution.static_activations.
std::string_view InputScaleName(const Execution& execution);

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_LAYOUTS_COMPRESSED_ARGUMENTS_H_
