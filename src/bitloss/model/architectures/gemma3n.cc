// Gemma 3n: several residual streams of which a block computes one, a narrow way around attention,
// sparse activations, and Gemma 4's inputs of layers and shared keys.
#include <algorithm>
#include <cmath>
#include <limits>

#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

TensorNames Gemma3nNames() {
  TensorNames names = LlamaNames();
  NameKept(names, Kept::kPostAttentionNorm, "post_attention_layernorm");
  NameKept(names, Kept::kPreMlpNorm, "pre_feedforward_layernorm");
  NameKept(names, Kept::kPostMlpNorm, "post_feedforward_layernorm");
  NameKept(names, Kept::kPerLayerGate, "per_layer_input_gate");
  NameKept(names, Kept::kPerLayerProjection, "per_layer_projection");
  NameKept(names, Kept::kPostPerLayerNorm, "post_per_layer_input_norm");
  NameKept(names, Kept::kLaurelDown, "laurel.linear_left");
  NameKept(names, Kept::kLaurelUp, "laurel.linear_right");
  NameKept(names, Kept::kLaurelNorm, "laurel.post_laurel_norm");
  NameKept(names, Kept::kStreamRouter, "altup.modality_router");
  NameKept(names, Kept::kStreamRouterNorm, "altup.router_norm");
  NameKept(names, Kept::kStreamPrediction, "altup.prediction_coefs");
  NameKept(names, Kept::kStreamCorrection, "altup.correction_coefs");
  NameKept(names, Kept::kStreamScale, "altup.correct_output_scale");
  return names;
}

TensorNames Gemma3nGgufNames() {
  TensorNames names = AroundGgufNames();
  NameKept(names, Kept::kPerLayerGate, "inp_gate");
  NameKept(names, Kept::kPerLayerProjection, "proj");
  NameKept(names, Kept::kPostPerLayerNorm, "post_norm");
  NameKept(names, Kept::kLaurelDown, "laurel_l");
  NameKept(names, Kept::kLaurelUp, "laurel_r");
  NameKept(names, Kept::kLaurelNorm, "laurel_post_norm");
  NameKept(names, Kept::kStreamRouter, "altup_router");
  NameKept(names, Kept::kStreamRouterNorm, "altup_router_norm");
  NameKept(names, Kept::kStreamPrediction, "altup_predict_coef");
  NameKept(names, Kept::kStreamCorrection, "altup_correct_coef");
  NameKept(names, Kept::kStreamScale, "altup_correct_scale.weight");
  return names;
}

constexpr HfDefaults kGemma3nDefaults = {.kv_heads = 2,
                                         .head_dim = 256,
                                         .heads = 8,
                                         .vocab_size = 262400,
                                         .intermediate = 16384,
                                         .positions = 32768,
                                         .theta = 1e6,
                                         .widths_by_layer = true,
                                         .tied = true};
constexpr HfDefaults kGemma3nWindowDefaults = {.theta = 1e4};
constexpr size_t kGemma3nPeriod = 5;
constexpr size_t kGemma3nWindow = 512;
constexpr size_t kShared = 15;
constexpr size_t kSparseLayers = 10;  // where a file does not say
constexpr double kSparsity = 0.95;

void ShapeGemma3n(ModelConfig& model) {
  model.norm_placement = NormPlacement::kAround;
  model.head_norms = HeadNorms::kEachHead;
  model.norms_values = true;
  model.attention_scale = 1.0;
  model.embedding_scale = std::sqrt(static_cast<double>(model.hidden_size));
  model.activation = {.gating = Gating::kGeluTanh};
}

// z with Phi(z) = share, for a share in (0, 1): by halving, to the last bit of a double.
double NormalQuantile(double share) {
  double low = -40.0, high = 40.0;
  while (true) {
    const double middle = 0.5 * (low + high);
    if (middle <= low || middle >= high) return middle;
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < share ? low : high) = middle;
  }
}

