// Every architecture that runs, each in the file of its name.
#ifndef BITLOSS_MODEL_ARCHITECTURES_ARCHITECTURES_H_
#define BITLOSS_MODEL_ARCHITECTURES_ARCHITECTURES_H_

#include "bitloss/model/architecture.h"

namespace bitloss {

const Architecture& Arcee();
const Architecture& Cohere2();
const Architecture& Ernie45();
const Architecture& Exaone4();
const Architecture& Gemma2();
const Architecture& Gemma3();
const Architecture& Glm4();
const Architecture& Glm4Moe();
const Architecture& GptOss();
const Architecture& Granite();
const Architecture& GraniteMoe();
const Architecture& GraniteSwa();
const Architecture& HunyuanDense();
const Architecture& Llama();
const Architecture& Llama4();
const Architecture& MiniMaxM2();
const Architecture& Ministral();
const Architecture& Ministral3();
const Architecture& Mistral();
const Architecture& Mixtral();
const Architecture& MuseGlimmer();
const Architecture& Olmo2();
const Architecture& Olmo3();
const Architecture& OlmoE();
const Architecture& Phi3();
const Architecture& Qwen2();
const Architecture& Qwen2Moe();
const Architecture& Qwen3();
const Architecture& Qwen3Moe();
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

Status ReadSigmoidGgufExperts(const GgufConfig& config, ModelConfig& model);

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
