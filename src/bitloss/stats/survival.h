// How long two greedy answers stay the same: the survival curve of the first differing token.
#ifndef BITLOSS_STATS_SURVIVAL_H_
#define BITLOSS_STATS_SURVIVAL_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "bitloss/stats/estimate.h"

namespace bitloss {

enum class Ending {
  kEvent,     // it happened: the answers differ from here on
  kCensored,  // it had not happened when watching ended: an answer was cut at its limit
};

struct Lifetime {
  double time;  // first differing token, or the common length; infinite if none can come; >= 0
  Ending ending;
};

// The curve just after an event time.
struct SurvivalStep {
  double time;
  uint64_t at_risk;     // not yet ended just before; an item censored at this time is counted
  uint64_t num_events;  // at this time
  double survival;      // S(time) = product of (1 - events / at_risk)
  double greenwood;     // sum of events / (at_risk (at_risk - events)); var S = S^2 greenwood
};

// The first times at which the ends of the curve's pointwise interval are at or below 1/2; an end
// that never is, is absent: not known, beyond what was watched.
struct MedianBounds {
  std::optional<double> low;
  std::optional<double> high;
};

// Kaplan and Meier's (1958) estimate: S(t) = P(no event up to and including t).
class SurvivalCurve {
 public:
  // Requires: times >= 0, not NaN.
  explicit SurvivalCurve(std::span<const Lifetime> lifetimes);

  std::span<const SurvivalStep> steps() const { return steps_; }

  double Survival(double time) const;

  // Pointwise, by the log(-log) transform, which stays within [0, 1]; none where the curve is still
  // 1 or already 0, since Greenwood's variance says nothing there. Requires: 0 < confidence < 1.
  std::optional<Interval> SurvivalInterval(double time, double confidence = 0.95) const;

  // The first time with S(t) <= 1/2; none if the curve stays above.
  std::optional<double> Median() const;

  // The times that a test of "S(t) = 1/2" would not reject (Brookmeyer and Crowley 1982), by the
  // intervals above; where the curve is 0 so are they. Requires: 0 < confidence < 1.
  MedianBounds MedianInterval(double confidence = 0.95) const;

 private:
  const SurvivalStep* StepAt(double time) const;

  std::vector<SurvivalStep> steps_;  // by rising time
};

}  // namespace bitloss

#endif  // BITLOSS_STATS_SURVIVAL_H_