// One width for all layers, or one for each.
Status ReadWidths(const HfConfig& config, ModelConfig& model) {
  if (!config.IsArray("intermediate_size")) return Ok();
  BITLOSS_TRY(const std::vector<double> widths, config.GetNumbers("intermediate_size"));
  std::vector<LayerSpec>& layers = LayersOf(model);
  if (widths.size() != layers.size()) {
    return BadInput("{}: has {} widths for {} layers", config.Place("intermediate_size"),
                    widths.size(), layers.size());
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    if (widths[i] < 1 || widths[i] > static_cast<double>(kMaxWidth)) {
      return BadInput("{}: holds {}", config.Place("intermediate_size"), widths[i]);
    }
    layers[i].mlp_width = static_cast<size_t>(widths[i]);
  }
  return Ok();
}

Status ReadSparsity(const HfConfig& config, ModelConfig& model) {
  constexpr std::string_view kKey = "activation_sparsity_pattern";
  std::vector<LayerSpec>& layers = LayersOf(model);
  std::vector<double> shares(layers.size(), 0.0);
  if (config.Has(kKey)) {
    BITLOSS_TRY(shares, config.GetNumbers(kKey));
  } else if (layers.size() > kSparseLayers) {
    std::fill_n(shares.begin(), kSparseLayers, kSparsity);
  }
  if (shares.size() != layers.size()) {
    return BadInput("{}: has {} shares for {} layers", config.Place(kKey), shares.size(),
                    layers.size());
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    if (shares[i] >= 1.0)
      return BadInput("{}: holds {}, not below 1", config.Place(kKey), shares[i]);
    if (shares[i] > 0) layers[i].gate_cutoff = NormalQuantile(shares[i]);
  }
  return Ok();
}

Status ReadGemma3nRopes(const HfConfig& config, ModelConfig& model) {
  RopeConfig windowed{.rotated = model.head_dim};
  BITLOSS_TRY(windowed.theta,
              config.GetPositiveOr("rope_local_base_freq", kGemma3nWindowDefaults.theta));
  BITLOSS_TRY(const auto full,
              ReadNestedRope(config, kFullAttention, kGemma3nDefaults, model.head_dim));
  BITLOSS_TRY(const auto sliding,
              ReadNestedRope(config, kSlidingAttention, kGemma3nWindowDefaults, model.head_dim));
  if (full) model.ropes[0] = *full;
  model.ropes.push_back(sliding.value_or(windowed));
  RopeByWindow(model);
  return Ok();
}

Status CheckStreams(std::string_view place, const AltUpSpec& altup) {
  if (altup.active < altup.streams) return Ok();
  return BadInput("{}: stream {} of {} is computed", place, altup.active, altup.streams);
}

Status ReadGemma3nHf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_TRY(const GatedUnit activation, ReadActivation(config, {.gating = Gating::kGeluTanh}));
  ShapeGemma3n(model);
  model.activation = activation;
  BITLOSS_TRY(model.logit_softcap, config.GetNumberOr("final_logit_softcapping", 30.0));
  BITLOSS_DO(ReadBiases(config, false, BiasOfOutput::kAsOthers, model));
  BITLOSS_DO(ReadWidths(config, model));
  BITLOSS_TRY(const LayerKinds kinds,
              ReadSlidingLayers(config, kGemma3nWindow, EveryPeriodFull, kGemma3nPeriod, model));
  BITLOSS_TRY(const uint64_t shared,
              config.GetCountOr("num_kv_shared_layers", kShared, kMaxLayers));
  BITLOSS_DO(ShareKeys(config.Place("num_kv_shared_layers"), shared, model));
  BITLOSS_DO(ReadSparsity(config, model));
  BITLOSS_DO(ReadGemma3nRopes(config, model));
  PerLayerInputSpec per_layer;
  BITLOSS_TRY(per_layer.width, config.GetSizeOr("hidden_size_per_layer_input", 256, kMaxWidth));
  BITLOSS_TRY(per_layer.vocab_size,
              config.GetSizeOr("vocab_size_per_layer_input", 262144, kMaxVocabulary));
  model.per_layer_input = per_layer;
  AltUpSpec altup;
  BITLOSS_TRY(altup.streams, config.GetSizeOr("altup_num_inputs", 4, 64));
  BITLOSS_TRY(altup.active, config.GetCountOr("altup_active_idx", 0, 64));
  BITLOSS_TRY(altup.scales_output, config.GetBoolOr("altup_correct_scale", true));
  BITLOSS_TRY(altup.laurel_rank, config.GetSizeOr("laurel_rank", 64, kMaxWidth));
  BITLOSS_DO(CheckStreams(config.Place("altup_active_idx"), altup));
  model.altup = altup;
  return Ok();
}

