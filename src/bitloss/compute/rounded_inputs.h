// A packed matrix whose inputs are rounded before they meet it: made and unwrapped by
// Backend::Pack and MatMul, so that no backend's kernels know of it.
#ifndef BITLOSS_COMPUTE_ROUNDED_INPUTS_H_
#define BITLOSS_COMPUTE_ROUNDED_INPUTS_H_

#include <memory>
#include <utility>

#include "bitloss/compute/backend.h"

namespace bitloss {

class RoundedInputs final : public PackedMatrix {
 public:
  // `scale`: Execution::activation_scale. Requires: `rounding` is a value of a list, so it stays.
  RoundedInputs(std::unique_ptr<PackedMatrix> matrix, const ActivationRounding& rounding,
                float scale)
      : matrix_(std::move(matrix)), rounding_(&rounding), scale_(scale) {}

  size_t out_features() const override { return matrix_->out_features(); }
  size_t in_features() const override { return matrix_->in_features(); }
  size_t num_bytes() const override { return matrix_->num_bytes(); }

  const PackedMatrix& matrix() const { return *matrix_; }
  bool RoundsLike(const RoundedInputs& other) const {
    return rounding_ == other.rounding_ && scale_ == other.scale_;
  }
  // Rounded copies of rows, in the backend's memory.
  Tensor Round(const Backend& backend, ConstDeviceView x) const {
    Tensor rounded(backend.memory(), x.rows, x.cols);
    backend.Copy(x, rounded);
    backend.ChangeRows(rounded, [&](auto row) { ApplyRounding(*rounding_, scale_, row); });
    return rounded;
  }

 private:
  std::unique_ptr<PackedMatrix> matrix_;
  const ActivationRounding* rounding_;
  float scale_;
};

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_ROUNDED_INPUTS_H_
