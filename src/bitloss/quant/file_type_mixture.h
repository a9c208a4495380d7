// Which type the tensors of a model get in a file type's own mixture, asked tensor by tensor.
// Inside the module: callers want ChooseTypes.
#ifndef BITLOSS_QUANT_FILE_TYPE_MIXTURE_H_
#define BITLOSS_QUANT_FILE_TYPE_MIXTURE_H_

#include <array>
#include <span>
#include <string_view>

#include "bitloss/quant/file_type.h"
#include "bitloss/quant/file_type_rules.h"

namespace bitloss {

// What a tensor is for, by its name; what holds values counts as values, fused or not.
enum class TensorRole {
  kOutput,
  kEmbedding,
  kValue,
  kKey,
  kQuery,
  kHeads,
  kUp,
  kGate,
  kDown,
  kOther
};
inline constexpr size_t kNumTensorRoles = 10;
TensorRole RoleOf(std::string_view name);

// N of "blk.N.", or -1.
int LayerOf(std::string_view name);

class FileTypeMixture {
 public:
  // Requires: all outlive it.
  FileTypeMixture(const FileType& file_type, const FileTypeOptions& options,
                  Importances importances, const FileTypeModel& model,
                  std::span<const FileTypeTensor> tensors);

  // Whatever the length of its rows. Requires: tensors come by layer, then by name.
  const GgmlType* TypeFor(const FileTypeTensor& tensor);

 private:
  using Type = std::string_view;

  Type OfOutput(size_t cols) const;
  Type OfEmbedding() const;
  Type OfSmall(TensorRole role) const;
  Type OfRole(TensorRole role, std::string_view tensor) const;
  Type OfValue() const;
  Type First(std::span<const TypeRule> rules, size_t i, size_t n) const;
  size_t QueriesOfAKey() const { return model_.num_heads / model_.num_kv_heads; }
  size_t Seen(TensorRole role) const { return seen_[static_cast<size_t>(role)]; }

  std::string_view name_;
  const GgmlType& base_;
  const FileTypeOptions& options_;
  Importances importances_;
  const FileTypeModel& model_;
  size_t num_values_ = 0;
  bool is_tied_ = true;
  std::array<size_t, kNumTensorRoles> seen_{};
};

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FILE_TYPE_MIXTURE_H_
