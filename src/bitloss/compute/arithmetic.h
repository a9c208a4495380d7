// How products of floats are summed. A study is of one arithmetic and says which.
//
//   exact  FP32 fused multiply-adds in ascending k: the CPU's bits on every processor
//   split  activations as two halves in FP16, sums of tensor cores carried in FP32 every 64 k
//          (reference/split_product.h): nearer to the true product, other bits, several times as
//          fast on a GPU that has such tensor cores; the CPU computes the same bits, slowly
//
// All else (integer products, norms, attention, losses) is the same in both.
#ifndef BITLOSS_COMPUTE_ARITHMETIC_H_
#define BITLOSS_COMPUTE_ARITHMETIC_H_

#include <string_view>

namespace bitloss {

enum class Arithmetic { kExact, kSplit };

constexpr std::string_view Name(Arithmetic arithmetic) {
  return arithmetic == Arithmetic::kSplit ? "split" : "exact";
}

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_ARITHMETIC_H_
