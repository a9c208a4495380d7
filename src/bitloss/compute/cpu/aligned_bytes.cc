#include "bitloss/compute/cpu/aligned_bytes.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>

namespace bitloss {
namespace {

constexpr size_t kLargePage = size_t{2} << 20;
// Smaller ones come from the heap, larger ones get pages of their own.
constexpr size_t kMinShared = size_t{64} << 10;
constexpr size_t kMaxShared = size_t{8} << 20;
// A piece of memory that several share.
constexpr size_t kPiece = size_t{32} << 20;

constexpr size_t RoundUp(size_t n, size_t to) { return (n + to - 1) / to * to; }

std::shared_ptr<std::byte> Allocate(size_t size) {
  auto* const p = static_cast<std::byte*>(std::aligned_alloc(AlignedBytes::kAlignment, size));
  if (p == nullptr) throw std::bad_alloc();
  std::memset(p, 0, size);
  return {p, [](std::byte* bytes) { std::free(bytes); }};
}

// From the system, on the boundary of a large page; large pages are a wish.
std::shared_ptr<std::byte> Map(size_t size) {
  const size_t mapped = RoundUp(size, kLargePage) + kLargePage;
  void* const p =
      ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  void* begin = p;
  size_t space = mapped;
  std::align(kLargePage, mapped - kLargePage, begin, space);
  ::madvise(begin, mapped - kLargePage, MADV_HUGEPAGE);
  return {static_cast<std::byte*>(begin), [p, mapped](std::byte*) { ::munmap(p, mapped); }};
}

// The next bytes of the piece that is being handed out. Nothing is handed out twice: bytes that
// nobody has had are zero.
std::shared_ptr<std::byte> Share(size_t size) {
  static std::mutex mutex;
  static std::weak_ptr<std::byte> current;
  static size_t used = 0;
  const std::lock_guard lock(mutex);
  std::shared_ptr<std::byte> piece = current.lock();
  if (piece == nullptr || used + size > kPiece) {
    piece = Map(kPiece);
    current = piece;
    used = 0;
  }
  std::byte* const at = piece.get() + used;
  used += size;
  return {std::move(piece), at};
}

}  // namespace

AlignedBytes::AlignedBytes(size_t num_bytes) : size_(RoundUp(num_bytes, kAlignment)) {
  if (size_ == 0) return;
  if (size_ < kMinShared) {
    data_ = Allocate(size_);
  } else if (size_ <= kMaxShared) {
    data_ = Share(size_);
  } else {
    data_ = Map(size_);
  }
}

}  // namespace bitloss
