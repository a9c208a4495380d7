// Bytes and who keeps them alive.
#ifndef BITLOSS_BASE_BYTES_H_
#define BITLOSS_BASE_BYTES_H_

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace bitloss {

// A read-only range of bytes together with its owner (a mapped file, a vector): copies are cheap
// and share the bytes, so a tensor can outlive the object that opened its file.
class SharedBytes {
 public:
  SharedBytes() = default;
  SharedBytes(std::span<const std::byte> bytes, std::shared_ptr<const void> owner)
      : bytes_(bytes), owner_(std::move(owner)) {}

  // Takes the bytes over.
  static SharedBytes Own(std::vector<std::byte> bytes) {
    auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
    return {std::span(*owner), owner};
  }

  std::span<const std::byte> span() const { return bytes_; }
  const std::byte* data() const { return bytes_.data(); }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

  // Requires: offset + count <= size().
  SharedBytes Sub(size_t offset, size_t count) const {
    return {bytes_.subspan(offset, count), owner_};
  }

 private:
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;
};

}  // namespace bitloss

#endif  // BITLOSS_BASE_BYTES_H_
