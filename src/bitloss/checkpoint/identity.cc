#include "bitloss/checkpoint/identity.h"

#include <array>
#include <bit>

namespace bitloss {

IdentityHash::IdentityHash() { hash_.Add(std::string_view("bitloss.checkpoint/2")); }

void IdentityHash::AddNamed(std::string_view name, std::span<const std::byte> bytes) {
  static_assert(std::endian::native == std::endian::little);
  const std::array<uint64_t, 2> sizes = {name.size(), bytes.size()};
  hash_.Add(std::as_bytes(std::span(sizes)));
  hash_.Add(name);
  hash_.Add(bytes);
}

}  // namespace bitloss
