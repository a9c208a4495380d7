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
  // Lengths go in before contents: no two sequences of calls hash the same bytes.
  void AddNamed(std::string_view name, std::span<const std::byte> bytes);
  std::string Finish() { return hash_.Finish(); }

 private:
  Sha256 hash_;
};

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_IDENTITY_H_
