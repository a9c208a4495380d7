// LLM.int8 in plain loops. The definition: llm_int8.h.
#ifndef BITLOSS_COMPUTE_REFERENCE_LLM_INT8_REFERENCE_H_
#define BITLOSS_COMPUTE_REFERENCE_LLM_INT8_REFERENCE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "bitloss/compute/llm_int8.h"
#include "bitloss/tensor/matrix.h"

namespace bitloss {

// One call's activations as integers.
struct Int8Activations {
  std::vector<int8_t> codes;            // [rows][cols]
  std::vector<float> absmax;            // [rows]
  std::vector<size_t> outlier_columns;  // ascending
};

Int8Activations QuantizeActivations(ConstMatrixView x, float threshold);

// sum_i code[row][i] q[out][i].
int32_t IntegerProduct(const Int8Activations& activations, size_t row, const Int8Weights& weights,
                       size_t out, size_t num_cols);

// One call. bias is empty or [out].
void LlmInt8MatMul(const Int8Weights& weights, float threshold, std::span<const float> bias,
                   ConstMatrixView x, MatrixView y);

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_REFERENCE_LLM_INT8_REFERENCE_H_
