#include "bitloss/quant/format.h"

namespace bitloss {

Matrix Decode(const EncodedMatrix& matrix) {
  Matrix decoded(matrix.rows, matrix.cols);
  for (size_t row = 0; row < matrix.rows; ++row) {
    matrix.format.decode(matrix, row, 0, decoded.Row(row));
  }
  return decoded;
}

Status Round(const Format& format, ConstMatrixView weights, MatrixView out) {
  if (format.round != nullptr) return format.round(format, weights, out);
  BITLOSS_TRY(const EncodedMatrix encoded, format.encode(format, weights));
  for (size_t row = 0; row < out.rows; ++row) {
    encoded.format.decode(encoded, row, 0, out.Row(row));
  }
  return Ok();
}

}  // namespace bitloss
