#include "bitloss/study/passes/text_pass.h"

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

}  // namespace

Result<bool> TextPass::IsPending(const Store& store, std::span<const size_t> lanes) const {
  BITLOSS_TRY(const std::vector<size_t> pending, Pending(store, lanes));
  return !pending.empty();
}

Result<bool> TextPass::NeedsBaseline(const Store& store, const BaselineRows& rows,
                                     std::span<const size_t> lanes) const {
  BITLOSS_TRY(std::vector<size_t> pending, Pending(store, lanes));
  BITLOSS_TRY(const size_t num_kept, PutKeptFirst(rows, rows_list(), pending));
  return num_kept < pending.size();
}

Status TextPass::Run(const PassWork& work) const {
  BITLOSS_TRY(const std::vector<StudyLane> lanes, LanesLacking(work.store, work.crew.lanes()));
  BITLOSS_TRY(std::vector<size_t> pending, Pending(work.store, LaneNumbers(lanes)));
  uint64_t num_pending_tokens = 0;
  uint64_t num_tokens = 0;
  for (const Sequence& sequence : windows_.sequences) num_tokens += sequence.tokens.size();
  for (const size_t unit : pending) num_pending_tokens += windows_.sequences[unit].tokens.size();
  Progress state{fmt::format("{} {}", windows_.text, windows_.protocol),
                 num_tokens - num_pending_tokens, num_tokens, "tokens"};

  BITLOSS_TRY(const size_t num_kept, PutKeptFirst(work.rows, rows_list(), pending));
  const std::span<const size_t> units = pending;
  const ItemScoring scoring{work, lanes, rows_list()};
  BITLOSS_DO(Score(scoring, units.first(num_kept), BaselineRowsAre::kKept, state));
  BITLOSS_DO(Score(scoring, units.subspan(num_kept), BaselineRowsAre::kMade, state));
  work.progress(state);
  return Ok();
}

Result<std::vector<size_t>> TextPass::Pending(const Store& store,
                                              std::span<const size_t> lanes) const {
  std::vector<size_t> pending;
  for (size_t unit = 0; unit < windows_.sequences.size(); ++unit) {
    for (const size_t lane : lanes) {
      BITLOSS_TRY(const bool has, store.HasText(lane, protocol_, unit));
      if (has) continue;
      pending.push_back(unit);
      break;
    }
  }
  return pending;
}

Result<std::vector<StudyLane>> TextPass::LanesLacking(const Store& store,
                                                      std::span<const StudyLane> lanes) const {
  std::vector<StudyLane> lacking = {lanes[0]};
  for (const StudyLane& lane : lanes.subspan(1)) {
    BITLOSS_TRY(const bool pending, IsPending(store, {&lane.lane, 1}));
    if (pending) lacking.push_back(lane);
  }
  return lacking;
}

Status TextPass::Score(const ItemScoring& scoring, std::span<const size_t> units,
                       BaselineRowsAre rows, Progress& state) const {
  const PassWork& work = scoring.work;
  std::vector<ScoredSequence> sequences;
  for (const size_t unit : units) {
    const Sequence& sequence = windows_.sequences[unit];
    sequences.push_back({sequence.tokens, sequence.first_scored});
  }
  work.progress(state);
  work.crew.OnPart([&](double share, size_t num_tokens) {
    Progress within = state;
    within.done += static_cast<uint64_t>(share * static_cast<double>(num_tokens));
    work.progress(within);
  });
  const auto put = [&](size_t begin, size_t end, Scorer::GroupScores group) -> Status {
    state.done += group.num_tokens;
    BITLOSS_DO(Put(scoring, units.subspan(begin, end - begin), rows, std::move(group)));
    work.progress(state);
    return Ok();
  };
  const Status status = scoring.Score(sequences, units, rows, put);
  work.crew.OnPart({});
  return status;
}

Status TextPass::Put(const ItemScoring& scoring, std::span<const size_t> units,
                     BaselineRowsAre rows, Scorer::GroupScores group) const {
  Store& store = scoring.work.store;
  for (size_t i = 0; i < units.size(); ++i) {
    NameLanes(scoring.lanes, group.sequences[i]);
    std::span<ExpertChanges> experts;
    if (!group.experts.empty()) experts = group.experts[i];
    NameLanes(scoring.lanes, experts);
    BITLOSS_DO(store.PutText(UnitRecord(windows_.sequences[units[i]], protocol_, units[i]),
                             group.sequences[i], experts));
  }
  std::vector<Timing> timings;
  const std::string key = fmt::format("{}/{}", protocol_, units[0]);
  for (size_t i = 0; i < scoring.lanes.size(); ++i) {
    const size_t lane = scoring.lanes[i].lane;
    // Kept rows cost the baseline its head alone; that is not its speed.
    if (i > 0 || rows == BaselineRowsAre::kMade) {
      timings.push_back({lane, TimingKind::kPrefill, key, group.lane_seconds[i], group.num_tokens});
    }
    if (i == 0) continue;
    timings.push_back(
        {lane, TimingKind::kCompare, key, group.comparison_seconds[i], group.num_tokens});
  }
  return store.PutTimings(timings);
}

}  // namespace bitloss
