// What Qwen3-Next and Qwen3.5 share: layers of a gated delta rule between layers of gated
// attention.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

constexpr size_t kPeriod = 4;

std::string_view EveryPeriodAttends(size_t layer, size_t period) {
  return (layer + 1) % period == 0 ? kFullAttention : kLinearAttention;
}

void SetMixers(const LayerKinds& kinds, ModelConfig& model) {
  std::vector<LayerSpec>& layers = LayersOf(model);
  for (size_t i = 0; i < layers.size(); ++i) {
    if (kinds.Is(i, kLinearAttention)) layers[i].mixer = Mixer::kDeltaRule;
  }
}

Status CheckShape(std::string_view place, const DeltaSpec& delta) {
  const DeltaShape& shape = delta.shape;
  if (shape.value_heads % shape.key_heads != 0) {
    return BadInput("{}: {} do not divide {} value heads", place, shape.key_heads,
                    shape.value_heads);
  }
  if (delta.channels() > kMaxWidth) {
    return BadInput("{}: queries, keys and values of {} elements", place, delta.channels());
  }
  return Ok();
}

void ShapeDelta(ModelConfig& model) {
  model.head_norms = HeadNorms::kEachHead;
  model.gates_heads = true;
}

}  // namespace

Status ReadDelta(const HfConfig& config, ModelConfig& model) {
  ShapeDelta(model);
  model.norm_kind = NormKind::kRmsOnePlus;
  model.final_norm_kind = NormKind::kRmsOnePlus;
  BITLOSS_DO(ReadBiases(config, false, BiasOfOutput::kAsOthers, model));
  DeltaSpec delta;
  DeltaShape& shape = delta.shape;
  BITLOSS_TRY(shape.key_heads, config.GetSizeOr("linear_num_key_heads", 16, kMaxWidth));
  BITLOSS_TRY(shape.value_heads, config.GetSizeOr("linear_num_value_heads", 32, kMaxWidth));
  BITLOSS_TRY(shape.key_dim, config.GetSizeOr("linear_key_head_dim", 128, kMaxWidth));
  BITLOSS_TRY(shape.value_dim, config.GetSizeOr("linear_value_head_dim", 128, kMaxWidth));
  BITLOSS_TRY(delta.kernel, config.GetSizeOr("linear_conv_kernel_dim", 4, kMaxWidth));
  BITLOSS_DO(CheckShape(config.Place("linear_num_key_heads"), delta));
  model.delta = delta;
  BITLOSS_TRY(const uint64_t period,
              config.GetSizeOr("full_attention_interval", kPeriod, kMaxLayers));
  constexpr std::array kKnown = {kFullAttention, kLinearAttention};
  BITLOSS_TRY(const LayerKinds kinds,
              ReadLayerKinds(config, model, kKnown, EveryPeriodAttends, period));
  SetMixers(kinds, model);
  return Ok();
}

Status ReadDeltaGguf(const GgufConfig& config, ModelConfig& model) {
  ShapeDelta(model);
  DeltaSpec delta;
  DeltaShape& shape = delta.shape;
  BITLOSS_TRY(shape.key_heads, config.GetSize("ssm.group_count", kMaxWidth));
  BITLOSS_TRY(shape.value_heads, config.GetSize("ssm.time_step_rank", kMaxWidth));
  BITLOSS_TRY(shape.key_dim, config.GetSize("ssm.state_size", kMaxWidth));
  BITLOSS_TRY(const uint64_t width, config.GetSize("ssm.inner_size", kMaxWidth));
  if (width % shape.value_heads != 0) {
    return BadInput("metadata key '{}': {} heads do not divide {}", config.Key("ssm.inner_size"),
                    shape.value_heads, width);
  }
  shape.value_dim = width / shape.value_heads;
  BITLOSS_TRY(delta.kernel, config.GetSize("ssm.conv_kernel", kMaxWidth));
  BITLOSS_DO(CheckShape(config.Key("ssm.group_count"), delta));
  model.delta = delta;
  BITLOSS_TRY(const uint64_t period,
              config.GetSizeOr("full_attention_interval", kPeriod, kMaxLayers));
  LayerKinds kinds;
  for (size_t i = 0; i < model.num_layers; ++i) {
    kinds.kinds.emplace_back(EveryPeriodAttends(i, period));
  }
  SetMixers(kinds, model);
  return Ok();
}

