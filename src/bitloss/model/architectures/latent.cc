// Latent attention as DeepSeek, GLM-4.7-Flash and Mistral 4 have it.
#include <cmath>
#include <nlohmann/json.hpp>

#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

double YarnMagnitudeOfAll(double factor, double all_dim) {
  return factor <= 1.0 ? 1.0 : 0.1 * all_dim * std::log(factor) + 1.0;
}

// What a longer context multiplies scores by, beside what the rope's magnitude does.
Result<double> ReadScoreScale(const HfConfig& config) {
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!config.Has(key)) continue;
    BITLOSS_TRY(const HfConfig rope, config.GetObject(key));
    BITLOSS_TRY(const double all_dim, rope.GetNumberOr("mscale_all_dim", 0.0));
    if (all_dim == 0) continue;
    BITLOSS_TRY(const double factor, rope.GetPositiveOr("factor", 1.0));
    const double magnitude = YarnMagnitudeOfAll(factor, all_dim);
    return magnitude * magnitude;
  }
  return 1.0;
}

// The file counts the rotated part as a share of the whole head, or it is the whole of a part.
Result<bool> HasPartialFactor(const HfConfig& config) {
  if (!config.Has("rope_parameters")) return config.Has("partial_rotary_factor");
  BITLOSS_TRY(const HfConfig rope, config.GetObject("rope_parameters"));
  return rope.Has("partial_rotary_factor") || config.Has("partial_rotary_factor");
}

// Sets what follows from the sizes.
Status ShapeLatent(std::string_view place, const LatentSpec& latent, size_t value_dim,
                   ModelConfig& model) {
  if (latent.rotated_dim % 2 != 0) {
    return BadInput("{}: {} elements of a head rotate, which are no pairs", place,
                    latent.rotated_dim);
  }
  model.head_dim = latent.plain_dim + latent.rotated_dim;
  model.value_dim = value_dim;
  model.num_kv_heads = model.num_heads;
  if (model.query_width(0) > kMaxWidth || model.heads_width(0) > kMaxWidth) {
    return BadInput("{}: {} heads of {} and {} elements are more than {}", place, model.num_heads,
                    model.head_dim, value_dim, kMaxWidth);
  }
  model.latent = latent;
  for (LayerSpec& layer : LayersOf(model)) layer.mixer = Mixer::kLatentAttention;
  return Ok();
}

}  // namespace

Status ReadLatent(const HfConfig& config, const LatentDefaults& absent, const HfDefaults& defaults,
                  ModelConfig& model) {
  BITLOSS_DO(RequireFullAttention(config, model));
  LatentSpec latent;
  const size_t no_rank = config.Mentions("q_lora_rank") ? 0 : absent.query_rank;
  BITLOSS_TRY(latent.query_rank, config.GetSizeOr("q_lora_rank", no_rank, kMaxWidth));
  BITLOSS_TRY(latent.rank, config.GetSizeOr("kv_lora_rank", absent.rank, kMaxWidth));
  BITLOSS_TRY(latent.plain_dim, config.GetSizeOr("qk_nope_head_dim", absent.plain_dim, kMaxWidth));
  BITLOSS_TRY(latent.rotated_dim,
              config.GetSizeOr("qk_rope_head_dim", absent.rotated_dim, kMaxWidth));
  BITLOSS_TRY(const size_t value_dim, config.GetSizeOr("v_head_dim", absent.value_dim, kMaxWidth));
  BITLOSS_DO(ShapeLatent(config.Place("qk_rope_head_dim"), latent, value_dim, model));
  BITLOSS_DO(ReadBiases(config, false, BiasOfOutput::kAsOthers, model));

  BITLOSS_TRY(const bool is_share, HasPartialFactor(config));
  BITLOSS_TRY(model.ropes[0],
              ReadRope(config, defaults, is_share ? model.head_dim : latent.rotated_dim));
  model.ropes[0].rotated = latent.rotated_dim;
  BITLOSS_TRY(const bool interleaves, config.GetBoolOr("rope_interleave", true));
  if (interleaves) model.ropes[0].pairing = RopePairing::kNeighbours;
  BITLOSS_TRY(const double scale, ReadScoreScale(config));
  model.attention_scale = scale / std::sqrt(static_cast<double>(model.head_dim));
  return Ok();
}

