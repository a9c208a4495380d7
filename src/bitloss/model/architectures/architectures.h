// Every architecture that runs, each in the file of its name.
#ifndef BITLOSS_MODEL_ARCHITECTURES_ARCHITECTURES_H_
#define BITLOSS_MODEL_ARCHITECTURES_ARCHITECTURES_H_

#include "bitloss/model/architecture.h"

namespace bitloss {

const Architecture& Arcee();
const Architecture& Cohere2();
const Architecture& DeepseekV2();
const Architecture& DeepseekV3();
const Architecture& Ernie45();
const Architecture& Exaone4();
const Architecture& Gemma2();
const Architecture& Gemma3();
const Architecture& Gemma3n();
const Architecture& Gemma4();
const Architecture& Glm4();
const Architecture& Glm4Moe();
const Architecture& Glm4MoeLite();
const Architecture& GptOss();
const Architecture& Granite();
const Architecture& GraniteMoe();
const Architecture& GraniteSwa();
const Architecture& HunyuanDense();
const Architecture& Lfm2();
const Architecture& Llama();
const Architecture& Llama4();
const Architecture& Mellum();
const Architecture& MiniMaxM2();
const Architecture& Ministral();
const Architecture& Ministral3();
const Architecture& Mistral();
const Architecture& Mistral4();
const Architecture& Mixtral();
const Architecture& MuseGlimmer();
const Architecture& Olmo2();
const Architecture& Olmo3();
const Architecture& OlmoE();
const Architecture& Phi3();
const Architecture& Qwen2();
const Architecture& Qwen2Moe();
const Architecture& Qwen3();
const Architecture& Qwen35();
const Architecture& Qwen35Moe();
const Architecture& Qwen3Moe();
const Architecture& Qwen3Next();
const Architecture& SeedOss();
const Architecture& SmolLm3();

// What several of them share.

// kUnsupported for a layer_types entry that is not full_attention.
Status RequireFullAttention(const HfConfig& config, const ModelConfig& model);

// Kinds of layers where a file has no layer_types.
std::string_view AllFull(size_t layer, size_t period);
std::string_view AllSliding(size_t layer, size_t period);
std::string_view EvenSliding(size_t layer, size_t period);
std::string_view EveryPeriodFull(size_t layer,
                                 size_t period);  // layers period - 1, 2 period - 1, ...

// full_attention and sliding_attention, the window from "sliding_window" (`absent`, 0: none).
Result<LayerKinds> ReadSlidingLayers(const HfConfig& config, size_t absent_window,
                                     std::string_view (*by_default)(size_t layer, size_t period),
                                     size_t period, ModelConfig& model);

// Qwen's: a window only with use_sliding_window, by default in layers from max_window_layers on.
Status ReadQwenWindow(const HfConfig& config, ModelConfig& model);
// Qwen's: which layers have experts (decoder_sparse_step, mlp_only_layers).
Status ReadQwenSparseLayers(const HfConfig& config, ModelConfig& model);

// DeepSeek's and GLM's: sigmoid scores, a bias for choosing, groups, a shared expert, dense layers
// first.
Status ReadSigmoidExperts(const HfConfig& config, const ExpertsSpec& defaults, ModelConfig& model);
// Of GGUF, by softmax where the file says so.
inline constexpr uint64_t kGgufSoftmax = 1;
inline constexpr uint64_t kGgufSigmoid = 2;
Status ReadGroupedGgufExperts(const GgufConfig& config, uint64_t absent_gating, ModelConfig& model);
// n_shared_experts of the experts' width, as one, which is added.
Status ReadSharedExperts(const HfConfig& config, size_t absent, ExpertsSpec& experts);
// Layers from first_k_dense_replace on have experts.
Status ReadFirstDense(const HfConfig& config, size_t absent, ModelConfig& model);
// mlp_layer_types, "dense" or "sparse", where it is there.
Status ReadMlpLayerTypes(const HfConfig& config, ModelConfig& model);

// Latent attention (latent.cc).
struct LatentDefaults {
  size_t query_rank = 0;
  size_t rank = 0;
  size_t plain_dim = 0;
  size_t rotated_dim = 0;
  size_t value_dim = 0;
};
Status ReadLatent(const HfConfig& config, const LatentDefaults& absent, const HfDefaults& defaults,
                  ModelConfig& model);
Status ReadLatentGguf(const GgufConfig& config, ModelConfig& model);
TensorNames LatentNames();
TensorNames LatentGgufNames();

// The gated delta rule beside gated attention (delta.cc): Qwen3-Next and 3.5.
Status ReadDelta(const HfConfig& config, ModelConfig& model);
Status ReadDeltaGguf(const GgufConfig& config, ModelConfig& model);
TensorNames DeltaNames();
TensorNames DeltaGgufNames();
// Experts of which the weights are normalized, and a gated shared one.
Status ReadGatedExperts(const HfConfig& config, const ExpertsSpec& defaults, ModelConfig& model);
Status ReadGatedGgufExperts(const GgufConfig& config, ModelConfig& model);

// Gemma 3n and 4: the last `shared` layers attend to the keys and values of the last layer before
// them that sees what they see. Windows have been read. kBadInput at `place` where there is none.
Status ShareKeys(std::string_view place, size_t shared, ModelConfig& model);

// Granite's multipliers.
Status ReadGraniteScales(const HfConfig& config, ModelConfig& model);
Status ReadGraniteGgufScales(const GgufConfig& config, ModelConfig& model);

// Experts in every layer.
void ExpertsEverywhere(ModelConfig& model);

// Windowed layers rotate by ropes[1], the others by ropes[0].
void RopeByWindow(ModelConfig& model);
// Layers without a window do not rotate.
void NoRopeInFullLayers(ModelConfig& model);

}  // namespace bitloss

#endif  // BITLOSS_MODEL_ARCHITECTURES_ARCHITECTURES_H_
