// The integer products of w8a8.h and ggml_product.h in plain loops.
#ifndef BITLOSS_COMPUTE_REFERENCE_INTEGER_PRODUCTS_H_
#define BITLOSS_COMPUTE_REFERENCE_INTEGER_PRODUCTS_H_

#include <span>

#include "bitloss/compute/ggml_product.h"
#include "bitloss/compute/llm_int8.h"
#include "bitloss/compute/w8a8.h"
#include "bitloss/tensor/matrix.h"

namespace bitloss {

// bias is empty or [out].
void W8A8MatMul(const Int8Weights& weights, const Execution& execution, std::span<const float> bias,
                ConstMatrixView x, MatrixView y);
void GgmlMatMul(const GgmlWeights& weights, std::span<const float> bias, ConstMatrixView x,
                MatrixView y);

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_REFERENCE_INTEGER_PRODUCTS_H_
