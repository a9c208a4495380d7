#ifndef BITLOSS_TENSOR_TENSOR_VIEW_H_
#define BITLOSS_TENSOR_TENSOR_VIEW_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "bitloss/base/bytes.h"
#include "bitloss/tensor/dtype.h"

namespace bitloss {

// The number of elements; none if it does not fit 64 bits.
std::optional<uint64_t> NumElements(std::span<const uint64_t> shape);

// The number of bytes of a tensor; none if it does not fit 64 bits.
std::optional<uint64_t> NumBytes(DType dtype, std::span<const uint64_t> shape);

// A stored tensor as it lies in its file: dense, row-major (slowest dimension first), not
// necessarily aligned for its type.
struct TensorView {
  DType dtype = DType::kF32;
  std::vector<uint64_t> shape;
  SharedBytes bytes;
};

}  // namespace bitloss

#endif  // BITLOSS_TENSOR_TENSOR_VIEW_H_
