#include "bitloss/convert/config_difference.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>
#include <utility>

namespace bitloss {
namespace {

// Every structure is taken apart whole, so that a field which is added to one does not compile
// until it is looked at here.

template <class T>
bool Same(const T& a, const T& b) {
  return a == b;
}
bool Same(double a, double b) { return std::abs(a - b) <= 1e-6 * std::abs(a); }
template <class... T>
bool Same(const std::tuple<T...>& a, const std::tuple<T...>& b);

auto FieldsOf(const RouterSpec& router) {
  const auto& [score, weights, scale, has_bias, has_selection_bias, weighs_input, reads_stream,
               has_expert_scale, groups, groups_kept, group_score] = router;
  const auto of_groups = groups > 1 ? group_score : RouterSpec::GroupScore::kLargest;
  return std::tuple(score, weights, scale, has_bias, has_selection_bias, weighs_input, reads_stream,
                    has_expert_scale, groups, groups_kept, of_groups);
}
auto FieldsOf(const ExpertsSpec& experts) {
  const auto& [count, chosen, width, shared, shared_width, has_bias, beside_mlp, router] = experts;
  return std::tuple(count, chosen, width, shared, shared_width, has_bias, beside_mlp,
                    FieldsOf(router));
}
auto FieldsOf(const PerLayerInputSpec& inputs) {
  const auto& [width, vocab_size] = inputs;
  return std::tuple(width, vocab_size);
}
auto FieldsOf(const LatentSpec& latent) {
  const auto& [query_rank, rank, plain_dim, rotated_dim] = latent;
  return std::tuple(query_rank, rank, plain_dim, rotated_dim);
}
auto FieldsOf(const AltUpSpec& altup) {
  const auto& [streams, active, scales_output, laurel_rank] = altup;
  return std::tuple(streams, active, scales_output, laurel_rank);
}
auto FieldsOf(const DeltaSpec& delta) {
  const auto& [shape, kernel] = delta;
  const auto& [key_heads, value_heads, key_dim, value_dim, is_tiled] = shape;
  return std::tuple(key_heads, value_heads, key_dim, value_dim, is_tiled, kernel);
}
auto FieldsOf(const QueryTemperature& temperature) {
  const auto& [beta, length, offset] = temperature;
  return std::tuple(beta, length, offset);
}
auto FieldsOf(const GatedUnit& unit) {
  const auto& [gating, limit, alpha] = unit;
  return std::tuple(gating, double{limit}, double{alpha});
}

template <class T>
bool SameFields(const std::optional<T>& a, const std::optional<T>& b) {
  return a.has_value() == b.has_value() && (!a || Same(FieldsOf(*a), FieldsOf(*b)));
}

template <class... T>
bool Same(const std::tuple<T...>& a, const std::tuple<T...>& b) {
  return [&]<size_t... kI>(std::index_sequence<kI...>) {
    return (Same(std::get<kI>(a), std::get<kI>(b)) && ...);
  }
  (std::index_sequence_for<T...>());
}

// The frequencies that scaling makes are compared, whatever it is called.
bool SameRope(const RopeConfig& a, const RopeConfig& b, size_t head_dim) {
  const auto rest = [head_dim](const RopeConfig& rope) {
    const auto& [theta, rotated, pairing, scaling, magnitude] = rope;
    return std::tuple(rotated > 0 ? rotated : head_dim, magnitude, pairing,
                      std::holds_alternative<LongRopeScaling>(scaling));
  };
  if (!Same(rest(a), rest(b))) return false;
  if (std::holds_alternative<LongRopeScaling>(a.scaling)) {
    const auto& long_a = std::get<LongRopeScaling>(a.scaling);
    const auto& long_b = std::get<LongRopeScaling>(b.scaling);
    return Same(a.theta, b.theta) && long_a.short_factors == long_b.short_factors &&
           long_a.long_factors == long_b.long_factors &&
           long_a.original_max_positions == long_b.original_max_positions;
  }
  const std::vector<double> from_a = RopeInverseFrequencies(a, head_dim);
  const std::vector<double> from_b = RopeInverseFrequencies(b, head_dim);
  return std::ranges::equal(from_a, from_b, [](double x, double y) { return Same(x, y); });
}

bool SameLayer(const ModelConfig& a, const ModelConfig& b, size_t i) {
  const auto fields = [i](const ModelConfig& config) {
    const LayerSpec layer = config.layer(i);
    const auto& [mixer, window, chunk, rope, has_experts, mlp_width, head_dim, num_kv_heads,
                 kv_source, gate_cutoff, values_are_keys, norms_heads, has_temperature] = layer;
    return std::tuple(mixer, window, chunk, rope.has_value(), has_experts, config.mlp_width(i),
                      config.head_dim_of(i), config.kv_heads_of(i), config.value_dim_of(i),
                      kv_source, gate_cutoff, values_are_keys, norms_heads, has_temperature);
  };
  return Same(fields(a), fields(b));
}

// Requires: both turn in the layer, or neither.
bool TurnsAlike(const ModelConfig& a, const ModelConfig& b, size_t i) {
  const auto rope_a = a.layer(i).rope, rope_b = b.layer(i).rope;
  return !rope_a || SameRope(a.ropes[*rope_a], b.ropes[*rope_b], a.head_dim_of(i));
}

double ScoreScale(const ModelConfig& config, double attention_scale) {
  return attention_scale > 0 ? attention_scale
                             : 1.0 / std::sqrt(static_cast<double>(config.head_dim));
}

// All fields but layers and ropes, by respect.
auto Respects(const ModelConfig& config) {
  const auto& [name, architecture, hidden_size, intermediate_size, num_layers, num_heads,
               num_kv_heads, head_dim, value_dim, vocab_size, max_positions, rms_norm_eps,
               post_norm_eps, norm_kind, final_norm_kind, norm_placement, ropes, head_norms,
               head_norm_weight, head_norm_place, norms_values, query_scale, attention_scale,
               attention_softcap, has_sinks, has_output_gate, gates_heads, latent, delta,
               conv_kernel, temperature, activation, experts, embedding_scale, norms_embedding,
               residual_scale, scales_layers, per_layer_input, altup, logit_scale, logit_softcap,
               tied_embeddings, qkv_bias, output_bias, mlp_bias, layers] = config;
  const double after = post_norm_eps > 0 ? post_norm_eps : rms_norm_eps;
  return std::tuple(std::tuple(architecture),
                    std::tuple(hidden_size, num_layers, vocab_size, max_positions),
                    std::tuple(num_heads, num_kv_heads, head_dim),
                    std::tuple(rms_norm_eps, after, norm_kind, final_norm_kind, norm_placement),
                    std::tuple(head_norms, head_norm_weight, head_norm_place, norms_values),
                    std::tuple(query_scale, ScoreScale(config, attention_scale), attention_softcap,
                               has_sinks, has_output_gate, gates_heads, conv_kernel),
                    std::tuple(FieldsOf(activation)),
                    std::tuple(embedding_scale, norms_embedding, residual_scale, scales_layers,
                               logit_scale, logit_softcap),
                    std::tuple(qkv_bias, output_bias, mlp_bias));
}
constexpr std::array<std::string_view, 9> kRespects = {
    "its architecture", "its sizes",      "its heads",  "its norms", "the norms of its heads",
    "its attention",    "its activation", "its scales", "its biases"};

}  // namespace

std::optional<std::string_view> DifferenceOf(const ModelConfig& a, const ModelConfig& b) {
  const auto of_a = Respects(a), of_b = Respects(b);
  static_assert(std::tuple_size_v<decltype(of_a)> == kRespects.size());
  std::optional<std::string_view> found;
  [&]<size_t... kI>(std::index_sequence<kI...>) {
    ((found = found || Same(std::get<kI>(of_a), std::get<kI>(of_b)) ? found : kRespects[kI]), ...);
  }
  (std::make_index_sequence<kRespects.size()>());
  if (found) return found;
  if (!SameFields(a.latent, b.latent)) return "its latent attention";
  if (!SameFields(a.delta, b.delta)) return "its delta rules";
  if (!SameFields(a.temperature, b.temperature)) return "the temperature of its queries";
  if (!SameFields(a.experts, b.experts)) return "its experts";
  if (!SameFields(a.per_layer_input, b.per_layer_input)) return "the inputs of its layers";
  if (!SameFields(a.altup, b.altup)) return "its residual streams";
  for (size_t i = 0; i < a.num_layers; ++i) {
    if (!SameLayer(a, b, i)) return "what its layers do";
    if (!TurnsAlike(a, b, i)) return "its rotary embedding";
  }
  return std::nullopt;
}

}  // namespace bitloss
