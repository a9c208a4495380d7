#include "bitloss/study/text_pass.h"

#include "bitloss/base/hash.h"

namespace bitloss {
namespace {

// Enough tokens to keep the multipliers busy; what a kill can cost.
constexpr size_t kGroupTokens = 2048;

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

// Units that some lane lacks.
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

}  // namespace

TokenScores ToRecord(size_t lane, LaneScores scores) {
  return {lane,
          std::move(scores.nll),
          std::move(scores.kl),
          std::move(scores.kl_reverse),
          std::move(scores.top1_agrees),
          std::move(scores.entropy),
          std::move(scores.top1_probability)};
}

Result<bool> TextIsComplete(const Store& store, size_t protocol, size_t num_units,
                            std::span<const size_t> lanes) {
  BITLOSS_TRY(const std::vector<size_t> pending, PendingUnits(store, protocol, num_units, lanes));
  return pending.empty();
}

Status RunTextPass(Transformer& transformer, std::span<const StudyLane> lanes,
                   const Windows& windows, size_t protocol, Store& store,
                   const ProgressSink& progress) {
  std::vector<size_t> lane_numbers;
  std::vector<NamedLane> named;
  for (const StudyLane& lane : lanes) {
    lane_numbers.push_back(lane.lane);
    named.push_back(lane.named);
  }
  BITLOSS_TRY(const std::vector<size_t> pending,
              PendingUnits(store, protocol, windows.sequences.size(), lane_numbers));
  std::vector<ScoredSequence> sequences;
  uint64_t num_pending_tokens = 0;
  uint64_t num_tokens = 0;
  for (const Sequence& sequence : windows.sequences) num_tokens += sequence.tokens.size();
  for (const size_t unit : pending) {
    const Sequence& sequence = windows.sequences[unit];
    sequences.push_back({sequence.tokens, sequence.first_scored});
    num_pending_tokens += sequence.tokens.size();
  }

  Progress state{fmt::format("{} {}", windows.text, windows.protocol),
                 num_tokens - num_pending_tokens, num_tokens, "tokens"};
  Scorer scorer(transformer, std::move(named));
  for (const auto& [begin, end] : GroupByTokens(sequences, kGroupTokens)) {
    progress(state);
    BITLOSS_TRY(Scorer::GroupScores group,
                scorer.Score(std::span(sequences).subspan(begin, end - begin)));
    for (size_t i = begin; i < end; ++i) {
      std::vector<TokenScores> records;
      for (size_t lane = 0; lane < lanes.size(); ++lane) {
        records.push_back(ToRecord(lanes[lane].lane, std::move(group.sequences[i - begin][lane])));
      }
      BITLOSS_DO(
          store.PutText(UnitRecord(windows.sequences[pending[i]], protocol, pending[i]), records));
    }
    std::vector<Timing> timings;
    for (size_t lane = 0; lane < lanes.size(); ++lane) {
      const std::string key = fmt::format("{}/{}", protocol, pending[begin]);
      timings.push_back({lanes[lane].lane, TimingKind::kPrefill, key, group.lane_seconds[lane],
                         group.num_tokens});
      if (lane == 0) continue;
      timings.push_back({lanes[lane].lane, TimingKind::kCompare, key,
                         group.comparison_seconds[lane], group.num_tokens});
    }
    BITLOSS_DO(store.PutTimings(timings));
    state.done += group.num_tokens;
  }
  progress(state);
  return Ok();
}

}  // namespace bitloss
