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

// What a linear does; each expert has three of its own. Those of a Llama block come first, and the
// output is what every mixer of tokens ends with.
enum class Linear {
  kQuery,
  kKey,
  kValue,
  kOutput,
  kGate,
  kUp,
  kDown,
  kQueryDown,     // latent attention: into the queries' narrow form,
  kQueryUp,       // out of it;
  kKeyValueDown,  // keys' and values' narrow form and the keys' rotated part,
  kKeyUp,         // keys out of that,
  kValueUp,       // and values
  kHeadGate,      // of heads, before the output
  kConvolved      // a short convolution's input and its two gates
};
inline constexpr size_t kNumLinears = 14;
// Of a Llama block.
inline constexpr size_t kNumLinearKinds = 7;
inline constexpr std::array<Linear, kNumLinearKinds> kAllLinears = {
    Linear::kQuery, Linear::kKey, Linear::kValue, Linear::kOutput,
    Linear::kGate,  Linear::kUp,  Linear::kDown};

// "self_attn.q_proj", ... as in Hugging Face names.
std::string_view ModuleName(Linear linear);
// Whether it reads what enters its part of a block.
bool ReadsInput(Linear linear);

// [out][in] of a linear.
struct LinearShape {
  size_t out = 0;
  size_t in = 0;
};

// Whose linear it is. kRecurrent: of a delta rule or a short convolution.
enum class Unit { kAttention, kRecurrent, kMlp, kSharedExpert, kExpert };
// Whether it belongs to what mixes tokens.
inline bool MixesTokens(Unit unit) { return unit <= Unit::kRecurrent; }

struct LinearSpec {
  Linear kind = Linear::kQuery;
  Unit unit = Unit::kAttention;
  size_t expert = 0;  // of kExpert
  LinearShape shape;
  bool has_bias = false;

  // "self_attn.q_proj", "mlp.experts.3.up_proj"
  std::string Name() const;
};

// What stays as it is: matrices, which multiply (IsMatrix), a convolution's kernel
// [channels][width], and vectors. Norms named "pre" come before a part, "post" after it.
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
  kSharedGate,
  kQueryDownNorm,  // of latent attention's narrow forms
  kKeyValueDownNorm,
  kConvolution,
  kDecayInput,  // of a delta rule: two numbers for each value head, of which one with
  kRateInput,
  kDecayBias,       // added to it, and
  kDecayLog,        // the logarithm of what it is multiplied by, say how fast the head forgets
  kStateNorm,       // of what it gives
  kRouterScale,     // of a router that reads the stream
  kExpertScale,     // of experts' weights
  kPostDenseNorm,   // of a dense MLP beside experts,
  kPreExpertsNorm,  // and of those
  kPostExpertsNorm,
  kPerLayerGate,  // of a layer's own input of each token: what it is multiplied by,
  kPerLayerProjection,
  kPostPerLayerNorm,  // and what is added
  kLayerScale,        // of what leaves the block
  kLaurelDown,        // around attention, through a narrow form
  kLaurelUp,
  kLaurelNorm,
  kStreamRouter,  // of several residual streams: what they are predicted
  kStreamRouterNorm,
  kStreamPrediction,
  kStreamCorrection,  // and corrected by
  kStreamScale
};
inline constexpr size_t kNumKept = 37;

// [out][in], multiplied by like a linear.
bool IsMatrix(Kept kept);

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
  std::optional<MlpPlaces> mlp;     // dense (beside experts too), or the shared expert
  std::vector<MlpPlaces> experts;

  bool Has(Kept kept_part) const;
  // Of what mixes tokens. At() requires that it is there.
  std::optional<size_t> Find(Linear kind) const;
  size_t At(Linear kind) const { return *Find(kind); }
};

// Whether a block has experts beside a dense MLP, a part of their own.
inline bool HasExpertsBeside(const LayerPlan& plan) { return plan.Has(Kept::kPreExpertsNorm); }

LayerPlan PlanLayer(const ModelConfig& config, size_t layer);

// For coverage lines: "q, k, v, o, gate, up, down", and what stays as it is.
std::string LinearsInWords(const ModelConfig& config);
std::string KeptInWords(const ModelConfig& config);

// kUnsupported where blocks have linears of other kinds than a Llama block's, which are all that
// `what` tells apart.
Status CheckKinds(const ModelConfig& config, std::string_view what);

// The row lengths of the matrices that schemes quantize, each once, ascending by first use.
std::vector<size_t> QuantizedWidths(const ModelConfig& config);

}  // namespace bitloss

#endif  // BITLOSS_MODEL_LAYER_PLAN_H_