// llama.cpp has the cutoff of sparse layers and the shared layers of both published sizes in code.
Status ReadGemma3nGguf(const GgufConfig& config, ModelConfig& model) {
  ShapeGemma3n(model);
  BITLOSS_TRY(model.logit_softcap, config.GetPositiveOr("final_logit_softcapping", 30.0));
  if (!config.Has("rope.freq_base")) model.ropes[0].theta = kGemma3nDefaults.theta;
  RopeConfig windowed{.rotated = model.head_dim};
  BITLOSS_TRY(windowed.theta,
              config.GetPositiveOr("rope.freq_base_swa", kGemma3nWindowDefaults.theta));
  model.ropes.push_back(windowed);
  BITLOSS_DO(ReadGgufWindows(config, kGemma3nPeriod, model));
  RopeByWindow(model);
  BITLOSS_TRY(const uint64_t shared,
              config.GetCountOr("attention.shared_kv_layers", kShared, kMaxLayers));
  BITLOSS_DO(ShareKeys(config.Key("attention.shared_kv_layers"), shared, model));
  std::vector<LayerSpec>& layers = LayersOf(model);
  constexpr double kNone = -std::numeric_limits<double>::infinity();
  std::vector<double> cutoffs(layers.size(), kNone);
  if (config.Has("activation_sparsity_scale")) {
    BITLOSS_TRY(cutoffs, config.GetFloats("activation_sparsity_scale"));
  } else {
    std::fill_n(cutoffs.begin(), std::min(kSparseLayers, layers.size()), NormalQuantile(kSparsity));
  }
  if (cutoffs.size() != layers.size()) {
    return BadInput("metadata key '{}' has {} elements for {} layers",
                    config.Key("activation_sparsity_scale"), cutoffs.size(), layers.size());
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    if (std::isfinite(cutoffs[i])) layers[i].gate_cutoff = cutoffs[i];
  }
  PerLayerInputSpec per_layer{.width = 0, .vocab_size = model.vocab_size};
  BITLOSS_TRY(per_layer.width, config.GetSize("embedding_length_per_layer_input", kMaxWidth));
  model.per_layer_input = per_layer;
  AltUpSpec altup{.scales_output = true};
  BITLOSS_TRY(altup.streams, config.GetSizeOr("altup.num_inputs", 4, 64));
  BITLOSS_TRY(altup.active, config.GetCountOr("altup.active_idx", 0, 64));
  BITLOSS_TRY(const TensorInfo laurel, config.checkpoint().Info("blk.0.laurel_l.weight"));
  altup.laurel_rank = laurel.rows;
  BITLOSS_DO(CheckStreams(config.Key("altup.active_idx"), altup));
  model.altup = altup;
  return Ok();
}

}  // namespace

const Architecture& Gemma3n() {
  static constexpr std::array<std::string_view, 2> kClasses = {"Gemma3nForCausalLM",
                                                               "Gemma3nForConditionalGeneration"};
  static const Architecture architecture = {.name = "gemma3n_text",
                                            .classes = kClasses,
                                            .defaults = kGemma3nDefaults,
                                            .read_hf = ReadGemma3nHf,
                                            .hf_names = Gemma3nNames(),
                                            .gguf_name = "gemma3n",
                                            .read_gguf = ReadGemma3nGguf,
                                            .gguf_names = Gemma3nGgufNames()};
  return architecture;
}

}  // namespace bitloss
