#include "bitloss/compute/backend.h"

namespace bitloss {

void Backend::MatMuls(std::span<const Product> products, ConstMatrixView x,
                      std::span<const RowRange> calls) const {
  for (const Product& product : products) {
    MatMul(*product.weights, product.bias, x, calls, product.y);
  }
}

bool CoverRows(std::span<const RowRange> ranges, size_t num_rows) {
  size_t row = 0;
  for (const RowRange& range : ranges) {
    if (range.begin != row || range.end < range.begin) return false;
    row = range.end;
  }
  return row == num_rows;
}

}  // namespace bitloss
