// How far down the arguments of Exp (exp-inl.h) go.
#ifndef BITLOSS_METRICS_EXP_RANGE_H_
#define BITLOSS_METRICS_EXP_RANGE_H_

namespace bitloss {

enum class ExpRange {
  kNormal,     // x >= -707: the result is a normal number
  kUnderflow,  // any: below, subnormal results are rounded once more, and end in zero
};

}  // namespace bitloss

#endif  // BITLOSS_METRICS_EXP_RANGE_H_
