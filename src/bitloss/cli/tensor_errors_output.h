// What `bitloss inspect --against` prints.
#ifndef BITLOSS_CLI_TENSOR_ERRORS_OUTPUT_H_
#define BITLOSS_CLI_TENSOR_ERRORS_OUTPUT_H_

#include <string>

#include "bitloss/study/tensor_errors.h"

namespace bitloss {

// One JSON object: "tensors" (sorted as given), "changed_norms".
std::string TensorErrorsJson(const TensorErrors& errors);

// A table for a terminal, one line a matrix.
std::string TensorErrorsTable(const TensorErrors& errors);

}  // namespace bitloss

#endif  // BITLOSS_CLI_TENSOR_ERRORS_OUTPUT_H_
