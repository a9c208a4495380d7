// What several architectures share.
#include <algorithm>

#include "bitloss/model/architectures/architectures.h"

namespace bitloss {

std::string_view AllFull(size_t /*layer*/, size_t /*period*/) { return kFullAttention; }
std::string_view AllSliding(size_t /*layer*/, size_t /*period*/) { return kSlidingAttention; }
std::string_view EvenSliding(size_t layer, size_t /*period*/) {
  return layer % 2 == 0 ? kSlidingAttention : kFullAttention;
}
std::string_view EveryPeriodFull(size_t layer, size_t period) {
  return (layer + 1) % period == 0 ? kFullAttention : kSlidingAttention;
}

Status RequireFullAttention(const HfConfig& config, const ModelConfig& model) {
  constexpr std::array kKnown = {kFullAttention};
  BITLOSS_TRY(const LayerKinds kinds, ReadLayerKinds(config, model, kKnown, AllFull, 1));
  return Ok();
}

Result<LayerKinds> ReadSlidingLayers(const HfConfig& config, size_t absent_window,
                                     std::string_view (*by_default)(size_t layer, size_t period),
                                     size_t period, ModelConfig& model) {
  constexpr std::array kKnown = {kFullAttention, kSlidingAttention};
  BITLOSS_TRY(const LayerKinds kinds, ReadLayerKinds(config, model, kKnown, by_default, period));
  size_t window = absent_window;
  if (config.Mentions("sliding_window")) {
    window = 0;  // null says that there is none
    if (config.Has("sliding_window")) {
      BITLOSS_TRY(window, config.GetCountOr("sliding_window", 0, kMaxPositions));
    }
  }
  const bool slides = std::ranges::find(kinds.kinds, kSlidingAttention) != kinds.kinds.end();
  if (window > 0) {
    SetWindows(kinds, window, model);
  } else if (slides && config.Has("layer_types")) {
    return BadInput("{}: has sliding_attention, but there is no /sliding_window",
                    config.Place("layer_types"));
  }
  return kinds;
}

Status ReadQwenWindow(const HfConfig& config, ModelConfig& model) {
  BITLOSS_TRY(const bool slides, config.GetBoolOr("use_sliding_window", false));
  if (!slides) return RequireFullAttention(config, model);
  constexpr size_t kClassDefault = 28;
  BITLOSS_TRY(const uint64_t first,
              config.GetCountOr("max_window_layers", kClassDefault, kMaxLayers));
  constexpr std::array kKnown = {kFullAttention, kSlidingAttention};
  BITLOSS_TRY(const LayerKinds kinds, ReadLayerKinds(
                                          config, model, kKnown,
                                          [](size_t layer, size_t period) {
                                            return layer >= period ? kSlidingAttention
                                                                   : kFullAttention;
                                          },
                                          first));
  BITLOSS_TRY(const uint64_t window, config.GetSizeOr("sliding_window", 4096, kMaxPositions));
  SetWindows(kinds, window, model);
  return Ok();
}

Status ReadQwenSparseLayers(const HfConfig& config, ModelConfig& model) {
  BITLOSS_TRY(const uint64_t step, config.GetSizeOr("decoder_sparse_step", 1, kMaxLayers));
  std::vector<double> dense;
  if (config.Has("mlp_only_layers")) {
    BITLOSS_TRY(dense, config.GetNumbers("mlp_only_layers"));
  }
  std::vector<LayerSpec>& layers = LayersOf(model);
  for (size_t i = 0; i < layers.size(); ++i) {
    const bool is_dense = std::ranges::find(dense, static_cast<double>(i)) != dense.end();
    layers[i].has_experts = !is_dense && (i + 1) % step == 0;
  }
  return Ok();
}

Status ReadSigmoidExperts(const HfConfig& config, const ExpertsSpec& defaults, ModelConfig& model) {
  BITLOSS_TRY(ExpertsSpec experts, ReadHfExperts(config, "moe_intermediate_size", defaults.count,
                                                 defaults.chosen, defaults.width));
  RouterSpec& router = experts.router;
  router.score = RouterSpec::Score::kSigmoid;
  router.has_selection_bias = true;
  router.group_score = RouterSpec::GroupScore::kSumOfTwoLargest;
  BITLOSS_TRY(router.groups, config.GetSizeOr("n_group", defaults.router.groups, experts.count));
  BITLOSS_TRY(router.groups_kept,
              config.GetSizeOr("topk_group", defaults.router.groups_kept, experts.count));
  BITLOSS_TRY(const bool normalizes, config.GetBoolOr("norm_topk_prob", true));
  if (normalizes) router.weights = RouterSpec::Weights::kNormalized;
  BITLOSS_TRY(router.scale, config.GetPositiveOr("routed_scaling_factor", defaults.router.scale));
  BITLOSS_DO(ReadSharedExperts(config, 1, experts));
  BITLOSS_DO(CheckExperts(experts));
  model.experts = experts;
  return Ok();
}

Status ReadSharedExperts(const HfConfig& config, size_t absent, ExpertsSpec& experts) {
  BITLOSS_TRY(const uint64_t shared, config.GetCountOr("n_shared_experts", absent, kMaxExperts));
  if (shared == 0) return Ok();
  experts.shared = ExpertsSpec::Shared::kAdded;
  experts.shared_width = shared * experts.width;
  return Ok();
}

Status ReadFirstDense(const HfConfig& config, size_t absent, ModelConfig& model) {
  BITLOSS_TRY(const uint64_t dense, config.GetCountOr("first_k_dense_replace", absent, kMaxLayers));
  std::vector<LayerSpec>& layers = LayersOf(model);
  for (size_t i = 0; i < layers.size(); ++i) layers[i].has_experts = i >= dense;
  return Ok();
}

Status ReadMlpLayerTypes(const HfConfig& config, ModelConfig& model) {
  constexpr std::string_view kKey = "mlp_layer_types";
  if (!config.Has(kKey)) return Ok();
  BITLOSS_TRY(const std::vector<std::string> kinds, config.GetStrings(kKey));
  std::vector<LayerSpec>& layers = LayersOf(model);
  if (kinds.size() != layers.size()) {
    return BadInput("{}: has {} entries for {} layers", config.Place(kKey), kinds.size(),
                    layers.size());
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    if (kinds[i] != "sparse" && kinds[i] != "dense") {
      return Unsupported("{}: entry {} is neither sparse nor dense", config.Place(kKey), i);
    }
    layers[i].has_experts = kinds[i] == "sparse";
  }
  return Ok();
}

Status ReadGroupedGgufExperts(const GgufConfig& config, uint64_t absent_gating,
                              ModelConfig& model) {
  BITLOSS_TRY(ExpertsSpec experts, ReadGgufExperts(config));
  RouterSpec& router = experts.router;
  BITLOSS_TRY(const uint64_t gating, config.GetCountOr("expert_gating_func", absent_gating, 100));
  if (gating == kGgufSigmoid) {
    router.score = RouterSpec::Score::kSigmoid;
    router.has_selection_bias = true;
    router.group_score = RouterSpec::GroupScore::kSumOfTwoLargest;
  } else if (gating != kGgufSoftmax) {
    return Unsupported("metadata key '{}' is {}; known are {} and {}",
                       config.Key("expert_gating_func"), gating, kGgufSoftmax, kGgufSigmoid);
  }
  BITLOSS_TRY(router.groups, config.GetSizeOr("expert_group_count", 1, experts.count));
  BITLOSS_TRY(router.groups_kept, config.GetSizeOr("expert_group_used_count", 1, experts.count));
  BITLOSS_TRY(const bool normalizes, config.GetBoolOr("expert_weights_norm", false));
  if (normalizes) router.weights = RouterSpec::Weights::kNormalized;
  BITLOSS_TRY(router.scale, config.GetPositiveOr("expert_weights_scale", 1.0));
  BITLOSS_TRY(const uint64_t shared, config.GetCountOr("expert_shared_count", 0, kMaxExperts));
  if (shared > 0) {
    experts.shared = ExpertsSpec::Shared::kAdded;
    experts.shared_width = shared * experts.width;
  }
  BITLOSS_DO(CheckExperts(experts));
  BITLOSS_TRY(const uint64_t dense, config.GetCountOr("leading_dense_block_count", 0, kMaxLayers));
  std::vector<LayerSpec>& layers = LayersOf(model);
  for (size_t i = 0; i < layers.size(); ++i) layers[i].has_experts = i >= dense;
  model.experts = experts;
  return Ok();
}

Status ShareKeys(std::string_view place, size_t shared, ModelConfig& model) {
  std::vector<LayerSpec>& layers = LayersOf(model);
  if (shared >= layers.size()) {
    return BadInput("{}: is {} of {} layers", place, shared, layers.size());
  }
  const size_t first = layers.size() - shared;
  for (size_t i = first; i < layers.size(); ++i) {
    for (size_t earlier = 0; earlier < first; ++earlier) {
      if (layers[earlier].window == layers[i].window) layers[i].kv_source = earlier;
    }
    if (!layers[i].kv_source) {
      return BadInput("{}: none of the first {} layers sees what layer {} sees", place, first, i);
    }
    // What they share has one shape.
    const size_t source = *layers[i].kv_source;
    if (model.head_dim_of(source) != model.head_dim_of(i) ||
        model.kv_heads_of(source) != model.kv_heads_of(i)) {
      return BadInput("{}: layers {} and {} have heads of different shapes", place, source, i);
    }
    layers[i].values_are_keys = false;
  }
  return Ok();
}

Status ReadGraniteScales(const HfConfig& config, ModelConfig& model) {
  BITLOSS_TRY(model.embedding_scale, config.GetPositiveOr("embedding_multiplier", 1.0));
  BITLOSS_TRY(model.attention_scale, config.GetPositiveOr("attention_multiplier", 1.0));
  BITLOSS_TRY(model.residual_scale, config.GetPositiveOr("residual_multiplier", 1.0));
  BITLOSS_TRY(const double divisor, config.GetPositiveOr("logits_scaling", 1.0));
  model.logit_scale = 1.0 / divisor;
  return Ok();
}

Status ReadGraniteGgufScales(const GgufConfig& config, ModelConfig& model) {
  BITLOSS_TRY(model.embedding_scale, config.GetPositiveOr("embedding_scale", 1.0));
  BITLOSS_TRY(model.attention_scale, config.GetPositiveOr("attention.scale", 0.0));
  BITLOSS_TRY(model.residual_scale, config.GetPositiveOr("residual_scale", 1.0));
  BITLOSS_TRY(const double divisor, config.GetPositiveOr("logit_scale", 1.0));
  model.logit_scale = 1.0 / divisor;
  return Ok();
}

void ExpertsEverywhere(ModelConfig& model) {
  for (LayerSpec& layer : LayersOf(model)) layer.has_experts = true;
}

void RopeByWindow(ModelConfig& model) {
  for (LayerSpec& layer : LayersOf(model)) layer.rope = layer.window > 0 ? 1 : 0;
}

void NoRopeInFullLayers(ModelConfig& model) {
  for (LayerSpec& layer : LayersOf(model)) {
    if (layer.window == 0 && layer.chunk == 0) layer.rope.reset();
  }
}

}  // namespace bitloss
