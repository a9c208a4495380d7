// Gemma 3: Gemma 2 without caps, with normed heads and two ropes.
#include <cmath>

#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

TensorNames Gemma3Names() {
  TensorNames names = LlamaNames();
  names.kept[static_cast<size_t>(Kept::kPostAttentionNorm)] = "post_attention_layernorm";
  names.kept[static_cast<size_t>(Kept::kPreMlpNorm)] = "pre_feedforward_layernorm";
  names.kept[static_cast<size_t>(Kept::kPostMlpNorm)] = "post_feedforward_layernorm";
  return names;
}

constexpr HfDefaults kGemma3Defaults = {.kv_heads = 4,
                                        .head_dim = 256,
                                        .heads = 8,
                                        .vocab_size = 262208,
                                        .positions = 131072,
                                        .theta = 1e6,
                                        .tied = true};
constexpr HfDefaults kGemma3WindowDefaults = {.theta = 1e4};
constexpr size_t kGemma3Period = 6;

void ShapeGemma3(ModelConfig& model) {
  model.norm_placement = NormPlacement::kAround;
  model.head_norms = HeadNorms::kEachHead;
  model.embedding_scale = std::sqrt(static_cast<double>(model.hidden_size));
  model.activation = {.gating = Gating::kGeluTanh};
}

// The rope of windowed layers is never scaled.
Status ReadGemma3Ropes(const HfConfig& config, ModelConfig& model) {
  RopeConfig windowed;
  windowed.rotated = model.head_dim;
  BITLOSS_TRY(windowed.theta,
              config.GetPositiveOr("rope_local_base_freq", kGemma3WindowDefaults.theta));
  BITLOSS_TRY(const auto full,
              ReadNestedRope(config, kFullAttention, kGemma3Defaults, model.head_dim));
  BITLOSS_TRY(const auto sliding,
              ReadNestedRope(config, kSlidingAttention, kGemma3WindowDefaults, model.head_dim));
  if (full) model.ropes[0] = *full;
  model.ropes.push_back(sliding ? *sliding : windowed);
  RopeByWindow(model);
  return Ok();
}

Status ReadGemma3Hf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_TRY(const GatedUnit activation, ReadActivation(config, {.gating = Gating::kGeluTanh}));
  ShapeGemma3(model);
  model.activation = activation;
  model.norm_kind = NormKind::kRmsOnePlus;
  model.final_norm_kind = NormKind::kRmsOnePlus;
  BITLOSS_TRY(const double scalar, config.GetPositiveOr("query_pre_attn_scalar", 256.0));
  model.attention_scale = 1.0 / std::sqrt(scalar);
  BITLOSS_TRY(model.attention_softcap, config.GetNumberOr("attn_logit_softcapping", 0.0));
  BITLOSS_TRY(model.logit_softcap, config.GetNumberOr("final_logit_softcapping", 0.0));
  BITLOSS_DO(ReadBiases(config, false, BiasOfOutput::kAsOthers, model));
  BITLOSS_TRY(const uint64_t period,
              config.GetSizeOr("sliding_window_pattern", kGemma3Period, kMaxLayers));
  BITLOSS_TRY(const LayerKinds kinds,
              ReadSlidingLayers(config, 4096, EveryPeriodFull, period, model));
  return ReadGemma3Ropes(config, model);
}

Status ReadGemma3Gguf(const GgufConfig& config, ModelConfig& model) {
  ShapeGemma3(model);
  constexpr size_t kLayersOf27B = 62;
  if (model.num_layers == kLayersOf27B) {
    model.attention_scale = 1.0 / std::sqrt(static_cast<double>(model.hidden_size) /
                                            static_cast<double>(model.num_heads));
  }
  BITLOSS_TRY(model.logit_softcap, config.GetPositiveOr("final_logit_softcapping", 0.0));
  if (!config.Has("rope.freq_base")) model.ropes[0].theta = kGemma3Defaults.theta;
  RopeConfig windowed;
  windowed.rotated = model.head_dim;
  BITLOSS_TRY(windowed.theta,
              config.GetPositiveOr("rope.freq_base_swa", kGemma3WindowDefaults.theta));
  model.ropes.push_back(windowed);
  BITLOSS_DO(ReadGgufWindows(config, kGemma3Period, model));
  RopeByWindow(model);
  return Ok();
}

}  // namespace

const Architecture& Gemma3() {
  static constexpr std::array<std::string_view, 2> kClasses = {"Gemma3ForCausalLM",
                                                               "Gemma3ForConditionalGeneration"};
  static const Architecture architecture = {.name = "gemma3_text",
                                            .classes = kClasses,
                                            .defaults = kGemma3Defaults,
                                            .read_hf = ReadGemma3Hf,
                                            .hf_names = Gemma3Names(),
                                            .gguf_name = "gemma3",
                                            .read_gguf = ReadGemma3Gguf,
                                            .gguf_names = AroundGgufNames()};
  return architecture;
}

}  // namespace bitloss
