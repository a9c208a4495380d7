#include "bitloss/model/layer_plan.h"

#include <algorithm>

namespace bitloss {
namespace {

void AddAttention(const ModelConfig& config, LayerPlan& plan) {
  const size_t queries = config.num_heads * config.head_dim;
  const size_t keys = config.num_kv_heads * config.head_dim;
  const size_t hidden = config.hidden_size;
  const auto add = [&](Linear kind, LinearShape shape, bool has_bias) {
    plan.linears.push_back({kind, Unit::kAttention, 0, shape, has_bias});
  };
  add(Linear::kQuery, {queries, hidden}, config.qkv_bias);
  add(Linear::kKey, {keys, hidden}, config.qkv_bias);
  add(Linear::kValue, {keys, hidden}, config.qkv_bias);
  add(Linear::kOutput, {hidden, queries}, config.output_bias);
}

// gate, up and down of one unit.
MlpPlaces AddMlp(const ModelConfig& config, const LinearSpec& like, size_t width, LayerPlan& plan) {
  MlpPlaces places;
  const auto add = [&](Linear kind, LinearShape shape) {
    LinearSpec linear = like;
    linear.kind = kind;
    linear.shape = shape;
    plan.linears.push_back(linear);
    return plan.linears.size() - 1;
  };
  if (config.has_gates()) places.gate = add(Linear::kGate, {width, config.hidden_size});
  places.up = add(Linear::kUp, {width, config.hidden_size});
  places.down = add(Linear::kDown, {config.hidden_size, width});
  return places;
}

void AddExperts(const ModelConfig& config, LayerPlan& plan) {
  const ExpertsSpec& experts = *config.experts;
  if (experts.shared != ExpertsSpec::Shared::kNone) {
    plan.mlp =
        AddMlp(config, {.unit = Unit::kSharedExpert, .shape = {}}, experts.shared_width, plan);
  }
  for (size_t e = 0; e < experts.count; ++e) {
    plan.experts.push_back(AddMlp(
        config, {.unit = Unit::kExpert, .expert = e, .shape = {}, .has_bias = experts.has_bias},
        experts.width, plan));
  }
  plan.kept.push_back({Kept::kRouter, experts.count, config.hidden_size});
  if (experts.router.has_bias) plan.kept.push_back({Kept::kRouterBias, 1, experts.count});
  if (experts.router.has_selection_bias) {
    plan.kept.push_back({Kept::kSelectionBias, 1, experts.count});
  }
  if (experts.shared == ExpertsSpec::Shared::kGated) {
    plan.kept.push_back({Kept::kSharedGate, 1, config.hidden_size});
  }
}

void AddNorms(const ModelConfig& config, const LayerSpec& layer, LayerPlan& plan) {
  const auto add = [&](Kept kept, size_t size) { plan.kept.push_back({kept, 1, size}); };
  const NormPlacement placement = config.norm_placement;
  if (placement != NormPlacement::kAfter) add(Kept::kPreAttentionNorm, config.hidden_size);
  if (placement == NormPlacement::kBefore || placement == NormPlacement::kAround) {
    add(Kept::kPreMlpNorm, config.hidden_size);
  }
  if (placement == NormPlacement::kAround || placement == NormPlacement::kAfter) {
    add(Kept::kPostAttentionNorm, config.hidden_size);
    add(Kept::kPostMlpNorm, config.hidden_size);
  }
  const bool norms_heads = layer.norms_heads && config.head_norms != HeadNorms::kNone &&
                           config.head_norm_weight == HeadNormWeight::kOwn;
  if (!norms_heads) return;
  const bool whole = config.head_norms == HeadNorms::kWholeWidth;
  add(Kept::kQueryNorm, config.head_dim * (whole ? config.num_heads : 1));
  add(Kept::kKeyNorm, config.head_dim * (whole ? config.num_kv_heads : 1));
}

}  // namespace

std::string_view ModuleName(Linear linear) {
  constexpr std::array<std::string_view, kNumLinearKinds> kNames = {
      "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
      "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};
  return kNames[static_cast<size_t>(linear)];
}

std::string LinearSpec::Name() const {
  const std::string_view name = ModuleName(kind);
  const std::string_view matrix = name.substr(name.find('.') + 1);
  switch (unit) {
    case Unit::kAttention:
    case Unit::kMlp:
      return std::string(name);
    case Unit::kSharedExpert:
      return fmt::format("mlp.shared_expert.{}", matrix);
    case Unit::kExpert:
      return fmt::format("mlp.experts.{}.{}", expert, matrix);
  }
  return {};
}

bool LayerPlan::Has(Kept kept_part) const {
  return std::ranges::find(kept, kept_part, &KeptSpec::kept) != kept.end();
}

LayerPlan PlanLayer(const ModelConfig& config, size_t layer) {
  const LayerSpec spec = config.layer(layer);
  LayerPlan plan;
  AddNorms(config, spec, plan);
  AddAttention(config, plan);
  if (config.has_sinks) plan.kept.push_back({Kept::kSinks, 1, config.num_heads});
  if (config.has_output_gate) {
    plan.kept.push_back(
        {Kept::kOutputGate, config.num_heads * config.head_dim, config.hidden_size});
  }
  if (spec.has_experts) {
    AddExperts(config, plan);
  } else {
    plan.mlp = AddMlp(config, {.unit = Unit::kMlp, .shape = {}, .has_bias = config.mlp_bias},
                      spec.mlp_width > 0 ? spec.mlp_width : config.intermediate_size, plan);
  }
  return plan;
}

std::string LinearsInWords(const ModelConfig& config) {
  const std::string_view mlp = config.has_gates() ? "gate, up, down" : "up, down";
  return fmt::format("q, k, v, o, {}{}", config.experts ? "experts' " : "", mlp);
}

std::string KeptInWords(const ModelConfig& config) {
  std::string words;
  if (config.experts) words += "routers, ";
  if (config.has_sinks) words += "sinks, ";
  if (config.has_output_gate) words += "attention gates, ";
  return words + "norms, biases";
}

std::vector<size_t> QuantizedWidths(const ModelConfig& config) {
  std::vector<size_t> widths;
  for (size_t layer = 0; layer < config.num_layers; ++layer) {
    for (const LinearSpec& linear : PlanLayer(config, layer).linears) {
      if (std::ranges::find(widths, linear.shape.in) == widths.end()) {
        widths.push_back(linear.shape.in);
      }
    }
  }
  return widths;
}

}  // namespace bitloss
