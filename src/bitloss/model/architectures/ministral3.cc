// Ministral 3, Devstral: YaRN, and queries that grow with their position.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

constexpr double kMinistral3Beta = 0.1;

Status ReadMinistral3Hf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_TRY(const LayerKinds kinds, ReadSlidingLayers(config, 0, AllSliding, 1, model));
  const auto* yarn = std::get_if<YarnRopeScaling>(&model.ropes[0].scaling);
  if (yarn == nullptr) {
    return Unsupported("{}: is not yarn, which is all that is known of ministral3",
                       config.Place("rope_parameters"));
  }
  BITLOSS_TRY(const HfConfig rope, config.GetObject("rope_parameters"));
  BITLOSS_TRY(const double beta, rope.GetNumberOr("llama_4_scaling_beta", kMinistral3Beta));
  model.temperature = QueryTemperature{beta, yarn->original_max_positions, 0};
  return Ok();
}

Status ReadMinistral3Gguf(const GgufConfig& config, ModelConfig& model) {
  const auto* yarn = std::get_if<YarnRopeScaling>(&model.ropes[0].scaling);
  if (!config.Has("attention.temperature_scale")) return Ok();
  if (yarn == nullptr) {
    return Unsupported("metadata key '{}' without yarn", config.Key("attention.temperature_scale"));
  }
  BITLOSS_TRY(const double beta, config.GetPositive("attention.temperature_scale"));
  model.temperature = QueryTemperature{beta, yarn->original_max_positions, 0};
  return Ok();
}

}  // namespace

const Architecture& Ministral3() {
  static constexpr std::array<std::string_view, 2> kClasses = {"Ministral3ForCausalLM",
                                                               "Mistral3ForConditionalGeneration"};
  static const Architecture architecture = {
      .name = "ministral3",
      .classes = kClasses,
      .defaults = {.kv_heads = 8, .head_dim = 128, .positions = 262144, .eps = 1e-5, .theta = 1e6},
      .read_hf = ReadMinistral3Hf,
      .hf_names = LlamaNames(),
      .gguf_name = "mistral3",
      .read_gguf = ReadMinistral3Gguf,
      .gguf_names = LlamaGgufNames()};
  return architecture;
}

}  // namespace bitloss
