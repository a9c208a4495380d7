// Arcee (AFM): Llama whose MLP has no gate: down(relu(up)^2).
#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

TensorNames Without(TensorNames names) {
  names.linears[static_cast<size_t>(Linear::kGate)] = "";
  return names;
}

Status ReadArceeHf(const HfConfig& config, ModelConfig& model) {
  BITLOSS_TRY(model.activation, ReadActivation(config, {.gating = Gating::kReluSquared}));
  if (model.has_gates()) {
    return Unsupported("{}: only relu2 is known in arcee", config.Place("hidden_act"));
  }
  BITLOSS_DO(RequireFullAttention(config, model));
  return ReadBiases(config, false, BiasOfOutput::kAsOthers, model);
}

Status ReadArceeGguf(const GgufConfig&, ModelConfig& model) {
  model.activation = {.gating = Gating::kReluSquared};
  return Ok();
}

}  // namespace

const Architecture& Arcee() {
  static constexpr std::array<std::string_view, 1> kClasses = {"ArceeForCausalLM"};
  static const Architecture architecture = {.name = "arcee",
                                            .classes = kClasses,
                                            .defaults = {.positions = 4096, .eps = 1e-5},
                                            .read_hf = ReadArceeHf,
                                            .hf_names = Without(LlamaNames()),
                                            .gguf_name = "arcee",
                                            .read_gguf = ReadArceeGguf,
                                            .gguf_names = Without(LlamaGgufNames())};
  return architecture;
}

}  // namespace bitloss
