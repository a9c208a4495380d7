// Gemma 4: heads of two sizes, keys and values that later layers share, inputs of their own for
// layers, and experts beside a dense MLP.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

TensorNames Gemma4Names() {
  TensorNames names = LlamaNames();
  NameKept(names, Kept::kPostAttentionNorm, "post_attention_layernorm");
  NameKept(names, Kept::kPreMlpNorm, "pre_feedforward_layernorm");
  NameKept(names, Kept::kPostMlpNorm, "post_feedforward_layernorm");
  NameKept(names, Kept::kPostDenseNorm, "post_feedforward_layernorm_1");
  NameKept(names, Kept::kPreExpertsNorm, "pre_feedforward_layernorm_2");
  NameKept(names, Kept::kPostExpertsNorm, "post_feedforward_layernorm_2");
  NameKept(names, Kept::kRouter, "router.proj");
  NameKept(names, Kept::kRouterScale, "router.scale");
  NameKept(names, Kept::kExpertScale, "router.per_expert_scale");
  NameKept(names, Kept::kPerLayerGate, "per_layer_input_gate");
  NameKept(names, Kept::kPerLayerProjection, "per_layer_projection");
  NameKept(names, Kept::kPostPerLayerNorm, "post_per_layer_input_norm");
  NameKept(names, Kept::kLayerScale, "layer_scalar");
  names.stacked = {"", "", "experts.down_proj"};
  names.stacked_gate_up = "experts.gate_up_proj";
  return names;
}

TensorNames Gemma4GgufNames() {
  TensorNames names = ExpertGgufNames();
  NameKept(names, Kept::kPostAttentionNorm, "post_attention_norm");
  NameKept(names, Kept::kPostMlpNorm, "post_ffw_norm");
  NameKept(names, Kept::kPostDenseNorm, "post_ffw_norm_1");
  NameKept(names, Kept::kPreExpertsNorm, "pre_ffw_norm_2");
  NameKept(names, Kept::kPostExpertsNorm, "post_ffw_norm_2");
  NameKept(names, Kept::kRouterScale, "ffn_gate_inp.scale");
  NameKept(names, Kept::kExpertScale, "ffn_down_exps.scale");
  NameKept(names, Kept::kPerLayerGate, "inp_gate");
  NameKept(names, Kept::kPerLayerProjection, "proj");
  NameKept(names, Kept::kPostPerLayerNorm, "post_norm");
  NameKept(names, Kept::kLayerScale, "layer_output_scale.weight");
  return names;
}

constexpr HfDefaults kGemma4Defaults = {.kv_heads = 4,
                                        .head_dim = 256,
                                        .heads = 8,
                                        .vocab_size = 262144,
                                        .intermediate = 9216,
                                        .positions = 131072,
                                        .theta = 1e6,
                                        .tied = true};
constexpr HfDefaults kGemma4WindowDefaults = {.theta = 1e4};
constexpr size_t kGemma4Period = 6;
constexpr size_t kGemma4Window = 512;
constexpr size_t kFullHeadDim = 512;
constexpr double kTurning = 0.25;  // of the heads of full layers

void ShapeGemma4(ModelConfig& model) {
  model.norm_placement = NormPlacement::kAround;
  model.head_norms = HeadNorms::kEachHead;
  model.norms_values = true;
  model.attention_scale = 1.0;
  model.embedding_scale = std::sqrt(static_cast<double>(model.hidden_size));
  model.activation = {.gating = Gating::kGeluTanh};
  model.scales_layers = true;
}

void ShapeExperts(ExpertsSpec experts, ModelConfig& model) {
  experts.beside_mlp = true;
  experts.router.weights = RouterSpec::Weights::kNormalized;
  experts.router.reads_stream = true;
  experts.router.has_expert_scale = true;
  model.experts = experts;
  ExpertsEverywhere(model);
}

