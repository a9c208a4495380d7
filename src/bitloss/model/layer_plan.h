// The tensors of a decoder block: its linears as a list, and the vectors and small matrices that no
// scheme quantizes.
#ifndef BITLOSS_MODEL_LAYER_PLAN_H_
#define BITLOSS_MODEL_LAYER_PLAN_H_

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/model/config.h"

namespace bitloss {

// What a linear does; each expert has three of its own.
enum class Linear { kQuery, kKey, kValue, kOutput, kGate, kUp, kDown };
inline constexpr size_t kNumLinearKinds = 7;
inline constexpr std::array<Linear, kNumLinearKinds> kAllLinears = {
    Linear::kQuery, Linear::kKey, Linear::kValue, Linear::kOutput,
    Linear::kGate,  Linear::kUp,  Linear::kDown};

// "self_attn.q_proj", ... as in Hugging Face names.
std::string_view ModuleName(Linear linear);

// [out][in] of a linear.
struct LinearShape {
  size_t out = 0;
  size_t in = 0;
};

// Whose linear it is.
enum class Unit { kAttention, kMlp, kSharedExpert, kExpert };

struct LinearSpec {
  Linear kind = Linear::kQuery;
  Unit unit = Unit::kAttention;
  size_t expert = 0;  // of kExpert
  LinearShape shape;
  bool has_bias = false;

  // "self_attn.q_proj", "mlp.experts.3.up_proj"
  std::string Name() const;
};

// What stays as it is: kRouter is [experts][hidden], kSharedGate [1][hidden], kOutputGate
// [heads][hidden]; the rest are vectors. Norms named "pre" come before a part, "post" after it.
enum class Kept {
  kPreAttentionNorm,
  kPreMlpNorm,
  kPostAttentionNorm,
  kPostMlpNorm,
  kQueryNorm,
  kKeyNorm,
  kSinks,
  kOutputGate,
  kRouter,
  kRouterBias,
  kSelectionBias,
  kSharedGate
};
inline constexpr size_t kNumKept = 12;

struct KeptSpec {
  Kept kept = Kept::kPreAttentionNorm;
  size_t rows = 1;
  size_t cols = 0;
};

// Places in LayerPlan::linears of a gated unit; no gate where the activation needs none.
struct MlpPlaces {
  std::optional<size_t> gate;
  size_t up = 0;
  size_t down = 0;
};

struct LayerPlan {
  std::vector<LinearSpec> linears;  // in the order of a forward pass: q, k, v, o, gate, up, down
  std::vector<KeptSpec> kept;       // that the layer has
  std::optional<MlpPlaces> mlp;     // dense, or the shared expert
  std::vector<MlpPlaces> experts;

  bool Has(Kept kept_part) const;
};

LayerPlan PlanLayer(const ModelConfig& config, size_t layer);

// For coverage lines: "q, k, v, o, gate, up, down", and what stays as it is.
std::string LinearsInWords(const ModelConfig& config);
std::string KeptInWords(const ModelConfig& config);

// The row lengths of the matrices that schemes quantize, each once, ascending by first use.
std::vector<size_t> QuantizedWidths(const ModelConfig& config);

}  // namespace bitloss

#endif  // BITLOSS_MODEL_LAYER_PLAN_H_
