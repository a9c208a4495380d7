// The hash that names a blob of the hub's cache, taken while the bytes come.
#ifndef BITLOSS_HUB_BLOB_HASH_H_
#define BITLOSS_HUB_BLOB_HASH_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace bitloss {

// SHA-256 of the bytes, or git's hash of a blob: SHA-1 of "blob <size>\0" and the bytes.
class BlobHash {
 public:
  // Of the kind of `hash`: 64 digits for SHA-256, 40 for git's. `size`: of the whole blob.
  BlobHash(const std::string& hash, uint64_t size);
  void Add(std::span<const std::byte> bytes);
  // Whether what was added has the hash; ends the object's use. `found`: what it has.
  bool Matches(std::string& found);

 private:
  std::string expected_;
  std::shared_ptr<void> state_;
};

}  // namespace bitloss

#endif  // BITLOSS_HUB_BLOB_HASH_H_
