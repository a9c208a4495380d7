// Which lane is closer to the baseline than which: every pair of lanes compared, paired by article,
// each pair's interval at a confidence that makes 95% of all pairs together.
#ifndef BITLOSS_REPORT_RANKING_H_
#define BITLOSS_REPORT_RANKING_H_

#include <optional>
#include <string>
#include <vector>

#include "bitloss/report/report_data.h"

namespace bitloss {

// Two lanes of ReportData::lanes.
struct LanePair {
  size_t a = 0;
  size_t b = 0;
  std::optional<Estimate> difference;  // mean KL of `b` minus that of `a`; none: nothing in common
  // The lane whose KL is shown to be the lower; none: they cannot be told apart.
  std::optional<size_t> closer;
};

struct RankedLane {
  size_t lane = 0;  // of ReportData::lanes
  Estimate kl;      // at 95%
  // Where it stands whatever the order of those that cannot be told apart: after as many lanes as
  // are shown to be closer, before as many as are shown to be further off.
  size_t first_place = 1;
  size_t last_place = 1;
  // Letters of the groups that it belongs to, "a", "ab". Two lanes cannot be told apart exactly if
  // they have a letter in common.
  std::string groups;
};

struct Ranking {
  double confidence = 0.95;       // of each pair's interval: 1 - 0.05 / pairs (Bonferroni)
  std::vector<RankedLane> lanes;  // lowest KL first
  std::vector<LanePair> pairs;    // a before b, as the lanes are ranked

  // Whether `a` is shown to be closer to the baseline than `b`.
  bool IsCloser(size_t a, size_t b) const;
};

// By KL (KlMeasure) of every lane that is compared (IsCompared, paired_kl.h).
Ranking RankLanes(const ReportData& report);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_RANKING_H_
