#include "bitloss/report/ranking.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "bitloss/report/paired_kl.h"

namespace bitloss {
namespace {

using Group = std::set<size_t>;  // places in Ranking::lanes

LanePair Compare(const ReportData& report, size_t a, size_t b, double confidence) {
  LanePair pair{.a = a, .b = b, .difference = {}, .closer = {}};
  pair.difference = PairedKlDifference(report, report.lanes[b], report.lanes[a], confidence);
  if (!pair.difference || !pair.difference->interval) return pair;
  if (pair.difference->interval->low > 0) pair.closer = a;
  if (pair.difference->interval->high < 0) pair.closer = b;
  return pair;
}

// Leaves out groups that lie within another.
std::vector<Group> Absorbed(const std::vector<Group>& groups) {
  std::vector<Group> kept;
  for (size_t i = 0; i < groups.size(); ++i) {
    bool within = false;
    for (size_t j = 0; j < groups.size() && !within; ++j) {
      const bool includes = i != j && std::ranges::includes(groups[j], groups[i]);
      within = includes && (groups[j] != groups[i] || j < i);
    }
    if (!within) kept.push_back(groups[i]);
  }
  return kept;
}

// The largest sets in which no two lanes can be told apart: all in one, then cut in two at each
// pair that can be (Piepho's insert and absorb, 2004).
std::vector<Group> GroupsOf(const Ranking& ranking) {
  Group all;
  for (size_t place = 0; place < ranking.lanes.size(); ++place) all.insert(place);
  std::vector<Group> groups = {all};
  const auto place_of = [&](size_t lane) {
    return static_cast<size_t>(std::ranges::find(ranking.lanes, lane, &RankedLane::lane) -
                               ranking.lanes.begin());
  };
  for (const LanePair& pair : ranking.pairs) {
    if (!pair.closer) continue;
    const size_t a = place_of(pair.a);
    const size_t b = place_of(pair.b);
    std::vector<Group> cut;
    for (const Group& group : groups) {
      if (!group.contains(a) || !group.contains(b)) {
        cut.push_back(group);
        continue;
      }
      for (const size_t place : {a, b}) {
        cut.push_back(group);
        cut.back().erase(place);
      }
    }
    groups = Absorbed(cut);
  }
  std::ranges::sort(groups);
  return groups;
}

// a to z, then a2 to z2.
std::string Letter(size_t group) {
  const char letter = static_cast<char>('a' + group % 26);
  return group < 26 ? std::string(1, letter) : fmt::format("{}{}", letter, group / 26 + 1);
}

void AddPlaces(Ranking& ranking) {
  const std::vector<Group> groups = GroupsOf(ranking);
  for (size_t place = 0; place < ranking.lanes.size(); ++place) {
    RankedLane& lane = ranking.lanes[place];
    lane.last_place = ranking.lanes.size();
    for (const RankedLane& other : ranking.lanes) {
      if (ranking.IsCloser(other.lane, lane.lane)) ++lane.first_place;
      if (ranking.IsCloser(lane.lane, other.lane)) --lane.last_place;
    }
    for (size_t g = 0; g < groups.size(); ++g) {
      if (groups[g].contains(place)) lane.groups += Letter(g);
    }
  }
}

}  // namespace

bool Ranking::IsCloser(size_t a, size_t b) const {
  return a != b && std::ranges::any_of(pairs, [&](const LanePair& pair) {
           return pair.closer == a && (pair.a == b || pair.b == b);
         });
}

Ranking RankLanes(const ReportData& report) {
  Ranking ranking;
  for (size_t i = 0; i < report.lanes.size(); ++i) {
    if (!IsCompared(report, report.lanes[i])) continue;
    RankedLane lane;
    lane.lane = i;
    lane.kl = *KlOf(report, report.lanes[i]);
    ranking.lanes.push_back(std::move(lane));
  }
  std::ranges::stable_sort(ranking.lanes, {}, [](const RankedLane& lane) { return lane.kl.value; });
  const size_t count = ranking.lanes.size();
  if (count > 1) ranking.confidence = 1 - 0.05 / static_cast<double>(count * (count - 1) / 2);
  for (size_t a = 0; a < count; ++a) {
    for (size_t b = a + 1; b < count; ++b) {
      ranking.pairs.push_back(
          Compare(report, ranking.lanes[a].lane, ranking.lanes[b].lane, ranking.confidence));
    }
  }
  AddPlaces(ranking);
  return ranking;
}

}  // namespace bitloss
