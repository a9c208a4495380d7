#ifndef BITLOSS_COMPUTE_CPU_ALIGNED_BYTES_H_
#define BITLOSS_COMPUTE_CPU_ALIGNED_BYTES_H_

#include <cstddef>
#include <memory>

namespace bitloss {

// Zeroed bytes on a cache line's boundary, a whole number of cache lines. Many of them come
// straight from the system, which hands out zeros as they are touched: whoever fills them, on all
// threads, does not wait for somebody to have cleared them first.
//
// Weights are read in order, once for each token of an answer, and small pages cost a tenth of that
// reading. So bytes lie in large pages, which matrices of a megabyte share with their neighbours:
// memory goes back to the system when the last of those that share a piece is gone.
class AlignedBytes {
 public:
  static constexpr size_t kAlignment = 64;

  AlignedBytes() = default;
  explicit AlignedBytes(size_t num_bytes);
  AlignedBytes(AlignedBytes&&) = default;
  AlignedBytes& operator=(AlignedBytes&&) = default;

  size_t size() const { return size_; }
  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }

 private:
  size_t size_ = 0;
  std::shared_ptr<std::byte> data_;
};

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CPU_ALIGNED_BYTES_H_
