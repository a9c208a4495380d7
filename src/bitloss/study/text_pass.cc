#include "bitloss/study/text_pass.h"

#include "bitloss/base/hash.h"

namespace bitloss {
namespace {

std::string HashTokens(std::span<const TokenId> tokens) {
  static_assert(sizeof(TokenId) == 4);
  return Sha256Hex(std::as_bytes(tokens));
}

TextUnit UnitRecord(const Sequence& sequence, size_t protocol, size_t unit) {
  TextUnit record;
  record.protocol = protocol;
  record.unit = unit;
  record.num_tokens = static_cast<uint32_t>(sequence.tokens.size());
  record.num_scored = static_cast<uint32_t>(sequence.num_scored());
  record.weight = sequence.weight;
  for (const uint32_t cluster : sequence.clusters) {
    if (record.clusters.empty() || record.clusters.back().cluster != cluster) {
      record.clusters.push_back({cluster, 0});
    }
    ++record.clusters.back().num_scored;
  }
  if (sequence.num_bytes > 0) {
    record.num_words = sequence.num_words;
    record.num_bytes = sequence.num_bytes;
  }
  record.token_hash = HashTokens(sequence.tokens);
  return record;
}

// The baseline, and of the others those that lack a unit.
Result<std::vector<StudyLane>> LanesLacking(const Store& store, size_t protocol, size_t num_units,
                                            std::span<const StudyLane> lanes) {
  std::vector<StudyLane> lacking = {lanes[0]};
  for (const StudyLane& lane : lanes.subspan(1)) {
    BITLOSS_TRY(const std::vector<size_t> pending,
                PendingUnits(store, protocol, num_units, {&lane.lane, 1}));
    if (!pending.empty()) lacking.push_back(lane);
  }
  return lacking;
}

// Work on the pending units of one protocol, which all lanes of `lanes` but the first may lack.
class TextPass {
 public:
  TextPass(Crew& crew, std::vector<StudyLane> lanes, const Windows& windows, size_t protocol,
           Store& store, BaselineRows& rows)
      : crew_(crew),
        lanes_(std::move(lanes)),
        windows_(windows),
        protocol_(protocol),
        store_(store),
        rows_(rows) {}

  // Units whose baseline rows are all kept, or all not.
  Status Run(std::span<const size_t> units, bool kept, Progress& state,
             const ProgressSink& progress) {
    std::vector<ScoredSequence> sequences;
    for (const size_t unit : units) {
      const Sequence& sequence = windows_.sequences[unit];
      sequences.push_back({sequence.tokens, sequence.first_scored});
    }
    progress(state);
    crew_.OnPart([&](double share, size_t num_tokens) {
      Progress within = state;
      within.done += static_cast<uint64_t>(share * static_cast<double>(num_tokens));
      progress(within);
    });
    const auto put = [&](size_t begin, size_t end, Scorer::GroupScores group) -> Status {
      state.done += group.num_tokens;
      BITLOSS_DO(Put(units.subspan(begin, end - begin), kept, std::move(group)));
      progress(state);
      return Ok();
    };
    const Status status =
        ScoreItems(crew_, lanes_, sequences, RowsOf::kText, protocol_, units, kept, rows_, put);
    crew_.OnPart({});
    return status;
  }

 private:
  Status Put(std::span<const size_t> units, bool kept, Scorer::GroupScores group) {
    for (size_t i = 0; i < units.size(); ++i) {
      std::vector<TokenScores> records;
      for (size_t lane = 0; lane < lanes_.size(); ++lane) {
        records.push_back(ToRecord(lanes_[lane].lane, std::move(group.sequences[i][lane])));
      }
      BITLOSS_DO(
          store_.PutText(UnitRecord(windows_.sequences[units[i]], protocol_, units[i]), records));
    }
    std::vector<Timing> timings;
    for (size_t lane = 0; lane < lanes_.size(); ++lane) {
      const std::string key = fmt::format("{}/{}", protocol_, units[0]);
      // Kept rows cost the baseline its head alone; that is not its speed.
      if (lane > 0 || !kept) {
        timings.push_back({lanes_[lane].lane, TimingKind::kPrefill, key, group.lane_seconds[lane],
                           group.num_tokens});
      }
      if (lane == 0) continue;
      timings.push_back({lanes_[lane].lane, TimingKind::kCompare, key,
                         group.comparison_seconds[lane], group.num_tokens});
    }
    return store_.PutTimings(timings);
  }

