#ifndef BITLOSS_BASE_HASH_H_
#define BITLOSS_BASE_HASH_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace bitloss {

// SHA-256 (FIPS 180-4) in lower-case hexadecimal. Used for identities: texts, models, suites.
class Sha256 {
 public:
  Sha256();
  void Add(std::span<const std::byte> bytes);
  void Add(std::string_view text) { Add(std::as_bytes(std::span(text))); }
  // The digest of all that was added; ends the object's use.
  std::string Finish();

 private:
  std::shared_ptr<void> state_;
};

std::string Sha256Hex(std::span<const std::byte> bytes);
std::string Sha256Hex(std::string_view text);

}  // namespace bitloss

#endif  // BITLOSS_BASE_HASH_H_