// Of the last layer it is always full attention.
Result<LayerKinds> ReadKinds(const HfConfig& config, ModelConfig& model) {
  constexpr std::array kKnown = {kFullAttention, kSlidingAttention};
  BITLOSS_TRY(LayerKinds kinds,
              ReadLayerKinds(config, model, kKnown, EveryPeriodFull, kGemma4Period));
  kinds.kinds.back() = kFullAttention;
  BITLOSS_TRY(const uint64_t window,
              config.GetSizeOr("sliding_window", kGemma4Window, kMaxPositions));
  LayersOf(model);
  SetWindows(kinds, window, model);
  return kinds;
}

Status CheckHeads(const HfConfig& config, const ModelConfig& model) {
  for (size_t i = 0; i < model.num_layers; ++i) {
    const size_t dim = model.head_dim_of(i);
    const size_t heads = model.kv_heads_of(i);
    if (dim % 2 != 0 || dim * model.num_heads > kMaxWidth || model.num_heads % heads != 0) {
      return BadInput("{}: layer {} has {} heads of {} elements, of which {} have keys",
                      config.Place("per_layer_config"), i, model.num_heads, dim, heads);
    }
  }
  return Ok();
}

// What a newer file says of single layers; an older one has two keys for all full layers.
Status ReadLayerSizes(const HfConfig& config, const LayerKinds& kinds, bool values_are_keys,
                      ModelConfig& model) {
  std::vector<LayerSpec>& layers = LayersOf(model);
  const bool is_by_layer = config.Has("per_layer_config");
  BITLOSS_TRY(const uint64_t dim, config.GetSizeOr("global_head_dim", kFullHeadDim, kMaxWidth));
  BITLOSS_TRY(const uint64_t heads,
              config.GetSizeOr("num_global_key_value_heads", model.num_kv_heads, kMaxWidth));
  for (size_t i = 0; i < layers.size() && !is_by_layer; ++i) {
    if (!kinds.Is(i, kFullAttention)) continue;
    layers[i].head_dim = dim;
    if (values_are_keys) layers[i].num_kv_heads = heads;
  }
  if (!is_by_layer) return CheckHeads(config, model);
  BITLOSS_TRY(const HfConfig by_layer, config.GetObject("per_layer_config"));
  for (size_t i = 0; i < layers.size(); ++i) {
    const std::string key = std::to_string(i);
    if (!by_layer.Has(key)) continue;
    BITLOSS_TRY(const HfConfig layer, by_layer.GetObject(key));
    BITLOSS_TRY(layers[i].head_dim, layer.GetSizeOr("head_dim", model.head_dim, kMaxWidth));
    BITLOSS_TRY(layers[i].num_kv_heads,
                layer.GetSizeOr("num_key_value_heads", model.num_kv_heads, kMaxWidth));
  }
  return CheckHeads(config, model);
}

// The head size of layers of a kind, which one rope turns.
Result<size_t> HeadDimOf(const HfConfig& config, const LayerKinds& kinds, std::string_view kind,
                         const ModelConfig& model) {
  std::optional<size_t> dim;
  for (size_t i = 0; i < model.num_layers; ++i) {
    if (!kinds.Is(i, kind)) continue;
    if (dim && *dim != model.head_dim_of(i)) {
      return Unsupported("{}: layers of {} differ in the size of their heads",
                         config.Place("per_layer_config"), kind);
    }
    dim = model.head_dim_of(i);
  }
  return dim.value_or(model.head_dim);
}

Status ReadGemma4Ropes(const HfConfig& config, const LayerKinds& kinds, ModelConfig& model) {
  BITLOSS_TRY(const size_t full_dim, HeadDimOf(config, kinds, kFullAttention, model));
  BITLOSS_TRY(const size_t windowed_dim, HeadDimOf(config, kinds, kSlidingAttention, model));
  RopeConfig full{.theta = kGemma4Defaults.theta, .rotated = full_dim};
  full.scaling = ProportionalRopeScaling{
      .turning = static_cast<size_t>(kTurning * static_cast<double>(full_dim)) / 2};
  RopeConfig windowed{.theta = kGemma4WindowDefaults.theta, .rotated = windowed_dim};
  BITLOSS_TRY(const auto of_full,
              ReadNestedRope(config, kFullAttention, kGemma4Defaults, full_dim));
  BITLOSS_TRY(const auto of_windowed,
              ReadNestedRope(config, kSlidingAttention, kGemma4WindowDefaults, windowed_dim));
  model.ropes = {of_full.value_or(full), of_windowed.value_or(windowed)};
  RopeByWindow(model);
  return Ok();
}

