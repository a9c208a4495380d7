// Showing that nothing much happened: two one-sided tests (TOST, Schuirmann 1987).
#ifndef BITLOSS_STATS_EQUIVALENCE_H_
#define BITLOSS_STATS_EQUIVALENCE_H_

namespace bitloss {

struct EquivalenceTest {
  double p_not_below;  // of the hypothesis that the value is <= low
  double p_not_above;  // of the hypothesis that the value is >= high: "no loss larger than high"
  double p;            // the larger of the two: equivalence within (low, high)
};

// By Student's t with `degrees` degrees of freedom (effective clusters - 1; infinity: normal).
// Without an error the answer is certain: each p is 0 or 1.
// Requires: standard_error >= 0; degrees > 0; low < high.
EquivalenceTest TestEquivalence(double value, double standard_error, double degrees, double low,
                                double high);

}  // namespace bitloss

#endif  // BITLOSS_STATS_EQUIVALENCE_H_
