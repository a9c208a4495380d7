#ifndef BITLOSS_COMPUTE_CPU_ALIGNED_BYTES_H_
#define BITLOSS_COMPUTE_CPU_ALIGNED_BYTES_H_

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

namespace bitloss {

// Zeroed bytes on a cache line's boundary, a whole number of cache lines.
class AlignedBytes {
 public:
  static constexpr size_t kAlignment = 64;

  AlignedBytes() = default;
  explicit AlignedBytes(size_t num_bytes)
      : size_((num_bytes + kAlignment - 1) / kAlignment * kAlignment),
        data_(static_cast<std::byte*>(std::aligned_alloc(kAlignment, size_))) {
    if (data_ == nullptr && size_ > 0) throw std::bad_alloc();
    std::memset(data_.get(), 0, size_);
  }

  size_t size() const { return size_; }
  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  size_t size_ = 0;
  std::unique_ptr<std::byte, Free> data_;
};

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CPU_ALIGNED_BYTES_H_