TensorNames DeltaNames() {
  TensorNames names = ExpertNames("mlp.shared_expert");
  const auto kept = [&names](Kept part) -> std::string_view& {
    return names.kept[static_cast<size_t>(part)];
  };
  kept(Kept::kConvolution) = "linear_attn.conv1d";
  kept(Kept::kDecayInput) = "linear_attn.in_proj_a";
  kept(Kept::kRateInput) = "linear_attn.in_proj_b";
  kept(Kept::kDecayBias) = "linear_attn.dt_bias";
  kept(Kept::kDecayLog) = "linear_attn.A_log";
  kept(Kept::kStateNorm) = "linear_attn.norm";
  names.recurrent[static_cast<size_t>(Linear::kHeadGate)] = "linear_attn.in_proj_z";
  names.recurrent[static_cast<size_t>(Linear::kOutput)] = "linear_attn.out_proj";
  const std::vector<Linear> convolved = {Linear::kQuery, Linear::kKey, Linear::kValue};
  for (const Linear linear : convolved) {
    names.recurrent[static_cast<size_t>(linear)] = "linear_attn.in_proj_qkv";
  }
  names.fused = {{"self_attn.q_proj",
                  Unit::kAttention,
                  {Linear::kQuery, Linear::kHeadGate},
                  FusedOrder::kByHead},
                 {"linear_attn.in_proj_qkv", Unit::kRecurrent, convolved}};
  return names;
}

TensorNames DeltaGgufNames() {
  TensorNames names = PostAttentionGgufNames();
  const auto kept = [&names](Kept part) -> std::string_view& {
    return names.kept[static_cast<size_t>(part)];
  };
  kept(Kept::kConvolution) = "ssm_conv1d";
  kept(Kept::kDecayInput) = "ssm_alpha";
  kept(Kept::kRateInput) = "ssm_beta";
  kept(Kept::kDecayBias) = "ssm_dt.bias";
  kept(Kept::kDecayLog) = "ssm_a";
  kept(Kept::kStateNorm) = "ssm_norm";
  names.recurrent[static_cast<size_t>(Linear::kHeadGate)] = "attn_gate";
  names.recurrent[static_cast<size_t>(Linear::kOutput)] = "ssm_out";
  names.fused = {
      {"attn_q", Unit::kAttention, {Linear::kQuery, Linear::kHeadGate}, FusedOrder::kByHead},
      {"attn_qkv", Unit::kRecurrent, {Linear::kQuery, Linear::kKey, Linear::kValue}}};
  return names;
}

Status ReadGatedExperts(const HfConfig& config, const ExpertsSpec& defaults, ModelConfig& model) {
  BITLOSS_TRY(model.experts, ReadHfExperts(config, "moe_intermediate_size", defaults.count,
                                           defaults.chosen, defaults.width));
  model.experts->router.weights = RouterSpec::Weights::kNormalized;
  model.experts->shared = ExpertsSpec::Shared::kGated;
  BITLOSS_TRY(model.experts->shared_width, config.GetSizeOr("shared_expert_intermediate_size",
                                                            defaults.shared_width, kMaxWidth));
  return ReadQwenSparseLayers(config, model);
}

Status ReadGatedGgufExperts(const GgufConfig& config, ModelConfig& model) {
  BITLOSS_TRY(model.experts, ReadGgufExperts(config));
  model.experts->router.weights = RouterSpec::Weights::kNormalized;
  model.experts->shared = ExpertsSpec::Shared::kGated;
  BITLOSS_TRY(model.experts->shared_width,
              config.GetSize("expert_shared_feed_forward_length", kMaxWidth));
  ExpertsEverywhere(model);
  return Ok();
}

}  // namespace bitloss
