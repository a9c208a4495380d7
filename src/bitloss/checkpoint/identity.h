// The hash behind Checkpoint::Identity, which says what it covers. Inside the module.
#ifndef BITLOSS_CHECKPOINT_IDENTITY_H_
#define BITLOSS_CHECKPOINT_IDENTITY_H_

#include <span>
#include <string>
#include <string_view>

#include "bitloss/base/hash.h"

namespace bitloss {

class IdentityHash {
 public:
  IdentityHash();
  // All bytes.
  void AddNamed(std::string_view name, std::span<const std::byte> bytes);
  // All bytes of a small tensor, evenly spaced pages of a large one.
  void AddTensor(std::string_view name, std::span<const std::byte> bytes);
  std::string Finish() { return hash_.Finish(); }

 private:
  // Lengths go in before contents: no two sequences of calls hash the same bytes.
  void AddNameAndSize(std::string_view name, uint64_t num_bytes);

  Sha256 hash_;
};

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_IDENTITY_H_
