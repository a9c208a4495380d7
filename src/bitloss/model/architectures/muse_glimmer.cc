// Muse-Glimmer: gated attention, heads normed without weights, a normed embedding.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

TensorNames MuseGlimmerNames() {
  TensorNames names = LlamaNames();
  names.kept[static_cast<size_t>(Kept::kPostAttentionNorm)] = "post_attention_layernorm";
  names.kept[static_cast<size_t>(Kept::kPreMlpNorm)] = "pre_feedforward_layernorm";
  names.kept[static_cast<size_t>(Kept::kPostMlpNorm)] = "post_feedforward_layernorm";
  names.kept[static_cast<size_t>(Kept::kOutputGate)] = "self_attn.gate_proj";
  return names;
}

Status ReadMuseGlimmerHf(const HfConfig& config, ModelConfig& model) {
  model.norm_placement = NormPlacement::kAround;
  model.norm_kind = NormKind::kRmsOnePlus;
  model.norms_embedding = true;
  model.has_output_gate = true;
  model.head_norms = HeadNorms::kEachHead;
  model.head_norm_weight = HeadNormWeight::kNone;
  BITLOSS_TRY(model.post_norm_eps, config.GetPositiveOr("post_norm_eps", 1e-8));
  BITLOSS_TRY(model.query_scale, config.GetPositiveOr("qk_scale_factor", 3.87));
  BITLOSS_TRY(model.logit_scale, config.GetPositiveOr("output_multiplier", 0.196));
  BITLOSS_TRY(model.logit_softcap, config.GetNumberOr("final_logit_softcapping", 20.0));
  BITLOSS_DO(ReadBiases(config, false, BiasOfOutput::kAsOthers, model));
  BITLOSS_TRY(const LayerKinds kinds, ReadSlidingLayers(config, 2048, EveryPeriodFull, 4, model));
  if (!config.Has("layer_rope_theta")) {
    NoRopeInFullLayers(model);
    return Ok();
  }
  BITLOSS_TRY(const std::vector<double> bases, config.GetNumbers("layer_rope_theta"));
  if (bases.size() != model.num_layers) {
    return BadInput("{}: has {} entries for {} layers", config.Place("layer_rope_theta"),
                    bases.size(), model.num_layers);
  }
  std::vector<LayerSpec>& layers = LayersOf(model);
  for (size_t i = 0; i < layers.size(); ++i) {
    if (bases[i] == 0) {
      layers[i].rope.reset();
    } else if (bases[i] != model.ropes[0].theta) {
      return Unsupported("{}: holds {} beside the {} of /rope_parameters",
                         config.Place("layer_rope_theta"), bases[i], model.ropes[0].theta);
    }
  }
  return Ok();
}

}  // namespace

const Architecture& MuseGlimmer() {
  static constexpr std::array<std::string_view, 2> kClasses = {
      "MuseGlimmerForCausalLM", "MuseGlimmerForConditionalGeneration"};
  static const Architecture architecture = {
      .name = "muse_glimmer_text",
      .classes = kClasses,
      .defaults = {.kv_heads = 2, .head_dim = 128, .positions = 131072, .eps = 1e-5},
      .read_hf = ReadMuseGlimmerHf,
      .hf_names = MuseGlimmerNames(),
      .gguf_name = {},
      .gguf_names = {}};
  return architecture;
}

}  // namespace bitloss
