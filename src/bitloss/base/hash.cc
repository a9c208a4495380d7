#include "bitloss/base/hash.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>

#include "bitloss/base/check.h"

namespace bitloss {

Sha256::Sha256()
    : state_(EVP_MD_CTX_new(), [](void* p) { EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(p)); }) {
  BITLOSS_CHECK(EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(state_.get()), EVP_sha256(), nullptr));
}

void Sha256::Add(std::span<const std::byte> bytes) {
  BITLOSS_CHECK(
      EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(state_.get()), bytes.data(), bytes.size()));
}

std::string Sha256::Finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  BITLOSS_CHECK(EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(state_.get()), digest.data(), &size));
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

std::string Sha256Hex(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.Add(bytes);
  return hash.Finish();
}

std::string Sha256Hex(std::string_view text) { return Sha256Hex(std::as_bytes(std::span(text))); }

}  // namespace bitloss
