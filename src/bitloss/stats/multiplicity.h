// Many tests at once: p-values adjusted so that a threshold still means what it says.
#ifndef BITLOSS_STATS_MULTIPLICITY_H_
#define BITLOSS_STATS_MULTIPLICITY_H_

#include <span>
#include <vector>

namespace bitloss {

// Adjusted p-values in the order given, none above 1. Requires: all p in [0, 1].

// Holm (1979): with those <= alpha rejected, the chance of any false rejection is at most alpha.
std::vector<double> HolmAdjusted(std::span<const double> p_values);

// Benjamini and Hochberg (1995): with those <= q rejected, at most a share q of the rejections is
// expected to be false (independent or positively dependent tests).
std::vector<double> BenjaminiHochbergAdjusted(std::span<const double> p_values);

}  // namespace bitloss

#endif  // BITLOSS_STATS_MULTIPLICITY_H_
