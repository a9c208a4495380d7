// Hunyuan, dense: heads normed after they turn.
#include <cmath>

#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

TensorNames HunyuanV1DenseNames() {
  TensorNames names = LlamaNames();
  names.kept[static_cast<size_t>(Kept::kQueryNorm)] = "self_attn.query_layernorm";
  names.kept[static_cast<size_t>(Kept::kKeyNorm)] = "self_attn.key_layernorm";
  return names;
}

void ShapeHunyuanV1Dense(ModelConfig& model) {
  model.head_norms = HeadNorms::kEachHead;
  model.head_norm_place = HeadNormPlace::kAfterRope;
}

Status ReadHunyuanV1DenseHf(const HfConfig& config, ModelConfig& model) {
  ShapeHunyuanV1Dense(model);
  BITLOSS_DO(RequireFullAttention(config, model));
  // "dynamic" with alpha raises the base, whatever the length.
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!config.Has(key)) continue;
    BITLOSS_TRY(const HfConfig rope, config.GetObject(key));
    BITLOSS_TRY(const double alpha, rope.GetNumberOr("alpha", 0.0));
    if (alpha == 0) continue;
    const auto size = static_cast<double>(model.head_dim);
    model.ropes[0].theta *= std::pow(alpha, size / (size - 2.0));
  }
  return ReadBiases(config, false, BiasOfOutput::kAsOthers, model);
}

Status ReadHunyuanV1DenseGguf(const GgufConfig&, ModelConfig& model) {
  ShapeHunyuanV1Dense(model);
  return Ok();
}

}  // namespace

const Architecture& HunyuanDense() {
  static constexpr std::array<std::string_view, 1> kClasses = {"HunYuanDenseV1ForCausalLM"};
  static const Architecture architecture = {.name = "hunyuan_v1_dense",
                                            .classes = kClasses,
                                            .defaults = {},
                                            .read_hf = ReadHunyuanV1DenseHf,
                                            .hf_names = HunyuanV1DenseNames(),
                                            .gguf_name = "hunyuan-dense",
                                            .read_gguf = ReadHunyuanV1DenseGguf,
                                            .gguf_names = LlamaGgufNames()};
  return architecture;
}

}  // namespace bitloss
