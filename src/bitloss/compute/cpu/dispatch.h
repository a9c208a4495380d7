// Choosing the kernels of one instruction set. A file of kernels defines, for each target of
// Highway, a function that returns a struct of function pointers, exports it (HWY_EXPORT) and asks
// for the one it wants here: once per backend, so there is no dispatch on the way to a kernel.
//
// HWY_SCALAR, which Highway always generates on x86, has no fused multiply-add: its structs are
// empty and the backend is not offered.
#ifndef BITLOSS_COMPUTE_CPU_DISPATCH_H_
#define BITLOSS_COMPUTE_CPU_DISPATCH_H_

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"

namespace bitloss {

// The index of `target` in a table made by HWY_EXPORT.
inline size_t DispatchIndex(int64_t target) {
  hwy::ChosenTarget chosen;
  chosen.Update(target);
  return chosen.GetIndex();
}

}  // namespace bitloss

#define BITLOSS_KERNELS_FOR(target, function) \
  (HWY_DISPATCH_TABLE(function)[::bitloss::DispatchIndex(target)]())

#endif  // BITLOSS_COMPUTE_CPU_DISPATCH_H_
