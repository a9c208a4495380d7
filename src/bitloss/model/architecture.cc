#include "bitloss/model/architecture.h"

#include <algorithm>

#include "bitloss/model/architectures/architectures.h"
#include "bitloss/quant/nearest_names.h"

namespace bitloss {
namespace {

std::string_view& NameOf(TensorNames& names, Kept kept) {
  return names.kept[static_cast<size_t>(kept)];
}

bool HasPositive(const GgufMetadata& metadata, std::string_view key) {
  if (!metadata.Has(key)) return false;
  const auto value = metadata.GetUint(key);
  return value.ok() && value.value() > 0;
}

}  // namespace

std::span<const Architecture* const> Architectures() {
  static const std::array<const Architecture*, 42> kAll = {
      &Llama(),      &Qwen2(),   &Qwen3(),       &Qwen3Moe(),   &Qwen2Moe(),   &Gemma2(),
      &Gemma3(),     &Gemma3n(), &Gemma4(),      &Mistral(),    &Ministral(),  &Ministral3(),
      &Mixtral(),    &GptOss(),  &Phi3(),        &SmolLm3(),    &Granite(),    &GraniteMoe(),
      &GraniteSwa(), &Olmo2(),   &Olmo3(),       &OlmoE(),      &Glm4(),       &Glm4Moe(),
      &Llama4(),     &Cohere2(), &Exaone4(),     &SeedOss(),    &Ernie45(),    &HunyuanDense(),
      &MiniMaxM2(),  &Arcee(),   &MuseGlimmer(), &DeepseekV3(), &DeepseekV2(), &Glm4MoeLite(),
      &Mistral4(),   &Qwen35(),  &Qwen35Moe(),   &Qwen3Next(),  &Lfm2(),       &Mellum()};
  return kAll;
}

const Architecture* FindArchitecture(std::string_view name) {
  const auto all = Architectures();
  const auto found = std::ranges::find(all, name, &Architecture::name);
  return found == all.end() ? nullptr : *found;
}

const Architecture* FindGgufArchitecture(std::string_view name, const GgufMetadata& metadata) {
  if (name == "llama" && HasPositive(metadata, "llama.expert_count")) return &Mixtral();
  if (name == "deepseek2") {
    const auto gating = metadata.GetUint("deepseek2.expert_gating_func");
    return gating.ok() && gating.value() == kGgufSigmoid ? &DeepseekV3() : &DeepseekV2();
  }
  if (name == "olmo2" && HasPositive(metadata, "olmo2.attention.sliding_window")) return &Olmo3();
  const auto all = Architectures();
  const auto found = std::ranges::find(all, name, &Architecture::gguf_name);
  return found == all.end() || name.empty() ? nullptr : *found;
}

Error UnknownArchitecture(std::string_view name, std::span<const std::string_view> known) {
  constexpr size_t kNearest = 4;
  return Unsupported("architecture '{}' is not known; the nearest of those that are: {}", name,
                     NearestNames(name, known, kNearest));
}

TensorNames LlamaNames() {
  TensorNames names;
  NameOf(names, Kept::kPreAttentionNorm) = "input_layernorm";
  NameOf(names, Kept::kPreMlpNorm) = "post_attention_layernorm";
  NameOf(names, Kept::kQueryNorm) = "self_attn.q_norm";
  NameOf(names, Kept::kKeyNorm) = "self_attn.k_norm";
  for (size_t i = 0; i < kNumLinears; ++i) names.linears[i] = ModuleName(static_cast<Linear>(i));
  return names;
}

TensorNames LlamaGgufNames() {
  TensorNames names;
  NameOf(names, Kept::kPreAttentionNorm) = "attn_norm";
  NameOf(names, Kept::kPreMlpNorm) = "ffn_norm";
  NameOf(names, Kept::kQueryNorm) = "attn_q_norm";
  NameOf(names, Kept::kKeyNorm) = "attn_k_norm";
  names.linears = {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"};
  return names;
}

TensorNames ExpertNames(std::string_view shared) {
  TensorNames names = LlamaNames();
  NameOf(names, Kept::kRouter) = "mlp.gate";
  NameOf(names, Kept::kSelectionBias) = "mlp.gate.e_score_correction_bias";
  NameOf(names, Kept::kSharedGate) = "mlp.shared_expert_gate";
  names.experts = "mlp.experts";
  names.of_expert = {".gate_proj", ".up_proj", ".down_proj"};
  names.stacked = {"", "", "mlp.experts.down_proj"};
  names.stacked_gate_up = "mlp.experts.gate_up_proj";
  names.shared = shared;
  names.of_shared = {".gate_proj", ".up_proj", ".down_proj"};
  return names;
}

TensorNames ExpertGgufNames() {
  TensorNames names = LlamaGgufNames();
  NameOf(names, Kept::kRouter) = "ffn_gate_inp";
  NameOf(names, Kept::kSelectionBias) = "exp_probs_b.bias";
  NameOf(names, Kept::kSharedGate) = "ffn_gate_inp_shexp";
  names.stacked = {"ffn_gate_exps.weight", "ffn_up_exps.weight", "ffn_down_exps.weight"};
  names.stacked_gate_up = "ffn_gate_up_exps.weight";
  names.of_shared = {"ffn_gate_shexp", "ffn_up_shexp", "ffn_down_shexp"};
  return names;
}

TensorNames AroundGgufNames() {
  TensorNames names = LlamaGgufNames();
  NameOf(names, Kept::kPostAttentionNorm) = "post_attention_norm";
  NameOf(names, Kept::kPostMlpNorm) = "post_ffw_norm";
  return names;
}

FusedTensor FusedProjections(std::string_view name) {
  return {name, Unit::kAttention, {Linear::kQuery, Linear::kKey, Linear::kValue}};
}

FusedTensor FusedGateAndUp(std::string_view name) {
  return {name, Unit::kMlp, {Linear::kGate, Linear::kUp}};
}

TensorNames PostAttentionGgufNames() {
  TensorNames names = ExpertGgufNames();
  NameOf(names, Kept::kPreMlpNorm) = "post_attention_norm";
  return names;
}

void NameKept(TensorNames& names, Kept kept, std::string_view name) {
  names.kept[static_cast<size_t>(kept)] = name;
}

}  // namespace bitloss