Status ReadExperts(const HfConfig& config, ModelConfig& model) {
  BITLOSS_TRY(const bool has_experts, config.GetBoolOr("enable_moe_block", false));
  if (!has_experts) {
    for (const char* key : {"num_experts", "top_k_experts", "moe_intermediate_size"}) {
      config.Has(key);  // plays no part
    }
    return Ok();
  }
  ExpertsSpec experts;
  BITLOSS_TRY(experts.count, config.GetSize("num_experts", kMaxExperts));
  BITLOSS_TRY(experts.chosen, config.GetSize("top_k_experts", experts.count));
  BITLOSS_TRY(experts.width, config.GetSize("moe_intermediate_size", kMaxWidth));
  ShapeExperts(experts, model);
  return Ok();
}

Status ReadPerLayer(const HfConfig& config, ModelConfig& model) {
  BITLOSS_TRY(const uint64_t width,
              config.GetCountOr("hidden_size_per_layer_input", 256, kMaxWidth));
  BITLOSS_TRY(
      const uint64_t vocabulary,
      config.GetSizeOr("vocab_size_per_layer_input", kGemma4Defaults.vocab_size, kMaxVocabulary));
  if (width > 0) model.per_layer_input = {width, vocabulary};
  return Ok();
}

Status ReadGemma4Hf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_TRY(const GatedUnit activation, ReadActivation(config, {.gating = Gating::kGeluTanh}));
  ShapeGemma4(model);
  model.activation = activation;
  BITLOSS_TRY(model.logit_softcap, config.GetNumberOr("final_logit_softcapping", 0.0));
  BITLOSS_DO(ReadBiases(config, false, BiasOfOutput::kAsOthers, model));
  // Of images alone where it says so.
  if (config.Has("use_bidirectional_attention")) {
    BITLOSS_TRY(const nlohmann::json* value, config.Find("use_bidirectional_attention"));
    if (*value != "vision" && *value != false) {
      return Unsupported("{}: is {}, not \"vision\"", config.Place("use_bidirectional_attention"),
                         HfConfig::Short(*value));
    }
  }
  BITLOSS_TRY(const LayerKinds kinds, ReadKinds(config, model));
  BITLOSS_TRY(const bool values_are_keys, config.GetBoolOr("attention_k_eq_v", false));
  BITLOSS_DO(ReadLayerSizes(config, kinds, values_are_keys, model));
  std::vector<LayerSpec>& layers = LayersOf(model);
  for (size_t i = 0; i < layers.size() && values_are_keys; ++i) {
    layers[i].values_are_keys = kinds.Is(i, kFullAttention);
  }
  BITLOSS_TRY(const uint64_t shared, config.GetCountOr("num_kv_shared_layers", 0, kMaxLayers));
  BITLOSS_DO(ShareKeys(config.Place("num_kv_shared_layers"), shared, model));
  BITLOSS_TRY(const bool widens, config.GetBoolOr("use_double_wide_mlp", false));
  for (LayerSpec& layer : layers) {
    if (widens && layer.kv_source) layer.mlp_width = 2 * model.intermediate_size;
  }
  BITLOSS_DO(ReadGemma4Ropes(config, kinds, model));
  BITLOSS_DO(ReadPerLayer(config, model));
  return ReadExperts(config, model);
}

