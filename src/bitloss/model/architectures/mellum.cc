// Mellum 2: Qwen3 with experts, windows by layer and a rope for each kind of layer.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

constexpr HfDefaults kMellumDefaults = {
    .kv_heads = 4, .head_dim = 128, .positions = 131072, .theta = 500000.0};
constexpr HfDefaults kMellumWindowDefaults = {.theta = 10000.0};

Status ReadMellumHf(const HfConfig& config, ModelConfig& model) {
  model.head_norms = HeadNorms::kEachHead;
  BITLOSS_DO(ReadBiases(config, false, BiasOfOutput::kAsOthers, model));
  BITLOSS_TRY(const LayerKinds kinds, ReadSlidingLayers(config, 1024, AllFull, 1, model));
  BITLOSS_TRY(const auto full,
              ReadNestedRope(config, kFullAttention, kMellumDefaults, model.head_dim));
  BITLOSS_TRY(const auto sliding,
              ReadNestedRope(config, kSlidingAttention, kMellumWindowDefaults, model.head_dim));
  if (full) model.ropes[0] = *full;
  RopeConfig windowed;
  windowed.rotated = model.head_dim;
  windowed.theta = kMellumWindowDefaults.theta;
  model.ropes.push_back(sliding ? *sliding : windowed);
  RopeByWindow(model);
  BITLOSS_TRY(model.experts, ReadHfExperts(config, "moe_intermediate_size", 64, 8, 896));
  BITLOSS_TRY(const bool normalizes, config.GetBoolOr("norm_topk_prob", true));
  if (normalizes) model.experts->router.weights = RouterSpec::Weights::kNormalized;
  ExpertsEverywhere(model);
  return ReadMlpLayerTypes(config, model);
}

}  // namespace

const Architecture& Mellum() {
  static constexpr std::array<std::string_view, 1> kClasses = {"MellumForCausalLM"};
  static const Architecture architecture = {.name = "mellum",
                                            .classes = kClasses,
                                            .defaults = kMellumDefaults,
                                            .read_hf = ReadMellumHf,
                                            .hf_names = ExpertNames("mlp.shared_expert"),
                                            .gguf_name = {},
                                            .gguf_names = {}};
  return architecture;
}

}  // namespace bitloss
