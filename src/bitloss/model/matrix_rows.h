// Rows of an encoded matrix as a matrix of their own, and several such as one: linears that share a
// tensor.
#ifndef BITLOSS_MODEL_MATRIX_ROWS_H_
#define BITLOSS_MODEL_MATRIX_ROWS_H_

#include <span>

#include "bitloss/base/result.h"
#include "bitloss/model/weights.h"
#include "bitloss/quant/format.h"

namespace bitloss {

// How many rows the whole tensor has: all of its extents but the last, multiplied.
size_t RowsOfWhole(const TensorPart& part);

// Whether rows of `cols` weights have codes and scales of their own, so that they may be taken out
// of their matrix.
bool RowsStandAlone(const Format& format, size_t cols);

// The rows of `whole` that `part` says. kUnsupported where rows do not stand alone, or its columns
// are rows here.
Result<EncodedMatrix> RowsOf(const EncodedMatrix& whole, const TensorPart& part);

// The inverse: one matrix of all parts' rows, each where its place says. kUnsupported where rows do
// not stand alone, formats differ, or columns are in an order of each part's own.
// Requires: parts and places are as many, at least one; the places fill all rows of the tensor.
Result<EncodedMatrix> JoinRows(std::span<const EncodedMatrix* const> parts,
                               std::span<const TensorPart> places);

}  // namespace bitloss

#endif  // BITLOSS_MODEL_MATRIX_ROWS_H_
