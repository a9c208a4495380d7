#include "bitloss/checkpoint/identity.h"

#include <sys/mman.h>

#include <array>
#include <bit>
#include <cstring>

namespace bitloss {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kNumPages = 64;

// Whether the system reads ahead in a mapped file. It would read all of a large model for the pages
// that are looked at here. A hint: nothing depends on it.
enum class ReadAhead { kOff, kOn };
void Advise(std::span<const std::byte> bytes, ReadAhead read_ahead) {
  const auto begin = reinterpret_cast<uintptr_t>(bytes.data()) / kPage * kPage;
  const auto end = reinterpret_cast<uintptr_t>(bytes.data()) + bytes.size();
  ::madvise(reinterpret_cast<void*>(begin), end - begin,
            read_ahead == ReadAhead::kOff ? MADV_RANDOM : MADV_NORMAL);
}

}  // namespace

IdentityHash::IdentityHash() { hash_.Add(std::string_view("bitloss.checkpoint/1")); }

void IdentityHash::AddNameAndSize(std::string_view name, uint64_t num_bytes) {
  static_assert(std::endian::native == std::endian::little);
  const std::array<uint64_t, 2> sizes = {name.size(), num_bytes};
  hash_.Add(std::as_bytes(std::span(sizes)));
  hash_.Add(name);
}

void IdentityHash::AddNamed(std::string_view name, std::span<const std::byte> bytes) {
  AddNameAndSize(name, bytes.size());
  hash_.Add(bytes);
}

void IdentityHash::AddTensor(std::string_view name, std::span<const std::byte> bytes) {
  if (bytes.size() <= kPage * kNumPages) {
    AddNamed(name, bytes);
    return;
  }
  AddNameAndSize(name, bytes.size());
  Advise(bytes, ReadAhead::kOff);
  const size_t last = bytes.size() - kPage;
  for (size_t i = 0; i < kNumPages; ++i) {
    // floor(i * last / (kNumPages - 1)), without the overflow.
    const size_t whole = last / (kNumPages - 1) * i;
    const size_t rest = last % (kNumPages - 1) * i / (kNumPages - 1);
    hash_.Add(bytes.subspan(whole + rest, kPage));
  }
  Advise(bytes, ReadAhead::kOn);
}

}  // namespace bitloss
