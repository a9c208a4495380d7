#include "bitloss/study/passes/item_scoring.h"

namespace bitloss {

Result<size_t> PutKeptFirst(const BaselineRows& rows, RowsList list, std::vector<size_t>& items) {
  std::vector<size_t> kept, others;
  for (const size_t item : items) {
    BITLOSS_TRY(const bool has, rows.Has(list.Key(item)));
    (has ? kept : others).push_back(item);
  }
  items = kept;
  items.insert(items.end(), others.begin(), others.end());
  return kept.size();
}

Status ItemScoring::Score(std::span<const ScoredSequence> sequences, std::span<const size_t> items,
                          BaselineRowsAre rows, const Put& put) const {
  const bool kept = rows == BaselineRowsAre::kKept;
  const auto groups = work.crew.room().Groups(sequences, work.crew.num_ranks());
  const auto group = [&](size_t i) -> Result<Crew::Group> {
    const auto [begin, end] = groups[i];
    Crew::Group of_group{sequences.subspan(begin, end - begin)};
    for (size_t at = begin; kept && at < end; ++at) {
      BITLOSS_TRY(of_group.baseline_rows.emplace_back(), work.rows.Get(list.Key(items[at])));
    }
    return of_group;
  };
  const auto accept = [&](size_t i, Crew::ScoredGroup scored) -> Status {
    const auto [begin, end] = groups[i];
    for (size_t at = 0; at < scored.baseline_rows.size(); ++at) {
      BITLOSS_DO(work.rows.Put(list.Key(items[begin + at]), scored.baseline_rows[at]));
    }
    return put(begin, end, std::move(scored.scores));
  };
  const bool keeps = rows == BaselineRowsAre::kMade && work.rows.keeps();
  return work.crew.ScoreGroups(lanes, groups.size(), keeps, group, accept);
}

void NameLanes(std::span<const StudyLane> lanes, std::span<TokenScores> scores) {
  for (size_t i = 0; i < lanes.size(); ++i) scores[i].lane = lanes[i].lane;
}

void NameLanes(std::span<const StudyLane> lanes, std::span<ExpertChanges> experts) {
  for (size_t i = 0; i < experts.size(); ++i) experts[i].lane = lanes[i + 1].lane;
}

}  // namespace bitloss
