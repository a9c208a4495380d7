// ChooseTypes (file_type.h).
#include <algorithm>
#include <numeric>
#include <regex>

#include "bitloss/quant/file_type_mixture.h"

namespace bitloss {
namespace {

// What is stored where a row is not a whole number of blocks.
struct Fallback {
  std::string_view type;
  std::string_view stored;
};
constexpr Fallback kFallbacks[] = {
    {"IQ1_S", "IQ4_NL"}, {"IQ1_M", "IQ4_NL"}, {"IQ2_XXS", "IQ4_NL"}, {"IQ2_XS", "IQ4_NL"},
    {"IQ2_S", "IQ4_NL"}, {"IQ3_S", "IQ4_NL"}, {"IQ3_XXS", "IQ4_NL"}, {"IQ4_XS", "IQ4_NL"},
    {"Q2_K", "Q4_0"},    {"Q3_K", "Q4_0"},    {"TQ1_0", "Q4_0"},     {"TQ2_0", "Q4_0"},
    {"Q4_K", "Q5_0"},    {"Q5_K", "Q5_1"},    {"Q6_K", "Q8_0"},
};

const GgmlType* Fitting(const GgmlType* type, size_t cols) {
  if (cols % type->elements_per_block == 0) return type;
  const auto fallback = std::ranges::find(kFallbacks, type->name, &Fallback::type);
  if (fallback != std::end(kFallbacks)) type = FindGgmlType(fallback->stored);
  return cols % type->elements_per_block == 0 ? type : FindGgmlType("F16");
}

// Of the expressions that options give; null: none of them is found in the name.
const GgmlType* AskedFor(const FileTypeOptions& options, const std::string& name) {
  const auto found = std::ranges::find_if(options.tensors, [&](const auto& asked) {
    return std::regex_search(name, std::regex(asked.first));
  });
  return found == options.tensors.end() ? nullptr : found->second;
}

Status CheckImportances(const FileType& file_type, const FileTypeTensor& tensor,
                        const GgmlType& type) {
  constexpr std::string_view kNeed[] = {"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS"};
  const bool needs = std::ranges::find(kNeed, type.name) != std::end(kNeed) ||
                     (type.name == "Q2_K" && file_type.name == "Q2_K_S");
  const TensorRole role = RoleOf(tensor.name);
  if (!needs || role == TensorRole::kEmbedding || role == TensorRole::kOutput) return Ok();
  return Unsupported("{} would be {}, which file type {} makes by importances alone: add +imatrix",
                     tensor.name, type.name, file_type.name);
}

// Before the rules and whatever the length of rows.
const GgmlType* OptionFor(const FileTypeOptions& options, TensorRole role) {
  if (role == TensorRole::kEmbedding) return options.token_embedding;
  return role == TensorRole::kOutput ? options.output : nullptr;
}

}  // namespace

Result<std::vector<const GgmlType*>> ChooseTypes(const FileType& file_type,
                                                 const FileTypeOptions& options,
                                                 Importances importances,
                                                 const FileTypeModel& model,
                                                 std::span<const FileTypeTensor> tensors) {
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {}, [&](size_t i) {
    return std::pair(LayerOf(tensors[i].name), std::string_view(tensors[i].name));
  });
  FileTypeMixture mixture(file_type, options, importances, model, tensors);
  std::vector<const GgmlType*> types(tensors.size());
  for (const size_t i : order) {
    const FileTypeTensor& tensor = tensors[i];
    const GgmlType* type = OptionFor(options, RoleOf(tensor.name));
    if (type == nullptr) {
      type = AskedFor(options, tensor.name);
      if (type == nullptr && options.mixture == FileTypeOptions::Mixture::kOwn) {
        type = mixture.TypeFor(tensor);
      }
      if (type == nullptr) type = FindGgmlType(file_type.base);
      type = Fitting(type, tensor.cols);
    }
    if (tensor.cols % type->elements_per_block != 0) {
      return Unsupported("{}: rows of {} weights do not divide into blocks of {} of {}",
                         tensor.name, tensor.cols, type->elements_per_block, type->name);
    }
    if (importances == Importances::kNone) BITLOSS_DO(CheckImportances(file_type, tensor, *type));
    types[i] = type;
  }
  return types;
}

}  // namespace bitloss
