// Which lane to take: the one that a size or a bound on damage asks for, from intervals alone.
//
// A lane holds a bound if its interval lies within it, breaks it if the interval lies beyond, and
// is open otherwise; intervals are at 1 - 0.05 / (lanes x bounds x texts), so that what is said of
// all of them together holds at 95%. A size is a fact.
//
// With a bound on damage the smallest lane that is shown to hold everything is named. With a size
// alone it is the lane closest to the baseline (ranking.h) of those that fit, if it can be told
// from the others that do.
#ifndef BITLOSS_REPORT_RECOMMEND_H_
#define BITLOSS_REPORT_RECOMMEND_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bitloss/base/threads.h"
#include "bitloss/report/report_data.h"
#include "bitloss/report/tables.h"

namespace bitloss {

// At least one is set. Bounds on damage are of every text.
struct Wish {
  std::optional<uint64_t> max_bytes = {};    // of all weights
  std::optional<double> max_kl = {};         // mean, nats/token
  std::optional<double> min_same_top1 = {};  // of 1
};

enum class Holds { kYes, kNo, kOpen };

struct WeighedLane {
  size_t lane = 0;  // of ReportData::lanes
  Holds holds = Holds::kOpen;
  std::string reason;  // why not, or what is open; empty of one that holds
};

struct Recommendation {
  enum class Outcome { kNamed, kNoneFits, kCannotTell };
  Outcome outcome = Outcome::kCannotTell;
  std::optional<size_t> lane = {};  // of kNamed
  std::string sentence;
  std::vector<WeighedLane> lanes;  // all but the baseline, controls and lanes with an error
};

Recommendation Recommend(const ReportData& report, const Wish& wish, ThreadPool& threads);

// One row for each lane that was weighed: its size, its numbers, whether it holds.
Table RecommendationTable(const ReportData& report, const Recommendation& recommendation);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_RECOMMEND_H_
