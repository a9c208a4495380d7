#include "bitloss/stats/paired_outcomes.h"

#include <algorithm>
#include <cmath>

#include "bitloss/base/check.h"
#include "bitloss/stats/distributions.h"

namespace bitloss {
namespace {

// The score of the hypothesis P(lane only) - P(base only) = `difference`; it falls as the
// difference grows.
double TangoScore(const PairedTable& table, double difference) {
  const auto n = static_cast<double>(table.Total());
  const auto recoveries = static_cast<double>(table.lane_only);
  const auto regressions = static_cast<double>(table.base_only);
  // P(base only) at its maximum likelihood under the hypothesis: the larger root of
  // a q^2 + b q + c.
  const double a = 2 * n;
  const double b = (2 * n - recoveries + regressions) * difference - recoveries - regressions;
  const double c = -regressions * difference * (1 - difference);
  const double q = (std::sqrt(std::max(0.0, b * b - 4 * a * c)) - b) / (2 * a);
  const double variance = n * (2 * q + difference * (1 - difference));
  return (recoveries - regressions - n * difference) / std::sqrt(variance);
}

// Where the score crosses `level` between two differences, by halving until nothing is between.
// Requires: score(low) >= level >= score(high), were they evaluated.
double Crossing(const PairedTable& table, double level, double low, double high) {
  while (true) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) return middle;
    (TangoScore(table, middle) > level ? low : high) = middle;
  }
}

}  // namespace

McNemarTest TestMcNemar(const PairedTable& table) {
  const uint64_t changes = table.base_only + table.lane_only;
  if (table.base_only == table.lane_only) return {1.0, 1.0};
  const uint64_t fewer = std::min(table.base_only, table.lane_only);
  const double tails = 2 * FairBinomialCdf(fewer, changes);
  return {std::min(1.0, tails), tails - FairBinomialMass(fewer, changes)};
}

double NetChange(const PairedTable& table) {
  BITLOSS_CHECK(table.Total() > 0);
  return (static_cast<double>(table.lane_only) - static_cast<double>(table.base_only)) /
         static_cast<double>(table.Total());
}

Interval TangoInterval(const PairedTable& table, double confidence) {
  BITLOSS_CHECK(table.Total() > 0 && confidence > 0 && confidence < 1);
  const double change = NetChange(table);
  const double z = NormalQuantile(0.5 + confidence / 2);
  return {change <= -1 ? -1.0 : Crossing(table, z, -1.0, change),
          change >= 1 ? 1.0 : Crossing(table, -z, change, 1.0)};
}

}  // namespace bitloss
