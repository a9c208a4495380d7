// What a compressed-tensors config says of the inputs of linears, and the executions that round so.
#ifndef BITLOSS_CHECKPOINT_LAYOUTS_COMPRESSED_ACTIVATIONS_H_
#define BITLOSS_CHECKPOINT_LAYOUTS_COMPRESSED_ACTIVATIONS_H_

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "bitloss/quant/execution.h"

namespace bitloss {

// The execution ("fp8", "w8a8:asym") that multiplies weights with inputs as a config group's
// "weights" and "input_activations" say; empty where none does: scales that a file holds (static),
// strategies that no engine runs.
std::string_view ExecutionOfGroup(const nlohmann::json& weights, const nlohmann::json& inputs);

// "input_activations" of an execution: null for real activations. Requires: HasCompressedInputs.
nlohmann::ordered_json CompressedInputs(const Execution& execution);
bool HasCompressedInputs(const Execution& execution);

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_LAYOUTS_COMPRESSED_ACTIVATIONS_H_
