// How far the matrices of a quantized checkpoint are from those of the model it was made of.
#ifndef BITLOSS_STUDY_TENSOR_ERRORS_H_
#define BITLOSS_STUDY_TENSOR_ERRORS_H_

#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/base/threads.h"
#include "bitloss/quant/weight_error.h"
#include "bitloss/study/model_files.h"

namespace bitloss {

struct TensorError {
  std::string name;
  std::string format;
  uint64_t num_bytes = 0;  // as the quantized checkpoint stores it
  WeightError error;       // against the stored values of the base
};

struct TensorErrors {
  std::vector<TensorError> tensors;  // the largest relative error first, then by name
  // Norms that are not the base's: AWQ moves scales from norms into the columns of the matrices
  // behind them, whose errors then count the scaling too.
  std::vector<std::string> changed_norms;
};

// Every matrix of `quantized`, packed or plain. The two must be forms of one model
// (stored_lanes.h).
Result<TensorErrors> CompareTensors(const ModelFiles& base, const ModelFiles& quantized,
                                    ThreadPool& threads);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_TENSOR_ERRORS_H_
