#include "bitloss/quant/file_type_mixture.h"

#include <algorithm>
#include <charconv>

namespace bitloss {
namespace {

// The first whose text is in a tensor's name.
struct RoleName {
  std::string_view part;
  TensorRole role;
};
constexpr std::array kRoleNames = {
    RoleName{"attn_qkv.weight", TensorRole::kValue},
    RoleName{"attn_kv_b.weight", TensorRole::kValue},
    RoleName{"attn_v.weight", TensorRole::kValue},
    RoleName{"attn_k.weight", TensorRole::kKey},
    RoleName{"attn_q.weight", TensorRole::kQuery},
    RoleName{"attn_output.weight", TensorRole::kHeads},
    RoleName{"ffn_up", TensorRole::kUp},
    RoleName{"ffn_gate", TensorRole::kGate},
    RoleName{"ffn_down", TensorRole::kDown},
};

bool IsAmong(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

TensorRole RoleOf(std::string_view name) {
  if (name == "output.weight") return TensorRole::kOutput;
  if (name == "token_embd.weight") return TensorRole::kEmbedding;
  const auto found = std::ranges::find_if(
      kRoleNames, [&](const RoleName& known) { return name.find(known.part) != name.npos; });
  return found == kRoleNames.end() ? TensorRole::kOther : found->role;
}

int LayerOf(std::string_view name) {
  constexpr std::string_view kPrefix = "blk.";
  int layer = -1;
  if (name.starts_with(kPrefix)) {
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), layer);
  }
  return layer;
}

FileTypeMixture::FileTypeMixture(const FileType& file_type, const FileTypeOptions& options,
                                 Importances importances, const FileTypeModel& model,
                                 std::span<const FileTypeTensor> tensors)
    : name_(file_type.name),
      base_(*FindGgmlType(file_type.base)),
      options_(options),
      importances_(importances),
      model_(model) {
  for (const FileTypeTensor& tensor : tensors) {
    const TensorRole role = RoleOf(tensor.name);
    num_values_ += role == TensorRole::kValue ? 1 : 0;
    if (role == TensorRole::kOutput) is_tied_ = false;
  }
}

const GgmlType* FileTypeMixture::TypeFor(const FileTypeTensor& tensor) {
  const TensorRole role = RoleOf(tensor.name);
  if (role == TensorRole::kOutput || (role == TensorRole::kEmbedding && is_tied_)) {
    return options_.output != nullptr ? options_.output : FindGgmlType(OfOutput(tensor.cols));
  }
  if (name_ == "MXFP4_MOE") {
    return FindGgmlType(tensor.rank == FileTypeTensor::Rank::kExperts ? "MXFP4" : "Q8_0");
  }
  if (role == TensorRole::kEmbedding) return FindGgmlType(OfEmbedding());
  const bool is_small = IsAmong(name_, {"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M"});
  const Type type = is_small ? OfSmall(role) : OfRole(role, tensor.name);
  ++seen_[static_cast<size_t>(role)];
  return FindGgmlType(type);
}

FileTypeMixture::Type FileTypeMixture::OfOutput(size_t cols) const {
  if (name_ == "MXFP4_MOE" || cols % base_.elements_per_block != 0) return "Q8_0";
  if (IsAmong(name_, {"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ3_XXS"})) {
    return "Q5_K";
  }
  return base_.name == "Q8_0" ? "Q8_0" : "Q6_K";
}

FileTypeMixture::Type FileTypeMixture::OfEmbedding() const {
  if (IsAmong(name_, {"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS"})) return "Q2_K";
  if (IsAmong(name_, {"IQ2_S", "IQ2_M", "IQ3_XXS"})) return "IQ3_S";
  return IsAmong(name_, {"TQ1_0", "TQ2_0"}) ? "Q4_K" : base_.name;
}

// File types of one and two bits.
FileTypeMixture::Type FileTypeMixture::OfSmall(TensorRole role) const {
  const bool is_large = IsAmong(name_, {"IQ2_S", "IQ2_M"});
  const Type better = is_large ? "IQ3_S" : "Q2_K";
  switch (role) {
    case TensorRole::kValue:
      return QueriesOfAKey() >= 4 || model_.num_experts >= 4 ? "Q4_K" : better;
    case TensorRole::kKey:
      return model_.num_experts == 8 ? "Q4_K" : base_.name;
    case TensorRole::kDown:
      return Seen(role) < model_.num_layers / 8 ? better : base_.name;
    case TensorRole::kHeads:
      if (model_.num_experts == 8) return "Q5_K";
      if (IsAmong(name_, {"IQ1_S", "IQ1_M"})) return "IQ2_XXS";
      return is_large ? "IQ3_S" : base_.name;
    default:
      return base_.name;
  }
}

FileTypeMixture::Type FileTypeMixture::OfRole(TensorRole role, std::string_view tensor) const {
  const bool has_eight_experts = model_.num_experts == 8;
  const size_t n = model_.num_layers;
  // Experts' matrices may come in any order.
  const size_t i = model_.num_experts > 1 ? static_cast<size_t>(LayerOf(tensor)) : Seen(role);
  switch (role) {
    case TensorRole::kValue:
      return has_eight_experts ? "Q8_0" : OfValue();
    case TensorRole::kKey:
    case TensorRole::kQuery:
      if (has_eight_experts && role == TensorRole::kKey) return "Q8_0";
      if (name_ == "IQ3_XS") return "IQ3_XXS";
      return name_ == "IQ3_XXS" ? "IQ2_S" : base_.name;
    case TensorRole::kDown:
      return First(kDownRules, i, n);
    case TensorRole::kHeads:
      return First(has_eight_experts ? kHeadsOfEightRules : kHeadsRules, i, n);
    case TensorRole::kGate:
    case TensorRole::kUp:
      return name_ == "IQ3_XS" && i >= n / 8 && i < 7 * n / 8 ? "IQ3_XXS" : base_.name;
    default:
      return base_.name;
  }
}

// Models of 80 layers that share keys have few values: more bits cost them little.
FileTypeMixture::Type FileTypeMixture::OfValue() const {
  const Type type = First(kValueRules, Seen(TensorRole::kValue), num_values_);
  const bool is_of_kind =
      IsAmong(model_.architecture, {"qwen2", "deci", "olmo"}) ||
      (model_.architecture == "llama" && model_.num_heads != model_.num_kv_heads);
  const bool is_70b = (model_.num_layers == 80 && is_of_kind) ||
                      (model_.num_layers == 68 && model_.architecture == "jais2");
  return is_70b && IsAmong(type, {"Q3_K", "Q4_K"}) ? "Q5_K" : type;
}

FileTypeMixture::Type FileTypeMixture::First(std::span<const TypeRule> rules, size_t i,
                                             size_t n) const {
  return FirstRule(rules, name_, {i, n, QueriesOfAKey(), model_.num_experts, importances_},
                   base_.name);
}

}  // namespace bitloss