// A file's factors are 1 for what turns and as good as infinite for the rest.
void ReadTurning(RopeConfig& rope) {
  const auto* factors = std::get_if<FactorsRopeScaling>(&rope.scaling);
  if (factors == nullptr) return;
  constexpr float kStill = 1e29f;
  const auto rest = std::ranges::find_if(factors->factors, [](float f) { return f != 1.0f; });
  if (!std::all_of(rest, factors->factors.end(), [](float f) { return f > kStill; })) return;
  const auto turning = static_cast<size_t>(rest - factors->factors.begin());
  rope.scaling = ProportionalRopeScaling{.turning = turning};
}

// The sizes of windowed layers are the model's, those of full layers their own.
Status ReadGgufLayers(const GgufConfig& config, ModelConfig& model) {
  const size_t full_dim = model.head_dim;
  BITLOSS_TRY(model.head_dim, config.GetSizeOr("attention.key_length_swa", full_dim, kMaxWidth));
  BITLOSS_TRY(const std::vector<uint64_t> heads,
              config.GetCounts("attention.head_count_kv", model.num_layers, kMaxWidth));
  std::vector<LayerSpec>& layers = LayersOf(model);
  BITLOSS_DO(ReadGgufWindows(config, kGemma4Period, model));
  for (size_t i = 0; i < layers.size(); ++i) {
    const bool is_full = layers[i].window == 0;
    if (is_full) layers[i].head_dim = full_dim;
    if (!is_full) model.num_kv_heads = heads[i];
    layers[i].num_kv_heads = heads[i];
    if (heads[i] == 0 || model.num_heads % heads[i] != 0) {
      return BadInput("metadata key '{}': {} do not divide {} heads",
                      config.Key("attention.head_count_kv"), heads[i], model.num_heads);
    }
    layers[i].values_are_keys =
        !config.checkpoint().Has(fmt::format("model.layers.{}.self_attn.v_proj.weight", i));
  }
  BITLOSS_TRY(const uint64_t shared,
              config.GetCountOr("attention.shared_kv_layers", 0, kMaxLayers));
  return ShareKeys(fmt::format("metadata key '{}'", config.Key("attention.shared_kv_layers")),
                   shared, model);
}

Status ReadGemma4Gguf(const GgufConfig& config, ModelConfig& model) {
  ShapeGemma4(model);
  BITLOSS_TRY(model.logit_softcap, config.GetPositiveOr("final_logit_softcapping", 0.0));
  if (!config.Has("rope.freq_base")) model.ropes[0].theta = kGemma4Defaults.theta;
  ReadTurning(model.ropes[0]);
  BITLOSS_DO(ReadGgufLayers(config, model));
  RopeConfig windowed{.rotated = model.head_dim};
  BITLOSS_TRY(windowed.theta,
              config.GetPositiveOr("rope.freq_base_swa", kGemma4WindowDefaults.theta));
  model.ropes.push_back(windowed);
  RopeByWindow(model);
  BITLOSS_TRY(const uint64_t width,
              config.GetCountOr("embedding_length_per_layer_input", 0, kMaxWidth));
  if (width > 0) model.per_layer_input = {width, model.vocab_size};
  model.scales_layers = config.checkpoint().Has("blk.0.layer_output_scale.weight");
  BITLOSS_TRY(const uint64_t experts, config.GetCountOr("expert_count", 0, kMaxExperts));
  if (experts == 0) return Ok();
  BITLOSS_TRY(const ExpertsSpec spec, ReadGgufExperts(config));
  ShapeExperts(spec, model);
  return Ok();
}

}  // namespace

const Architecture& Gemma4() {
  static constexpr std::array<std::string_view, 2> kClasses = {"Gemma4ForCausalLM",
                                                               "Gemma4ForConditionalGeneration"};
  static const Architecture architecture = {.name = "gemma4_text",
                                            .classes = kClasses,
                                            .defaults = kGemma4Defaults,
                                            .read_hf = ReadGemma4Hf,
                                            .hf_names = Gemma4Names(),
                                            .gguf_name = "gemma4",
                                            .read_gguf = ReadGemma4Gguf,
                                            .gguf_names = Gemma4GgufNames()};
  return architecture;
}

}  // namespace bitloss