Status ReadLatentGguf(const GgufConfig& config, ModelConfig& model) {
  LatentSpec latent;
  model.qkv_bias = config.checkpoint().Has("blk.0.attn_kv_a_mqa.bias");
  if (config.Has("attention.q_lora_rank")) {
    BITLOSS_TRY(latent.query_rank, config.GetSize("attention.q_lora_rank", kMaxWidth));
  }
  BITLOSS_TRY(latent.rank, config.GetSize("attention.kv_lora_rank", kMaxWidth));
  latent.rotated_dim = model.ropes[0].rotated;
  if (latent.rotated_dim >= model.head_dim) {
    return BadInput("metadata key '{}' is {}, of heads of {}", config.Key("rope.dimension_count"),
                    latent.rotated_dim, model.head_dim);
  }
  latent.plain_dim = model.head_dim - latent.rotated_dim;
  BITLOSS_TRY(const size_t value_dim,
              config.GetSize(config.Has("attention.value_length_mla") ? "attention.value_length_mla"
                                                                      : "attention.value_length",
                             kMaxWidth));
  BITLOSS_DO(ShapeLatent(config.Key("rope.dimension_count"), latent, value_dim, model));
  model.ropes[0].pairing = RopePairing::kNeighbours;
  double magnitude = 1.0;
  if (const auto* yarn = std::get_if<YarnRopeScaling>(&model.ropes[0].scaling);
      yarn != nullptr && config.Has("rope.scaling.yarn_log_multiplier")) {
    BITLOSS_TRY(const double tenth, config.GetPositive("rope.scaling.yarn_log_multiplier"));
    magnitude = YarnMagnitudeOfAll(yarn->factor, 10.0 * tenth);
  }
  model.attention_scale = magnitude * magnitude / std::sqrt(static_cast<double>(model.head_dim));
  return Ok();
}

TensorNames LatentNames() {
  TensorNames names = ExpertNames("mlp.shared_experts");
  names.kept[static_cast<size_t>(Kept::kQueryDownNorm)] = "self_attn.q_a_layernorm";
  names.kept[static_cast<size_t>(Kept::kKeyValueDownNorm)] = "self_attn.kv_a_layernorm";
  constexpr std::string_view kBoth = "self_attn.kv_b_proj";
  names.linears[static_cast<size_t>(Linear::kKeyUp)] = kBoth;
  names.linears[static_cast<size_t>(Linear::kValueUp)] = kBoth;
  names.fused = {
      {kBoth, Unit::kAttention, {Linear::kKeyUp, Linear::kValueUp}, FusedOrder::kByHead}};
  return names;
}

TensorNames LatentGgufNames() {
  TensorNames names = ExpertGgufNames();
  names.kept[static_cast<size_t>(Kept::kQueryDownNorm)] = "attn_q_a_norm";
  names.kept[static_cast<size_t>(Kept::kKeyValueDownNorm)] = "attn_kv_a_norm";
  names.linears[static_cast<size_t>(Linear::kQueryDown)] = "attn_q_a";
  names.linears[static_cast<size_t>(Linear::kQueryUp)] = "attn_q_b";
  names.linears[static_cast<size_t>(Linear::kKeyValueDown)] = "attn_kv_a_mqa";
  names.linears[static_cast<size_t>(Linear::kKeyUp)] = "attn_k_b";
  names.linears[static_cast<size_t>(Linear::kValueUp)] = "attn_v_b";
  names.fused = {
      {"attn_kv_b", Unit::kAttention, {Linear::kKeyUp, Linear::kValueUp}, FusedOrder::kByHead}};
  return names;
}

}  // namespace bitloss
