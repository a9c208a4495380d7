// FP32 matrices in a backend's memory, row-major, one row per token. Whoever is above compute/
// knows their shapes and moves them about; their elements may lie on another device and are reached
// through the backend alone (Upload, Download, OnHost): a view has no rows to look at, so a program
// that touches them elsewhere does not compile.
#ifndef BITLOSS_COMPUTE_TENSOR_H_
#define BITLOSS_COMPUTE_TENSOR_H_

#include <cstddef>
#include <type_traits>
#include <utility>

#include "bitloss/base/check.h"

namespace bitloss {

// A view of `rows` rows of `cols` neighbouring floats, `stride` floats apart. `data` is an address
// of the backend's.
template <class T>
struct BasicDeviceView {
  T* data = nullptr;
  size_t rows = 0;
  size_t cols = 0;
  size_t stride = 0;

  // Requires: begin <= end <= rows.
  BasicDeviceView Rows(size_t begin, size_t end) const {
    BITLOSS_DCHECK(begin <= end && end <= rows);
    return {data + begin * stride, end - begin, cols, stride};
  }
  // Requires: begin <= end <= cols.
  BasicDeviceView Cols(size_t begin, size_t end) const {
    BITLOSS_DCHECK(begin <= end && end <= cols);
    return {data + begin, rows, end - begin, stride};
  }
  operator BasicDeviceView<const T>() const  // NOLINT: a writable view is a readable one
      requires(!std::is_const_v<T>) {
    return {data, rows, cols, stride};
  }
};
using DeviceView = BasicDeviceView<float>;
using ConstDeviceView = BasicDeviceView<const float>;

// Where a backend's tensors lie. May be called from any thread.
class TensorMemory {
 public:
  virtual ~TensorMemory() = default;
  // `count` floats, aligned to 64 bytes, not initialised. Throws std::bad_alloc if there are none.
  virtual float* Allocate(size_t count) = 0;
  virtual void Free(float* floats) = 0;
};

// Owns its floats. Resize keeps nothing and reuses memory when it is enough, so one object serves
// as scratch for a whole run.
class Tensor {
 public:
  // Of no backend: only to be assigned to.
  Tensor() = default;
  // Requires: `memory` outlives it.
  explicit Tensor(TensorMemory& memory) : memory_(&memory) {}
  Tensor(TensorMemory& memory, size_t rows, size_t cols) : memory_(&memory) { Resize(rows, cols); }
  Tensor(Tensor&& other) noexcept { *this = std::move(other); }
  Tensor& operator=(Tensor&& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
    std::swap(rows_, other.rows_);
    std::swap(cols_, other.cols_);
    return *this;
  }
  ~Tensor() {
    if (data_ != nullptr) memory_->Free(data_);
  }

  void Resize(size_t rows, size_t cols) {
    if (rows * cols > capacity_) {
      BITLOSS_CHECK(memory_ != nullptr);
      if (data_ != nullptr) memory_->Free(std::exchange(data_, nullptr));
      capacity_ = 0;
      data_ = memory_->Allocate(rows * cols);
      capacity_ = rows * cols;
    }
    rows_ = rows;
    cols_ = cols;
  }

  size_t rows() const { return rows_; }
  size_t cols() const { return cols_; }
  DeviceView view() { return {data_, rows_, cols_, cols_}; }
  ConstDeviceView view() const { return {data_, rows_, cols_, cols_}; }
  operator DeviceView() { return view(); }             // NOLINT
  operator ConstDeviceView() const { return view(); }  // NOLINT

 private:
  TensorMemory* memory_ = nullptr;
  float* data_ = nullptr;
  size_t capacity_ = 0;  // floats
  size_t rows_ = 0;
  size_t cols_ = 0;
};

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_TENSOR_H_
