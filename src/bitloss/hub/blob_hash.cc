#include "bitloss/hub/blob_hash.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <string_view>

#include "bitloss/base/check.h"

namespace bitloss {
namespace {

EVP_MD_CTX* Context(const std::shared_ptr<void>& state) {
  return static_cast<EVP_MD_CTX*>(state.get());
}

}  // namespace

BlobHash::BlobHash(const std::string& hash, uint64_t size)
    : expected_(hash),
      state_(EVP_MD_CTX_new(), [](void* p) { EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(p)); }) {
  const bool is_git = hash.size() == 40;
  BITLOSS_CHECK(EVP_DigestInit_ex(Context(state_), is_git ? EVP_sha1() : EVP_sha256(), nullptr));
  if (!is_git) return;
  std::string head = fmt::format("blob {}", size);
  head += '\0';
  Add(std::as_bytes(std::span(head)));
}

void BlobHash::Add(std::span<const std::byte> bytes) {
  BITLOSS_CHECK(EVP_DigestUpdate(Context(state_), bytes.data(), bytes.size()));
}

bool BlobHash::Matches(std::string& found) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  BITLOSS_CHECK(EVP_DigestFinal_ex(Context(state_), digest.data(), &size));
  found.clear();
  for (unsigned int i = 0; i < size; ++i) found += fmt::format("{:02x}", digest[i]);
  return found == expected_;
}

}  // namespace bitloss
