// How the planes of an EncodedMatrix are made and read, and the check that every encoder starts
// with.
#ifndef BITLOSS_QUANT_FORMATS_PLANES_H_
#define BITLOSS_QUANT_FORMATS_PLANES_H_

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "bitloss/base/bytes.h"
#include "bitloss/base/check.h"
#include "bitloss/base/result.h"
#include "bitloss/tensor/matrix.h"

namespace bitloss {

// kBadInput names the row and column of the first weight that is NaN or infinite.
Status CheckFinite(ConstMatrixView weights);

// The bytes of `values`, taken over.
template <class T>
SharedBytes OwnPlane(std::vector<T> values) {
  auto owner = std::make_shared<const std::vector<T>>(std::move(values));
  return {std::as_bytes(std::span(*owner)), owner};
}

// Element `index` of a plane of Ts. A plane may lie in a mapped file, so it need not be aligned.
template <class T>
T LoadAt(const SharedBytes& plane, size_t index) {
  BITLOSS_DCHECK((index + 1) * sizeof(T) <= plane.size());
  T value;
  std::memcpy(&value, plane.data() + index * sizeof(T), sizeof(T));
  return value;
}

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_PLANES_H_
