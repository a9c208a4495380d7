#ifndef BITLOSS_COMPUTE_CPU_ALIGNED_BYTES_H_
#define BITLOSS_COMPUTE_CPU_ALIGNED_BYTES_H_

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

namespace bitloss {

// Zeroed bytes on a cache line's boundary, a whole number of cache lines. Many of them come
// straight from the system, which hands out zeros as they are touched: whoever fills them, on all
// threads, does not wait for somebody to have cleared them first. They ask for large pages.
class AlignedBytes {
 public:
  static constexpr size_t kAlignment = 64;

  AlignedBytes() = default;
  explicit AlignedBytes(size_t num_bytes)
      : size_((num_bytes + kAlignment - 1) / kAlignment * kAlignment),
        data_(size_ >= kMapped ? Map(size_) : Allocate(size_), Free(size_)) {}

  size_t size() const { return size_; }
  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }

 private:
  static constexpr size_t kMapped = size_t{1} << 20;

  struct Free {
    Free() : size(0) {}
    explicit Free(size_t num_bytes) : size(num_bytes) {}
    size_t size;
    void operator()(std::byte* p) const {
      if (size >= kMapped) {
        ::munmap(p, size);
      } else {
        std::free(p);
      }
    }
  };

  static std::byte* Allocate(size_t size) {
    void* const p = std::aligned_alloc(kAlignment, size);
    if (p == nullptr && size > 0) throw std::bad_alloc();
    if (size > 0) std::memset(p, 0, size);
    return static_cast<std::byte*>(p);
  }

  static std::byte* Map(size_t size) {
    void* const p =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    ::madvise(p, size, MADV_HUGEPAGE);  // a wish: nothing depends on it
    return static_cast<std::byte*>(p);
  }

  size_t size_ = 0;
  std::unique_ptr<std::byte, Free> data_;
};

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CPU_ALIGNED_BYTES_H_
