#include "bitloss/tensor/matrix.h"

#include <sys/mman.h>

#include <new>

namespace bitloss {

std::unique_ptr<float, FreeFloats> AllocateFloats(size_t count) {
  constexpr size_t kCacheLine = 64;
  constexpr size_t kLargePage = size_t{2} << 20;
  const bool large = count * sizeof(float) >= kLargePage;
  const size_t alignment = large ? kLargePage : kCacheLine;
  const size_t bytes = (count * sizeof(float) + alignment - 1) / alignment * alignment;
  auto* const p = static_cast<float*>(std::aligned_alloc(alignment, bytes));
  if (p == nullptr && bytes > 0) throw std::bad_alloc();
  if (large) ::madvise(p, bytes, MADV_HUGEPAGE);  // a wish: nothing depends on it
  return std::unique_ptr<float, FreeFloats>(p);
}

}  // namespace bitloss
