#include "bitloss/quant/format.h"

namespace bitloss {

Matrix Decode(const EncodedMatrix& matrix) {
  Matrix decoded(matrix.rows, matrix.cols);
  for (size_t row = 0; row < matrix.rows; ++row) {
    matrix.format.decode(matrix, row, 0, decoded.Row(row));
  }
  return decoded;
}

}  // namespace bitloss
