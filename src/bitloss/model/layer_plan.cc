#include "bitloss/model/layer_plan.h"

#include <algorithm>

namespace bitloss {
namespace {

void AddHeadNorms(const ModelConfig& config, size_t i, LayerPlan& plan) {
  const LayerSpec layer = config.layer(i);
  if (!layer.norms_heads || config.head_norms == HeadNorms::kNone ||
      config.head_norm_weight == HeadNormWeight::kNone) {
    return;
  }
  const bool whole = config.head_norms == HeadNorms::kWholeWidth;
  const size_t dim = config.head_dim_of(i);
  plan.kept.push_back({Kept::kQueryNorm, 1, whole ? config.query_width(i) : dim});
  if (layer.kv_source) return;
  plan.kept.push_back({Kept::kKeyNorm, 1, whole ? config.key_width(i) : dim});
}

void AddAttention(const ModelConfig& config, size_t i, LayerPlan& plan) {
  const LayerSpec layer = config.layer(i);
  const size_t hidden = config.hidden_size;
  const auto add = [&](Linear kind, LinearShape shape, bool has_bias) {
    plan.linears.push_back({kind, Unit::kAttention, 0, shape, has_bias});
  };
  add(Linear::kQuery, {config.query_width(i), hidden}, config.qkv_bias);
  if (config.gates_heads) add(Linear::kHeadGate, {config.heads_width(i), hidden}, config.qkv_bias);
  if (!layer.kv_source) {
    add(Linear::kKey, {config.key_width(i), hidden}, config.qkv_bias);
    if (!layer.values_are_keys) {
      add(Linear::kValue, {config.value_width(i), hidden}, config.qkv_bias);
    }
  }
  add(Linear::kOutput, {hidden, config.heads_width(i)}, config.output_bias);
  AddHeadNorms(config, i, plan);
  if (config.has_sinks) plan.kept.push_back({Kept::kSinks, 1, config.num_heads});
  if (config.has_output_gate) {
    plan.kept.push_back({Kept::kOutputGate, config.heads_width(i), hidden});
  }
}

void AddLatentAttention(const ModelConfig& config, size_t i, LayerPlan& plan) {
  const LatentSpec& latent = *config.latent;
  const size_t hidden = config.hidden_size;
  const auto add = [&](Linear kind, LinearShape shape, bool has_bias) {
    plan.linears.push_back({kind, Unit::kAttention, 0, shape, has_bias});
  };
  if (latent.query_rank > 0) {
    add(Linear::kQueryDown, {latent.query_rank, hidden}, config.qkv_bias);
    add(Linear::kQueryUp, {config.query_width(i), latent.query_rank}, false);
    plan.kept.push_back({Kept::kQueryDownNorm, 1, latent.query_rank});
  } else {
    add(Linear::kQuery, {config.query_width(i), hidden}, false);
  }
  add(Linear::kKeyValueDown, {latent.rank + latent.rotated_dim, hidden}, config.qkv_bias);
  add(Linear::kKeyUp, {config.num_heads * latent.plain_dim, latent.rank}, false);
  add(Linear::kValueUp, {config.value_width(i), latent.rank}, false);
  add(Linear::kOutput, {hidden, config.heads_width(i)}, config.output_bias);
  plan.kept.push_back({Kept::kKeyValueDownNorm, 1, latent.rank});
}

void AddDeltaRule(const ModelConfig& config, LayerPlan& plan) {
  const DeltaSpec& delta = *config.delta;
  const size_t hidden = config.hidden_size;
  const auto add = [&](Linear kind, LinearShape shape) {
    plan.linears.push_back({kind, Unit::kRecurrent, 0, shape, false});
  };
  add(Linear::kQuery, {delta.key_width(), hidden});
  add(Linear::kKey, {delta.key_width(), hidden});
  add(Linear::kValue, {delta.value_width(), hidden});
  add(Linear::kHeadGate, {delta.value_width(), hidden});
  add(Linear::kOutput, {hidden, delta.value_width()});
  const size_t heads = delta.shape.value_heads;
  plan.kept.push_back({Kept::kConvolution, delta.channels(), delta.kernel});
  plan.kept.push_back({Kept::kDecayInput, heads, hidden});
  plan.kept.push_back({Kept::kRateInput, heads, hidden});
  plan.kept.push_back({Kept::kDecayBias, 1, heads});
  plan.kept.push_back({Kept::kDecayLog, 1, heads});
  plan.kept.push_back({Kept::kStateNorm, 1, delta.shape.value_dim});
}

void AddShortConvolution(const ModelConfig& config, LayerPlan& plan) {
  const size_t hidden = config.hidden_size;
  plan.linears.push_back({Linear::kConvolved, Unit::kRecurrent, 0, {3 * hidden, hidden}, false});
  plan.linears.push_back({Linear::kOutput, Unit::kRecurrent, 0, {hidden, hidden}, false});
  plan.kept.push_back({Kept::kConvolution, hidden, config.conv_kernel});
}

void AddMixer(const ModelConfig& config, size_t i, LayerPlan& plan) {
  switch (config.layer(i).mixer) {
    case Mixer::kAttention:
      return AddAttention(config, i, plan);
    case Mixer::kLatentAttention:
      return AddLatentAttention(config, i, plan);
    case Mixer::kDeltaRule:
      return AddDeltaRule(config, plan);
    case Mixer::kShortConvolution:
      return AddShortConvolution(config, plan);
  }
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
  if (experts.router.reads_stream) {
    plan.kept.push_back({Kept::kRouterScale, 1, config.hidden_size});
  }
  if (experts.router.has_expert_scale) {
    plan.kept.push_back({Kept::kExpertScale, 1, experts.count});
  }
  if (!experts.beside_mlp) return;
  for (const Kept norm : {Kept::kPostDenseNorm, Kept::kPreExpertsNorm, Kept::kPostExpertsNorm}) {
    plan.kept.push_back({norm, 1, config.hidden_size});
  }
}

void AddStreams(const ModelConfig& config, LayerPlan& plan) {
  const size_t hidden = config.hidden_size;
  const size_t streams = config.altup->streams;
  plan.kept.push_back({Kept::kLaurelDown, config.altup->laurel_rank, hidden});
  plan.kept.push_back({Kept::kLaurelUp, hidden, config.altup->laurel_rank});
  plan.kept.push_back({Kept::kLaurelNorm, 1, hidden});
  plan.kept.push_back({Kept::kStreamRouter, streams, hidden});
  plan.kept.push_back({Kept::kStreamRouterNorm, 1, hidden});
  plan.kept.push_back({Kept::kStreamPrediction, streams * streams, streams});
  plan.kept.push_back({Kept::kStreamCorrection, streams, streams});
  plan.kept.push_back({Kept::kStreamScale, 1, hidden});
}

// What stands at the end of a block.
void AddEnd(const ModelConfig& config, LayerPlan& plan) {
  if (config.per_layer_input) {
    const size_t width = config.per_layer_input->width;
    plan.kept.push_back({Kept::kPerLayerGate, width, config.hidden_size});
    plan.kept.push_back({Kept::kPerLayerProjection, config.hidden_size, width});
    plan.kept.push_back({Kept::kPostPerLayerNorm, 1, config.hidden_size});
  }
  if (config.scales_layers) plan.kept.push_back({Kept::kLayerScale, 1, 1});
  if (config.altup) AddStreams(config, plan);
}

void AddNorms(const ModelConfig& config, LayerPlan& plan) {
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
}

}  // namespace

std::string_view ModuleName(Linear linear) {
  constexpr std::array<std::string_view, kNumLinears> kNames = {
      "self_attn.q_proj",    "self_attn.k_proj",
      "self_attn.v_proj",    "self_attn.o_proj",
      "mlp.gate_proj",       "mlp.up_proj",
      "mlp.down_proj",       "self_attn.q_a_proj",
      "self_attn.q_b_proj",  "self_attn.kv_a_proj_with_mqa",
      "self_attn.k_b_proj",  "self_attn.v_b_proj",
      "self_attn.gate_proj", "conv.in_proj"};
  return kNames[static_cast<size_t>(linear)];
}

bool ReadsInput(Linear linear) {
  switch (linear) {
    case Linear::kOutput:
    case Linear::kDown:
    case Linear::kQueryUp:
    case Linear::kKeyUp:
    case Linear::kValueUp:
      return false;
    default:
      return true;
  }
}

bool IsMatrix(Kept kept) {
  switch (kept) {
    case Kept::kRouter:
    case Kept::kSharedGate:
    case Kept::kOutputGate:
    case Kept::kDecayInput:
    case Kept::kRateInput:
    case Kept::kPerLayerGate:
    case Kept::kPerLayerProjection:
    case Kept::kLaurelDown:
    case Kept::kLaurelUp:
    case Kept::kStreamRouter:
    case Kept::kStreamPrediction:
    case Kept::kStreamCorrection:
      return true;
    default:
      return false;
  }
}

std::string LinearSpec::Name() const {
  const std::string_view name = ModuleName(kind);
  const std::string_view matrix = name.substr(name.find('.') + 1);
  switch (unit) {
    case Unit::kAttention:
    case Unit::kMlp:
      return std::string(name);
    case Unit::kRecurrent:
      if (kind == Linear::kConvolved) return std::string(name);
      return fmt::format("{}.{}", "linear_attn", matrix);
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

std::optional<size_t> LayerPlan::Find(Linear kind) const {
  for (size_t i = 0; i < linears.size() && MixesTokens(linears[i].unit); ++i) {
    if (linears[i].kind == kind) return i;
  }
  return std::nullopt;
}

LayerPlan PlanLayer(const ModelConfig& config, size_t layer) {
  const LayerSpec spec = config.layer(layer);
  LayerPlan plan;
  AddNorms(config, plan);
  AddMixer(config, layer, plan);
  if (!spec.has_experts || config.experts->beside_mlp) {
    plan.mlp = AddMlp(config, {.unit = Unit::kMlp, .shape = {}, .has_bias = config.mlp_bias},
                      config.mlp_width(layer), plan);
  }
  if (spec.has_experts) AddExperts(config, plan);
  AddEnd(config, plan);
  return plan;
}

namespace {

// Of what mixes tokens, each kind once.
std::vector<std::string_view> MixersLinears(const ModelConfig& config) {
  constexpr std::array<std::string_view, kNumLinears> kWords = {
      "q", "k", "v", "o", "", "", "", "q_a", "q_b", "kv_a", "k_b", "v_b", "gate", "conv in"};
  std::vector<std::string_view> words;
  for (size_t layer = 0; layer < config.num_layers; ++layer) {
    for (const LinearSpec& linear : PlanLayer(config, layer).linears) {
      const std::string_view word = kWords[static_cast<size_t>(linear.kind)];
      if (!MixesTokens(linear.unit)) break;
      if (std::ranges::find(words, word) == words.end()) words.push_back(word);
    }
    if (config.layers.empty()) break;  // all are alike
  }
  return words;
}

}  // namespace

std::string LinearsInWords(const ModelConfig& config) {
  const std::string_view mlp = config.has_gates() ? "gate, up, down" : "up, down";
  if (config.experts && config.experts->beside_mlp) {
    return fmt::format("{}, {}, experts' {}", fmt::join(MixersLinears(config), ", "), mlp, mlp);
  }
  return fmt::format("{}, {}{}", fmt::join(MixersLinears(config), ", "),
                     config.experts ? "experts' " : "", mlp);
}

std::string KeptInWords(const ModelConfig& config) {
  std::string words;
  if (config.experts) words += "routers, ";
  if (config.has_sinks) words += "sinks, ";
  if (config.has_output_gate) words += "attention gates, ";
  if (config.delta) words += "decays, ";
  if (config.delta || config.conv_kernel > 0) words += "convolutions, ";
  if (config.per_layer_input) words += "per-layer inputs, ";
  if (config.scales_layers) words += "layer scales, ";
  if (config.altup) words += "streams' weights, ways around attention, ";
  return words + "norms, biases";
}

Status CheckKinds(const ModelConfig& config, std::string_view what) {
  for (size_t layer = 0; layer < config.num_layers; ++layer) {
    for (const LinearSpec& linear : PlanLayer(config, layer).linears) {
      const bool is_known =
          static_cast<size_t>(linear.kind) < kNumLinearKinds && linear.unit != Unit::kRecurrent;
      if (is_known) continue;
      return Unsupported(
          "{} of architecture {}: a block has {}, which is none of q, k, v, o, gate, "
          "up and down",
          what, config.architecture, linear.Name());
    }
    if (config.layers.empty()) break;
  }
  return Ok();
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
