// Gemma 2: norms around each part, 1 + w, caps on scores and logits, every other layer a window.
#include <cmath>

#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

TensorNames Gemma2Names() {
  TensorNames names = LlamaNames();
  names.kept[static_cast<size_t>(Kept::kPostAttentionNorm)] = "post_attention_layernorm";
  names.kept[static_cast<size_t>(Kept::kPreMlpNorm)] = "pre_feedforward_layernorm";
  names.kept[static_cast<size_t>(Kept::kPostMlpNorm)] = "post_feedforward_layernorm";
  return names;
}

// What both kinds of file leave to the architecture.
void ShapeGemma2(ModelConfig& model) {
  model.norm_placement = NormPlacement::kAround;
  model.embedding_scale = std::sqrt(static_cast<double>(model.hidden_size));
  model.activation = {.gating = Gating::kGeluTanh};
}

Status ReadGemma2Hf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_TRY(const GatedUnit activation, ReadActivation(config, {.gating = Gating::kGeluTanh}));
  ShapeGemma2(model);
  model.activation = activation;
  model.norm_kind = NormKind::kRmsOnePlus;
  model.final_norm_kind = NormKind::kRmsOnePlus;
  BITLOSS_TRY(const double scalar, config.GetPositiveOr("query_pre_attn_scalar", 256.0));
  model.attention_scale = 1.0 / std::sqrt(scalar);
  // Null switches them off, absence does not.
  if (config.Has("attn_logit_softcapping") || !config.Mentions("attn_logit_softcapping")) {
    BITLOSS_TRY(model.attention_softcap, config.GetNumberOr("attn_logit_softcapping", 50.0));
  }
  if (config.Has("final_logit_softcapping") || !config.Mentions("final_logit_softcapping")) {
    BITLOSS_TRY(model.logit_softcap, config.GetNumberOr("final_logit_softcapping", 30.0));
  }
  BITLOSS_DO(ReadBiases(config, false, BiasOfOutput::kAsOthers, model));
  BITLOSS_TRY(const LayerKinds kinds, ReadSlidingLayers(config, 4096, EvenSliding, 2, model));
  return Ok();
}

Status ReadGemma2Gguf(const GgufConfig& config, ModelConfig& model) {
  ShapeGemma2(model);
  constexpr size_t kLayersOf27B = 46;
  if (model.num_layers == kLayersOf27B) {
    model.attention_scale = 1.0 / std::sqrt(static_cast<double>(model.hidden_size) /
                                            static_cast<double>(model.num_heads));
  }
  BITLOSS_TRY(model.attention_softcap, config.GetPositiveOr("attn_logit_softcapping", 0.0));
  BITLOSS_TRY(model.logit_softcap, config.GetPositiveOr("final_logit_softcapping", 0.0));
  return ReadGgufWindows(config, 2, model);
}

}  // namespace

const Architecture& Gemma2() {
  static constexpr std::array<std::string_view, 1> kClasses = {"Gemma2ForCausalLM"};
  static const Architecture architecture = {.name = "gemma2",
                                            .classes = kClasses,
                                            .defaults = {.kv_heads = 4,
                                                         .head_dim = 256,
                                                         .vocab_size = 256000,
                                                         .positions = 8192,
                                                         .tied = true},
                                            .read_hf = ReadGemma2Hf,
                                            .hf_names = Gemma2Names(),
                                            .gguf_name = "gemma2",
                                            .read_gguf = ReadGemma2Gguf,
                                            .gguf_names = AroundGgufNames()};
  return architecture;
}

}  // namespace bitloss
