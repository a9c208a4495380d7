// OLMo 2: norms after each part, q and k normed over their whole width.
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

TensorNames Olmo2Names() {
  TensorNames names = LlamaNames();
  names.kept[static_cast<size_t>(Kept::kPostAttentionNorm)] = "post_attention_layernorm";
  names.kept[static_cast<size_t>(Kept::kPostMlpNorm)] = "post_feedforward_layernorm";
  return names;
}

void ShapeOlmo2(ModelConfig& model) {
  model.norm_placement = NormPlacement::kAfter;
  model.head_norms = HeadNorms::kWholeWidth;
}

Status ReadOlmo2Hf(const HfConfig& config, ModelConfig& model) {
  ShapeOlmo2(model);
  BITLOSS_DO(RequireFullAttention(config, model));
  return ReadBiases(config, false, BiasOfOutput::kAsOthers, model);
}

Status ReadOlmo2Gguf(const GgufConfig&, ModelConfig& model) {
  ShapeOlmo2(model);
  return Ok();
}

}  // namespace

const Architecture& Olmo2() {
  static constexpr std::array<std::string_view, 1> kClasses = {"Olmo2ForCausalLM"};
  static const Architecture architecture = {.name = "olmo2",
                                            .classes = kClasses,
                                            .defaults = {.eps = 1e-5},
                                            .read_hf = ReadOlmo2Hf,
                                            .hf_names = Olmo2Names(),
                                            .gguf_name = "olmo2",
                                            .read_gguf = ReadOlmo2Gguf,
                                            .gguf_names = AroundGgufNames()};
  return architecture;
}

}  // namespace bitloss
