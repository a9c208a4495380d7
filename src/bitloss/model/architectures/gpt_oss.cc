// gpt-oss: sinks, biases everywhere, experts with a clamped gate.
#include <cmath>

#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

TensorNames GptOssNames() {
  TensorNames names = LlamaNames();
  names.kept[static_cast<size_t>(Kept::kSinks)] = "self_attn.sinks";
  names.kept[static_cast<size_t>(Kept::kRouter)] = "mlp.router";
  names.kept[static_cast<size_t>(Kept::kRouterBias)] = "mlp.router";
  names.stacked_gate_up = "mlp.experts.gate_up_proj";
  names.stacked[2] = "mlp.experts.down_proj";
  return names;
}

TensorNames GptOssGgufNames() {
  TensorNames names = PostAttentionGgufNames();
  names.kept[static_cast<size_t>(Kept::kSinks)] = "attn_sinks";
  names.kept[static_cast<size_t>(Kept::kRouterBias)] = "ffn_gate_inp";
  return names;
}

constexpr double kLimit = 7.0;
constexpr double kAlpha = 1.702;

void ShapeGptOss(ModelConfig& model) {
  model.has_sinks = true;
  RouterSpec& router = model.experts->router;
  router.score = RouterSpec::Score::kNone;
  router.weights = RouterSpec::Weights::kSoftmax;
  router.has_bias = true;
  model.experts->has_bias = true;
  ExpertsEverywhere(model);
}

Status ReadGptOssHf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_DO(ReadBiases(config, true, BiasOfOutput::kAsOthers, model));
  BITLOSS_TRY(const LayerKinds kinds, ReadSlidingLayers(config, 128, EvenSliding, 2, model));
  BITLOSS_TRY(model.experts, ReadHfExperts(config, "intermediate_size", 128, 4, 2880));
  BITLOSS_TRY(const double limit, config.GetPositiveOr("swiglu_limit", kLimit));
  BITLOSS_TRY(const double alpha, config.GetPositiveOr("swiglu_alpha", kAlpha));
  model.activation = {Gating::kClamped, static_cast<float>(limit), static_cast<float>(alpha)};
  if (!config.Has("rope_parameters") && !config.Has("rope_scaling")) {
    model.ropes[0].scaling = YarnRopeScaling{32.0, 4096, 32.0, 1.0, false};
    model.ropes[0].magnitude = 0.1 * std::log(32.0) + 1.0;
  }
  ShapeGptOss(model);
  return Ok();
}

Status ReadGptOssGguf(const GgufConfig& config, ModelConfig& model) {
  BITLOSS_TRY(model.experts, ReadGgufExperts(config));
  model.activation = {Gating::kClamped, static_cast<float>(kLimit), static_cast<float>(kAlpha)};
  BITLOSS_DO(ReadGgufWindows(config, 2, model));
  // The file has no key for it; the published models do not truncate.
  if (auto* yarn = std::get_if<YarnRopeScaling>(&model.ropes[0].scaling)) yarn->truncate = false;
  ShapeGptOss(model);
  return Ok();
}

}  // namespace

const Architecture& GptOss() {
  static constexpr std::array<std::string_view, 1> kClasses = {"GptOssForCausalLM"};
  static const Architecture architecture = {.name = "gpt_oss",
                                            .classes = kClasses,
                                            .defaults = {.kv_heads = 8,
                                                         .head_dim = 64,
                                                         .positions = 131072,
                                                         .eps = 1e-5,
                                                         .theta = 150000.0},
                                            .read_hf = ReadGptOssHf,
                                            .hf_names = GptOssNames(),
                                            .stacked_order = StackedOrder::kAlternating,
                                            .stacked_axes = StackedAxes::kInOut,
                                            .gguf_name = "gpt-oss",
                                            .read_gguf = ReadGptOssGguf,
                                            .gguf_names = GptOssGgufNames()};
  return architecture;
}

}  // namespace bitloss