  Crew& crew_;
  std::vector<StudyLane> lanes_;
  const Windows& windows_;
  size_t protocol_;
  Store& store_;
  BaselineRows& rows_;
};

}  // namespace

Result<std::vector<size_t>> PendingUnits(const Store& store, size_t protocol, size_t num_units,
                                         std::span<const size_t> lanes) {
  std::vector<size_t> pending;
  for (size_t unit = 0; unit < num_units; ++unit) {
    for (const size_t lane : lanes) {
      BITLOSS_TRY(const bool has, store.HasText(lane, protocol, unit));
      if (has) continue;
      pending.push_back(unit);
      break;
    }
  }
  return pending;
}

Result<size_t> PutKeptFirst(const BaselineRows& rows, RowsOf of, size_t list,
                            std::vector<size_t>& items) {
  std::vector<size_t> kept, others;
  for (const size_t item : items) {
    BITLOSS_TRY(const bool has, rows.Has({of, list, item}));
    (has ? kept : others).push_back(item);
  }
  items = kept;
  items.insert(items.end(), others.begin(), others.end());
  return kept.size();
}

Status ScoreItems(Crew& crew, std::span<const StudyLane> lanes,
                  std::span<const ScoredSequence> sequences, RowsOf of, size_t list,
                  std::span<const size_t> items, bool kept, BaselineRows& rows,
                  const std::function<Status(size_t, size_t, Scorer::GroupScores)>& put) {
  const auto groups = crew.room().Groups(sequences, crew.num_ranks());
  const auto group = [&](size_t i) -> Result<Crew::Group> {
    const auto [begin, end] = groups[i];
    Crew::Group of_group{sequences.subspan(begin, end - begin)};
    for (size_t at = begin; kept && at < end; ++at) {
      BITLOSS_TRY(of_group.baseline_rows.emplace_back(), rows.Get({of, list, items[at]}));
    }
    return of_group;
  };
  const auto accept = [&](size_t i, Crew::ScoredGroup scored) -> Status {
    const auto [begin, end] = groups[i];
    for (size_t at = 0; at < scored.baseline_rows.size(); ++at) {
      BITLOSS_DO(rows.Put({of, list, items[begin + at]}, scored.baseline_rows[at]));
    }
    return put(begin, end, std::move(scored.scores));
  };
  return crew.ScoreGroups(lanes, groups.size(), !kept && rows.keeps(), group, accept);
}

TokenScores ToRecord(size_t lane, LaneScores scores) {
  return {lane,
          std::move(scores.nll),
          std::move(scores.kl),
          std::move(scores.kl_reverse),
          std::move(scores.top1_agrees),
          std::move(scores.entropy),
          std::move(scores.top1_probability)};
}

Status RunTextPass(Crew& crew, const Windows& windows, size_t protocol, Store& store,
                   BaselineRows& rows, const ProgressSink& progress) {
  BITLOSS_TRY(std::vector<StudyLane> running,
              LanesLacking(store, protocol, windows.sequences.size(), crew.lanes()));
  std::vector<size_t> numbers;
  for (const StudyLane& lane : running) numbers.push_back(lane.lane);
  BITLOSS_TRY(std::vector<size_t> pending,
              PendingUnits(store, protocol, windows.sequences.size(), numbers));
  uint64_t num_pending_tokens = 0;
  uint64_t num_tokens = 0;
  for (const Sequence& sequence : windows.sequences) num_tokens += sequence.tokens.size();
  for (const size_t unit : pending) num_pending_tokens += windows.sequences[unit].tokens.size();
  Progress state{fmt::format("{} {}", windows.text, windows.protocol),
                 num_tokens - num_pending_tokens, num_tokens, "tokens"};

  BITLOSS_TRY(const size_t num_kept, PutKeptFirst(rows, RowsOf::kText, protocol, pending));
  TextPass pass(crew, std::move(running), windows, protocol, store, rows);
  BITLOSS_DO(pass.Run(std::span(pending).first(num_kept), true, state, progress));
  BITLOSS_DO(pass.Run(std::span(pending).subspan(num_kept), false, state, progress));
  progress(state);
  return Ok();
}

}  // namespace bitloss
