// Numbers as people read them. Enough digits to see a difference, no more than the data carry; the
// exact values are in report.json.
#ifndef BITLOSS_REPORT_NUMBERS_H_
#define BITLOSS_REPORT_NUMBERS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "bitloss/stats/estimate.h"

namespace bitloss {

std::string FormatCount(uint64_t count);        // 62,898
std::string FormatPerplexity(double value);     // 25.1283; from 1000 on with one decimal
std::string FormatDivergence(double nats);      // 0.123, 0.0123, 0.00123, 2.5e-05, 0
std::string FormatSignedPercent(double value);  // +0.34; from 1000 on without decimals
// With so many decimals. What they round to zero has no sign: never "-0.0".
std::string FormatFixed(double value, int decimals);   // 2.7, -2.7, 0.0
std::string FormatSigned(double value, int decimals);  // +2.7, -2.7, 0.0
std::string FormatShare(double share);                 // of 1, as a percentage: 97.31
std::string FormatMegabytes(uint64_t bytes);           // of 10^6 bytes: 471.2, 12.58
std::string FormatBits(double bits_per_weight);        // 4.50
// Of both, 0 is a size that nobody told: an empty cell.
std::string FormatSeconds(double seconds);  // 0.123, 12.3
std::string FormatRate(double per_second);  // 1,234; 12.3

// "[low, high]", each end by `format`; empty without an interval.
template <class Format>
std::string FormatInterval(const Estimate& estimate, const Format& format) {
  if (!estimate.interval) return {};
  return "[" + format(estimate.interval->low) + ", " + format(estimate.interval->high) + "]";
}

// Why an estimate over clusters of a kind ("article", "prompt") has no interval, and how much more
// would give one. Requires: it has none.
std::string WhyNoInterval(const Estimate& estimate, std::string_view cluster_kind);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_NUMBERS_H_
