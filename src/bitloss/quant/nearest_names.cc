#include "bitloss/quant/nearest_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace bitloss {
namespace {

// The fewest insertions, deletions and replacements that turn `a` into `b` (Levenshtein).
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> above(b.size() + 1);
  std::iota(above.begin(), above.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    std::vector<size_t> row(b.size() + 1);
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = above[j] + (a[i] == b[j] ? 0 : 1);
      row[j + 1] = std::min({replaced, above[j + 1] + 1, row[j] + 1});
    }
    above = std::move(row);
  }
  return above.back();
}

}  // namespace

std::string NearestNames(std::string_view name, std::span<const std::string_view> known,
                         size_t count) {
  std::vector<std::pair<size_t, std::string_view>> ranked;
  for (const std::string_view candidate : known) {
    ranked.emplace_back(EditDistance(name, candidate), candidate);
  }
  std::ranges::stable_sort(ranked, {}, [](const auto& entry) { return entry.first; });
  ranked.resize(std::min(count, ranked.size()));
  std::vector<std::string_view> names;
  for (const auto& [distance, candidate] : ranked) names.push_back(candidate);
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace bitloss
