// What several architectures read in the same way.
#include "bitloss/model/config_readers.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace bitloss {

Result<LayerKinds> ReadLayerKinds(const HfConfig& config, const ModelConfig& model,
                                  std::span<const std::string_view> known,
                                  std::string_view (*by_default)(size_t layer, size_t period),
                                  size_t period) {
  LayerKinds kinds;
  if (!config.Has("layer_types")) {
    for (size_t layer = 0; layer < model.num_layers; ++layer) {
      kinds.kinds.emplace_back(by_default(layer, period));
    }
    return kinds;
  }
  BITLOSS_TRY(kinds.kinds, config.GetStrings("layer_types"));
  if (kinds.kinds.size() != model.num_layers) {
    return BadInput("{}: has {} entries for {} layers", config.Place("layer_types"),
                    kinds.kinds.size(), model.num_layers);
  }
  for (const std::string& kind : kinds.kinds) {
    if (std::ranges::find(known, kind) == known.end()) {
      return Unsupported("{}: {} is not known; known: {}", config.Place("layer_types"),
                         HfConfig::Short(nlohmann::json(kind)), fmt::join(known, ", "));
    }
  }
  return kinds;
}

std::vector<LayerSpec>& LayersOf(ModelConfig& model) {
  model.layers.resize(model.num_layers);
  return model.layers;
}

void SetWindows(const LayerKinds& kinds, size_t window, ModelConfig& model) {
  if (std::ranges::find(kinds.kinds, kSlidingAttention) == kinds.kinds.end()) return;
  std::vector<LayerSpec>& layers = LayersOf(model);
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    if (kinds.Is(layer, kSlidingAttention)) layers[layer].window = window;
  }
}

Result<GatedUnit> ReadActivation(const HfConfig& config, GatedUnit absent) {
  // Gemma's older files have both, and the second counts.
  const char* key = config.Has("hidden_activation") ? "hidden_activation" : "hidden_act";
  if (!config.Has(key)) return absent;
  BITLOSS_TRY(const std::string name, config.GetString(key));
  if (name == "silu" || name == "swish") return GatedUnit{Gating::kSilu};
  if (name == "gelu_pytorch_tanh") return GatedUnit{Gating::kGeluTanh};
  if (name == "relu2") return GatedUnit{Gating::kReluSquared};
  return Unsupported("{}: activation {} is not known; known: silu, gelu_pytorch_tanh, relu2",
                     config.Place(key), HfConfig::Short(nlohmann::json(name)));
}

Status ReadBiases(const HfConfig& config, bool absent, BiasOfOutput output, ModelConfig& model) {
  BITLOSS_TRY(model.qkv_bias, config.GetBoolOr("attention_bias", absent));
  model.output_bias = output == BiasOfOutput::kAsOthers && model.qkv_bias;
  BITLOSS_TRY(model.mlp_bias, config.GetBoolOr("mlp_bias", false));
  return Ok();
}

Result<ExpertsSpec> ReadHfExperts(const HfConfig& config, std::string_view width_key,
                                  size_t default_count, size_t default_chosen,
                                  size_t default_width) {
  ExpertsSpec experts;
  experts.count = default_count;
  for (const char* key : {"num_experts", "num_local_experts", "n_routed_experts"}) {
    BITLOSS_TRY(experts.count, config.GetSizeOr(key, experts.count, kMaxExperts));
  }
  BITLOSS_TRY(experts.chosen, config.GetSizeOr("num_experts_per_tok", default_chosen, kMaxExperts));
  BITLOSS_TRY(experts.width, config.GetSizeOr(width_key, default_width, kMaxWidth));
  if (experts.chosen > experts.count) {
    return BadInput("{}: {} of {} experts", config.Place("num_experts_per_tok"), experts.chosen,
                    experts.count);
  }
  return experts;
}

Status CheckExperts(const ExpertsSpec& experts) {
  const RouterSpec& router = experts.router;
  if (experts.count % router.groups != 0 || router.groups_kept > router.groups) {
    return BadInput("{} experts in {} groups, of which {} are kept", experts.count, router.groups,
                    router.groups_kept);
  }
  if (experts.chosen > experts.count / router.groups * router.groups_kept) {
    return BadInput("{} experts are chosen of the {} in {} groups of {}", experts.chosen,
                    experts.count / router.groups * router.groups_kept, router.groups_kept,
                    experts.count / router.groups);
  }
  if (router.group_score == RouterSpec::GroupScore::kSumOfTwoLargest && router.groups > 1 &&
      experts.count / router.groups < 2) {
    return BadInput("groups of one expert have no two best");
  }
  return Ok();
}

}  // namespace bitloss
