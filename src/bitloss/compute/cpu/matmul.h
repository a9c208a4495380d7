// y = x W^T + bias for panels of packed weights.
#ifndef BITLOSS_COMPUTE_CPU_MATMUL_H_
#define BITLOSS_COMPUTE_CPU_MATMUL_H_

#include <cstdint>
#include <span>

#include "bitloss/base/threads.h"
#include "bitloss/compute/cpu/panel_matrix.h"
#include "bitloss/tensor/matrix.h"

namespace bitloss {

// One part of a product: some panels, some rows.
struct PanelProduct {
  size_t first_panel;
  size_t end_panel;
  const float* bias;  // of the whole matrix, or null
  ConstMatrixView x;  // the rows of this part
  MatrixView y;       // the same rows, all outputs
};

// The kernels of one instruction set; null where it has no fused multiply-add.
struct MatMulKernels {
  void (*multiply_panels)(const PanelMatrix& weights, const PanelProduct& product) = nullptr;
};

// `target`: one bit of hwy::SupportedTargets().
MatMulKernels MatMulKernelsFor(int64_t target);

// A whole product: y [x.rows][out], bias empty or [out].
struct WholeProduct {
  const PanelMatrix* weights;
  std::span<const float> bias;
  MatrixView y;
};

// All products with the same x, as one problem: threads meet once. Shapes as in Backend::MatMul.
void MultiplyOnThreads(const MatMulKernels& kernels, std::span<const WholeProduct> products,
                       ConstMatrixView x, ThreadPool& threads);

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CPU_MATMUL_H_
