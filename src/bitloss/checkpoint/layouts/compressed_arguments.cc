#include "bitloss/checkpoint/layouts/compressed_arguments.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace bitloss {
namespace {

using Json = nlohmann::json;

struct Pair {
  std::string_view execution;
  CompressedArguments weights;  // strategy empty: any
  CompressedArguments inputs;
  ScalesAre scales = ScalesAre::kFound;  // of inputs
};

constexpr CompressedArguments kInt8Tokens = {8, "int", "token", 0, true};
constexpr CompressedArguments kAsymmetricInt8Tokens = {8, "int", "token", 0, false};
constexpr CompressedArguments kFp8Tokens = {8, "float", "token", 0, true};
constexpr CompressedArguments kFp8Groups = {8, "float", "group", 128, true};
constexpr CompressedArguments kMxFp4 = {4, "float", "group", 32, true};
constexpr CompressedArguments kInt8Tensor = {8, "int", "tensor", 0, true};
constexpr CompressedArguments kFp8Tensor = {8, "float", "tensor", 0, true};
constexpr CompressedArguments kNvFp4 = {4, "float", "tensor_group", 16, true};
constexpr CompressedArguments kMxFp8 = {8, "float", "group", 32, true};

constexpr std::array kPairs = {
    Pair{"w8a8", {8, "int", "channel", 0, true}, kInt8Tokens},
    Pair{"w8a8:asym", {8, "int", "channel", 0, true}, kAsymmetricInt8Tokens},
    Pair{"w4a8", {4, "int", "", 0, true}, kInt8Tokens},
    Pair{"w4a8:asym", {4, "int", "", 0, true}, kAsymmetricInt8Tokens},
    Pair{"fp8", {8, "float", "channel", 0, true}, kFp8Tokens},
    Pair{"fp8", {8, "float", "tensor", 0, true}, kFp8Tokens},
    Pair{"w8a8:ct:static", {8, "int", "channel", 0, true}, kInt8Tensor, ScalesAre::kStored},
    Pair{"fp8:static", {8, "float", "channel", 0, true}, kFp8Tensor, ScalesAre::kStored},
    Pair{"fp8:static", kFp8Tensor, kFp8Tensor, ScalesAre::kStored},
    Pair{"nvfp4", kNvFp4, kNvFp4, ScalesAre::kLocal},
    Pair{"fp8:block", {8, "float", "block", 0, true}, kFp8Groups},
    Pair{"mxfp4", kMxFp4, kMxFp4},
    Pair{"mxfp8", kMxFp8, kMxFp8},
    Pair{"mxfp8", kMxFp4, kMxFp8},
};

template <class T>
T Value(const Json& object, const char* key, T absent) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return absent;
  if constexpr (std::is_same_v<T, bool>) {
    return found->is_boolean() ? found->get<bool>() : absent;
  } else if constexpr (std::is_same_v<T, int>) {
    return found->is_number_integer() ? found->get<int>() : -1;
  } else {
    return found->is_string() ? T(found->get_ref<const std::string&>()) : absent;
  }
}

CompressedArguments ArgumentsOf(const Json& object) {
  return {Value(object, "num_bits", 0), Value(object, "type", std::string_view()),
          Value(object, "strategy", std::string_view()), Value(object, "group_size", 0),
          Value(object, "symmetric", true)};
}

constexpr std::string_view kLocal = "local";

ScalesAre ScalesOf(const Json& inputs) {
  if (Value(inputs, "dynamic", std::string_view()) == kLocal) return ScalesAre::kLocal;
  return Value(inputs, "dynamic", false) ? ScalesAre::kFound : ScalesAre::kStored;
}

// Weights may have zero points, and group sizes where the strategy is not told by them.
bool Matches(const CompressedArguments& asked, CompressedArguments found) {
  found.symmetric = asked.symmetric;
  if (asked.strategy.empty()) found.strategy = {};
  if (asked.group_size == 0) found.group_size = 0;
  return found == asked;
}

}  // namespace

nlohmann::ordered_json ArgumentsJson(const CompressedArguments& arguments, ScalesAre scales) {
  nlohmann::ordered_json dynamic = scales == ScalesAre::kFound;
  if (scales == ScalesAre::kLocal) dynamic = kLocal;
  nlohmann::ordered_json json = {{"num_bits", arguments.bits},
                                 {"type", arguments.type},
                                 {"symmetric", arguments.symmetric},
                                 {"strategy", arguments.strategy},
                                 {"group_size", nullptr},
                                 {"block_structure", nullptr},
                                 {"dynamic", dynamic},
                                 {"actorder", nullptr},
                                 {"observer", nullptr},
                                 {"observer_kwargs", nlohmann::ordered_json::object()}};
  if (arguments.group_size > 0) json["group_size"] = arguments.group_size;
  return json;
}

std::string_view ExecutionOfGroup(const Json& weights, const Json& inputs) {
  if (!weights.is_object() || !inputs.is_object()) return {};
  CompressedArguments of_inputs = ArgumentsOf(inputs);
  if (of_inputs.strategy == "token" || of_inputs.strategy == "tensor") of_inputs.group_size = 0;
  // Groups of 32 have powers of two as scales: a config that names another type means other codes.
  constexpr std::string_view kPowers = "torch.uint8";
  if (of_inputs.group_size == 32 && Value(inputs, "scale_dtype", kPowers) != kPowers) return {};
  const CompressedArguments of_weights = ArgumentsOf(weights);
  const auto pair = std::ranges::find_if(kPairs, [&](const Pair& known) {
    return Matches(known.weights, of_weights) && known.inputs == of_inputs &&
           known.scales == ScalesOf(inputs);
  });
  return pair == kPairs.end() ? std::string_view() : pair->execution;
}

bool HasCompressedInputs(const Execution& execution) {
  if (execution.kind == Execution::Kind::kRealActivations) return true;
  const std::string name = DefinitionOf(execution);
  return std::ranges::any_of(kPairs,
                             [&](const Pair& pair) { return name.substr(1) == pair.execution; });
}

nlohmann::ordered_json CompressedInputs(const Execution& execution) {
  if (execution.kind == Execution::Kind::kRealActivations) return nullptr;
  const std::string name = DefinitionOf(execution);
  const auto pair = std::ranges::find_if(
      kPairs, [&](const Pair& known) { return name.substr(1) == known.execution; });
  nlohmann::ordered_json json = ArgumentsJson(pair->inputs, pair->scales);
  if (pair->inputs.group_size == 32) {  // powers of two, a byte each
    json["scale_dtype"] = "torch.uint8";
    json["zp_dtype"] = "torch.uint8";
  }
  if (pair->scales == ScalesAre::kLocal) {
    json["scale_dtype"] = "torch.float8_e4m3fn";
    json["zp_dtype"] = "torch.float8_e4m3fn";
  }
  return json;
}

std::string_view InputScaleName(const Execution& execution) {
  return DefinitionOf(execution) == "@nvfp4" ? "input_global_scale" : "input_scale";
}

}  // namespace bitloss
