// How the keys and values of a lane's tokens are kept, from what the study recorded of the lane.
#ifndef BITLOSS_REPORT_CACHE_SIZE_H_
#define BITLOSS_REPORT_CACHE_SIZE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "bitloss/report/report_data.h"
#include "bitloss/report/tables.h"

namespace bitloss {

struct CacheSize {
  std::string keys = {};  // "q4_0", "unrounded"
  std::string values = {};
  uint64_t bytes_per_token = 0;  // over all layers; 16 bits a number where they are unrounded
};

// None of a lane that was recorded by an earlier bitloss or ran in another program, and of a model
// that keeps none.
std::optional<CacheSize> CacheSizeOf(const LaneRecord& lane);

// One row for each lane that has one.
Table CacheTable(const ReportData& report);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_CACHE_SIZE_H_
