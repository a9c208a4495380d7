#include "bitloss/stats/multiplicity.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "bitloss/base/check.h"

namespace bitloss {
namespace {

// Indices of the p-values, smallest first.
std::vector<size_t> RisingOrder(std::span<const double> p_values) {
  for (const double p : p_values) BITLOSS_CHECK(p >= 0 && p <= 1);
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t i) { return p_values[i]; });
  return order;
}

}  // namespace

std::vector<double> HolmAdjusted(std::span<const double> p_values) {
  std::vector<double> adjusted(p_values.size());
  double largest = 0;
  double num_left = static_cast<double>(p_values.size());
  for (const size_t i : RisingOrder(p_values)) {
    largest = std::max(largest, std::min(1.0, num_left * p_values[i]));
    adjusted[i] = largest;
    num_left -= 1;
  }
  return adjusted;
}

std::vector<double> BenjaminiHochbergAdjusted(std::span<const double> p_values) {
  std::vector<double> adjusted(p_values.size());
  const std::vector<size_t> order = RisingOrder(p_values);
  double smallest = 1;
  for (size_t rank = order.size(); rank > 0; --rank) {
    const size_t i = order[rank - 1];
    const double scale = static_cast<double>(order.size()) / static_cast<double>(rank);
    smallest = std::min(smallest, scale * p_values[i]);
    adjusted[i] = smallest;
  }
  return adjusted;
}

}  // namespace bitloss
