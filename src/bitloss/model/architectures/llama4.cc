// Llama 4 (Scout, Maverick): chunks, layers without positions, experts that weigh their input.
#include <algorithm>

#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

TensorNames Llama4Names() {
  TensorNames names = ExpertNames("feed_forward.shared_expert");
  names.linears[static_cast<size_t>(Linear::kGate)] = "feed_forward.gate_proj";
  names.linears[static_cast<size_t>(Linear::kUp)] = "feed_forward.up_proj";
  names.linears[static_cast<size_t>(Linear::kDown)] = "feed_forward.down_proj";
  names.kept[static_cast<size_t>(Kept::kRouter)] = "feed_forward.router";
  names.experts = "feed_forward.experts";
  names.stacked_gate_up = "feed_forward.experts.gate_up_proj";
  names.stacked = {"", "", "feed_forward.experts.down_proj"};
  return names;
}

// Which layers have chunks and rotate, and which have experts.
Status ReadLlama4Layers(const HfConfig& config, ModelConfig& model) {
  BITLOSS_TRY(const uint64_t interval, config.GetSizeOr("no_rope_layer_interval", 4, kMaxLayers));
  BITLOSS_TRY(const uint64_t chunk, config.GetSizeOr("attention_chunk_size", 8192, kMaxPositions));
  BITLOSS_TRY(const uint64_t step, config.GetSizeOr("interleave_moe_layer_step", 1, kMaxLayers));
  std::vector<double> rotates;
  std::vector<double> sparse;
  if (config.Has("no_rope_layers")) {
    BITLOSS_TRY(rotates, config.GetNumbers("no_rope_layers"));
  }
  if (config.Has("moe_layers")) {
    BITLOSS_TRY(sparse, config.GetNumbers("moe_layers"));
  }
  std::vector<LayerSpec>& layers = LayersOf(model);
  if (!rotates.empty() && rotates.size() != layers.size()) {
    return BadInput("{}: has {} entries for {} layers", config.Place("no_rope_layers"),
                    rotates.size(), layers.size());
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    const bool turns = rotates.empty() ? (i + 1) % interval != 0 : rotates[i] != 0;
    layers[i].has_temperature = !turns;
    layers[i].norms_heads = turns;
    if (turns) {
      layers[i].chunk = chunk;
    } else {
      layers[i].rope.reset();
    }
    layers[i].has_experts = config.Has("moe_layers")
                                ? std::ranges::find(sparse, static_cast<double>(i)) != sparse.end()
                                : (i + 1) % step == 0;
  }
  return Ok();
}

Status ReadLlama4Hf(const HfConfig& config, ModelConfig& model) {
  constexpr std::array kKnown = {kFullAttention, kChunkedAttention};
  BITLOSS_TRY(const LayerKinds kinds, ReadLayerKinds(config, model, kKnown, AllFull, 1));
  model.ropes[0].pairing = RopePairing::kNeighbours;
  BITLOSS_DO(ReadBiases(config, false, BiasOfOutput::kAsOthers, model));
  BITLOSS_TRY(ExpertsSpec experts, ReadHfExperts(config, "intermediate_size", 16, 1, 8192));
  experts.router.score = RouterSpec::Score::kNone;
  experts.router.weights = RouterSpec::Weights::kSigmoid;
  experts.router.weighs_input = true;
  experts.shared = ExpertsSpec::Shared::kAdded;
  experts.shared_width = experts.width;
  model.experts = experts;
  BITLOSS_TRY(model.intermediate_size, config.GetSizeOr("intermediate_size_mlp", 16384, kMaxWidth));
  BITLOSS_TRY(const bool norms, config.GetBoolOr("use_qk_norm", true));
  if (norms) {
    model.head_norms = HeadNorms::kEachHead;
    model.head_norm_weight = HeadNormWeight::kNone;
    model.head_norm_place = HeadNormPlace::kAfterRope;
  }
  BITLOSS_TRY(const bool tunes, config.GetBoolOr("attn_temperature_tuning", true));
  if (tunes) {
    QueryTemperature temperature;
    BITLOSS_TRY(temperature.beta, config.GetNumberOr("attn_scale", 0.1));
    BITLOSS_TRY(temperature.length, config.GetSizeOr("floor_scale", 8192, kMaxPositions));
    temperature.offset = 1;
    model.temperature = temperature;
  }
  return ReadLlama4Layers(config, model);
}

}  // namespace

const Architecture& Llama4() {
  static constexpr std::array<std::string_view, 2> kClasses = {"Llama4ForCausalLM",
                                                               "Llama4ForConditionalGeneration"};
  static const Architecture architecture = {
      .name = "llama4_text",
      .classes = kClasses,
      .defaults = {.kv_heads = 8, .head_dim = 128, .positions = 131072, .eps = 1e-5, .theta = 5e5},
      .read_hf = ReadLlama4Hf,
      .hf_names = Llama4Names(),
      .stacked_axes = StackedAxes::kInOut,
      .gguf_name = {},
      .gguf_names = {}};
  return architecture;
}

}  // namespace bitloss
