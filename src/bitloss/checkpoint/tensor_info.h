// What the two kinds of Checkpoint share. Inside the module.
#ifndef BITLOSS_CHECKPOINT_TENSOR_INFO_H_
#define BITLOSS_CHECKPOINT_TENSOR_INFO_H_

#include "bitloss/checkpoint/checkpoint.h"

namespace bitloss {

inline TensorInfo MakeTensorInfo(const std::vector<uint64_t>& shape, std::string stored_type,
                                 uint64_t num_bytes) {
  TensorInfo info{.shape = shape, .stored_type = std::move(stored_type), .num_bytes = num_bytes};
  info.cols = shape.empty() ? 1 : shape.back();
  info.rows = 1;  // the file's checks have shown that the product fits
  for (size_t i = 0; i + 1 < shape.size(); ++i) info.rows *= shape[i];
  return info;
}

inline Error MissingTensor(const std::filesystem::path& path, std::string_view name) {
  return NotFound("{}: tensor '{}' is missing", path.string(), name);
}

inline bool IsPlainFloat(DType dtype) {
  return dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF32;
}

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_TENSOR_INFO_H_
