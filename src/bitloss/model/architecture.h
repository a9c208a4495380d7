// The architectures that run, each a value: how its configuration is read from either kind of file
// and what its tensors are called there. What they have in common is in config_readers.h.
#ifndef BITLOSS_MODEL_ARCHITECTURE_H_
#define BITLOSS_MODEL_ARCHITECTURE_H_

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/model/config_readers.h"
#include "bitloss/model/layer_plan.h"

namespace bitloss {

// A tensor whose rows are those of several linears of a unit: one linear's after the other, or of
// each head in turn some of each.
enum class FusedOrder { kByLinear, kByHead };
struct FusedTensor {
  std::string_view name;
  Unit unit = Unit::kAttention;
  std::vector<Linear> members;
  FusedOrder order = FusedOrder::kByLinear;
};

// Names of a block's tensors. But for sinks and the selection bias of safetensors, stacked experts
// and what a delta rule adds and multiplies by, which are whole, what stands between the block's
// prefix ("model.layers.3.", "blk.3.") and ".weight" or ".bias". Empty: a checkpoint of this kind
// has no such tensor. A fused tensor holds its members where it is there.
struct TensorNames {
  std::array<std::string_view, kNumKept> kept;
  std::array<std::string_view, kNumLinears> linears;
  std::array<std::string_view, kNumLinears> recurrent;  // those of Unit::kRecurrent
  std::vector<FusedTensor> fused;
  // Both inputs of a delta rule's rates and decays, by key head.
  std::string_view fused_rates;
  // Before an expert's number, and gate, up, down after it: "mlp.experts", ".gate_proj".
  std::string_view experts;
  std::array<std::string_view, 3> of_expert;
  // All experts of a layer as one tensor: gate, up, down; or gate and up as one. Whole names.
  std::array<std::string_view, 3> stacked;
  std::string_view stacked_gate_up;
  // Of the shared expert: before gate, up, down, and those.
  std::string_view shared;
  std::array<std::string_view, 3> of_shared;
};

// How rows of one stacked expert lie in its tensor.
enum class StackedOrder { kGateThenUp, kAlternating };  // of stacked_gate_up
enum class StackedAxes { kOutIn, kInOut };              // [experts][out][in] or [experts][in][out]

struct Architecture {
  std::string_view name;                      // model_type
  std::span<const std::string_view> classes;  // of config.json's "architectures"
  HfDefaults defaults;
  // What the sizes and the rope do not say. Sizes have been read.
  Status (*read_hf)(const HfConfig& config, ModelConfig& model) = nullptr;
  TensorNames hf_names;
  std::string_view hf_final_norm = "norm";
  StackedOrder stacked_order = StackedOrder::kGateThenUp;
  StackedAxes stacked_axes = StackedAxes::kOutIn;

  std::string_view gguf_name;  // general.architecture; empty: not read from GGUF
  Status (*read_gguf)(const GgufConfig& config, ModelConfig& model) = nullptr;
  TensorNames gguf_names;
  std::string_view gguf_final_norm = {};  // empty: output_norm
};

// In the order in which they are named to people.
std::span<const Architecture* const> Architectures();

// By model_type; null if unknown.
const Architecture* FindArchitecture(std::string_view name);
// By general.architecture, of which two kinds of model may share one (the file tells them apart).
const Architecture* FindGgufArchitecture(std::string_view name, const GgufMetadata& metadata);

// kUnsupported: "architecture 'x' is not known; nearest: ...".
Error UnknownArchitecture(std::string_view name, std::span<const std::string_view> known);

// The names of Llama's tensors, which most others share.
TensorNames LlamaNames();
// Calls a kept part so.
void NameKept(TensorNames& names, Kept kept, std::string_view name);
TensorNames LlamaGgufNames();
// The same with experts and shared experts as Qwen, DeepSeek and GLM write them.
TensorNames ExpertNames(std::string_view shared);
TensorNames ExpertGgufNames();
// GGUF's with norms around the parts, or after them; with "post_attention_norm" before the MLP.
TensorNames AroundGgufNames();
TensorNames PostAttentionGgufNames();
// For an entry of TensorNames::fused.
FusedTensor FusedProjections(std::string_view name);  // q, k, v
FusedTensor FusedGateAndUp(std::string_view name);

}  // namespace bitloss

#endif  // BITLOSS_MODEL_ARCHITECTURE_H_
