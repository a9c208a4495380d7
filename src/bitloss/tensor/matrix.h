// FP32 matrices in memory, row-major: rows are what a batch counts (tokens), columns are features.
#ifndef BITLOSS_TENSOR_MATRIX_H_
#define BITLOSS_TENSOR_MATRIX_H_

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <span>

#include "bitloss/base/check.h"

namespace bitloss {

// A view of `rows` rows of `cols` neighbouring floats, `stride` floats apart.
template <class T>
struct BasicMatrixView {
  T* data = nullptr;
  size_t rows = 0;
  size_t cols = 0;
  size_t stride = 0;

  std::span<T> Row(size_t row) const {
    BITLOSS_DCHECK(row < rows);
    return {data + row * stride, cols};
  }
  // Requires: begin <= end <= rows.
  BasicMatrixView Rows(size_t begin, size_t end) const {
    BITLOSS_DCHECK(begin <= end && end <= rows);
    return {data + begin * stride, end - begin, cols, stride};
  }
  // Requires: begin <= end <= cols.
  BasicMatrixView Cols(size_t begin, size_t end) const {
    BITLOSS_DCHECK(begin <= end && end <= cols);
    return {data + begin, rows, end - begin, stride};
  }
  operator BasicMatrixView<const T>() const  // NOLINT: a writable view is a readable one
      requires(!std::is_const_v<T>) {
    return {data, rows, cols, stride};
  }
};
using MatrixView = BasicMatrixView<float>;
using ConstMatrixView = BasicMatrixView<const float>;

// Memory for floats, aligned to a cache line; much of it lies in large pages where the system has
// them, since kernels walk down the rows of matrices and meet a new page at each.
struct FreeFloats {
  void operator()(float* p) const { std::free(p); }
};
std::unique_ptr<float, FreeFloats> AllocateFloats(size_t count);

// Owns its floats, aligned to a cache line; not initialised. Resize keeps nothing and reuses memory
// when it is enough, so one object serves as scratch for a whole run.
class Matrix {
 public:
  Matrix() = default;
  Matrix(size_t rows, size_t cols) { Resize(rows, cols); }

  void Resize(size_t rows, size_t cols) {
    if (rows * cols > capacity_) {
      data_.reset();
      data_ = AllocateFloats(rows * cols);
      capacity_ = rows * cols;
    }
    rows_ = rows;
    cols_ = cols;
  }
  void Fill(float value) {
    for (size_t i = 0; i < rows_ * cols_; ++i) data_.get()[i] = value;
  }

  size_t rows() const { return rows_; }
  size_t cols() const { return cols_; }
  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }
  std::span<float> Row(size_t row) { return view().Row(row); }
  std::span<const float> Row(size_t row) const { return view().Row(row); }
  std::span<float> flat() { return {data_.get(), rows_ * cols_}; }
  std::span<const float> flat() const { return {data_.get(), rows_ * cols_}; }

  MatrixView view() { return {data_.get(), rows_, cols_, cols_}; }
  ConstMatrixView view() const { return {data_.get(), rows_, cols_, cols_}; }
  operator MatrixView() { return view(); }             // NOLINT
  operator ConstMatrixView() const { return view(); }  // NOLINT

 private:
  std::unique_ptr<float, FreeFloats> data_;
  size_t capacity_ = 0;  // floats
  size_t rows_ = 0;
  size_t cols_ = 0;
};

}  // namespace bitloss

#endif  // BITLOSS_TENSOR_MATRIX_H_
