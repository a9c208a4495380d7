#include "bitloss/report/unit_shares.h"

#include <cstddef>

namespace bitloss {
namespace {

// One past the last unit of the document that begins with units[begin].
size_t EndOfDocument(std::span<const TextUnit> units, size_t begin) {
  size_t end = begin + 1;
  while (end < units.size() && !units[end].num_words) ++end;
  return end;
}

// Whether units[begin, end) are a document from its first window to its last.
bool IsWhole(std::span<const TextUnit> units, size_t begin, size_t end, uint64_t num_units) {
  if (!units[begin].num_words) return false;
  for (size_t u = begin + 1; u < end; ++u) {
    if (units[u].unit != units[u - 1].unit + 1) return false;
  }
  const uint64_t next = end < units.size() ? units[end].unit : num_units;
  return next == units[end - 1].unit + 1;
}

}  // namespace

std::vector<UnitShare> SharesOfTokens(std::span<const TextUnit> units) {
  std::vector<UnitShare> shares;
  for (const TextUnit& unit : units) {
    UnitShare& share = shares.emplace_back();
    if (unit.num_scored == 0) continue;
    share = {.scale = unit.weight / unit.num_scored, .denominator = unit.weight};
  }
  return shares;
}

std::vector<UnitShare> SharesOfWords(std::span<const TextUnit> units, uint64_t num_units) {
  std::vector<UnitShare> shares(units.size());
  for (size_t begin = 0, end = 0; begin < units.size(); begin = end) {
    end = EndOfDocument(units, begin);
    if (!IsWhole(units, begin, end, num_units)) continue;
    double num_scored = 0;
    for (size_t u = begin; u < end; ++u) num_scored += units[u].num_scored;
    if (num_scored == 0) continue;
    const auto words = static_cast<double>(*units[begin].num_words);
    const auto bytes = static_cast<double>(units[begin].num_bytes.value_or(0));
    for (size_t u = begin; u < end; ++u) {
      const double part = units[u].num_scored / num_scored;
      shares[u] = {.scale = 1.0, .denominator = words * part, .bytes = bytes * part};
    }
  }
  return shares;
}

}  // namespace bitloss
