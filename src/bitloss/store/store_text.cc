// The part of Store that holds text units and their scores.
#include <algorithm>

#include "bitloss/store/blobs.h"
#include "bitloss/store/schema.h"
#include "bitloss/store/store.h"
#include "bitloss/store/store_state.h"

namespace bitloss {
namespace {

constexpr std::string_view kSelectUnits =
    "SELECT unit, num_tokens, num_scored, weight, clusters, num_words, num_bytes, token_hash"
    " FROM text_units WHERE protocol = ?";

// Pairs of u32: cluster, num_scored.
std::vector<uint32_t> Flatten(const std::vector<ClusterRun>& runs) {
  std::vector<uint32_t> flat;
  for (const ClusterRun& run : runs) flat.insert(flat.end(), {run.cluster, run.num_scored});
  return flat;
}

uint64_t NumScored(const std::vector<ClusterRun>& runs) {
  uint64_t total = 0;
  for (const ClusterRun& run : runs) total += run.num_scored;
  return total;
}

Result<TextUnit> ReadUnit(const Query& query, size_t protocol) {
  TextUnit unit{.protocol = protocol,
                .unit = query.Integer(0),
                .num_tokens = static_cast<uint32_t>(query.Integer(1)),
                .num_scored = static_cast<uint32_t>(query.Integer(2)),
                .weight = query.Real(3)};
  BITLOSS_TRY(const std::vector<uint32_t> flat, FromBlob<uint32_t>(query.Blob(4)));
  for (size_t i = 0; i + 1 < flat.size(); i += 2) {
    unit.clusters.push_back({.cluster = flat[i], .num_scored = flat[i + 1]});
  }
  if (flat.size() % 2 != 0 || NumScored(unit.clusters) != unit.num_scored) {
    return BadInput("clusters of unit {} do not cover its {} tokens", unit.unit, unit.num_scored);
  }
  if (unit.num_scored > unit.num_tokens) {
    return BadInput("unit {} has {} tokens but scores {}", unit.unit, unit.num_tokens,
                    unit.num_scored);
  }
  if (!query.IsNull(5)) unit.num_words = query.Integer(5);
  if (!query.IsNull(6)) unit.num_bytes = query.Integer(6);
  unit.token_hash = query.Text(7);
  return unit;
}

// The unit as it is stored; none if it is not.
Result<std::optional<TextUnit>> FindUnit(const Database& database, size_t protocol, size_t unit) {
  BITLOSS_TRY(Query query, database.Prepare(std::string(kSelectUnits) + " AND unit = ?"));
  BITLOSS_TRY(const bool found, query.Bind(protocol).Bind(unit).Next());
  if (!found) return std::optional<TextUnit>();
  BITLOSS_TRY(TextUnit stored, ReadUnit(query, protocol));
  return std::optional(std::move(stored));
}

Status InsertUnit(const Database& database, const TextUnit& unit) {
  BITLOSS_TRY(Query query,
              database.Prepare("INSERT INTO text_units VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  const std::vector<uint32_t> clusters = Flatten(unit.clusters);
  query.Bind(unit.protocol).Bind(unit.unit);
  query.Bind(uint64_t{unit.num_tokens}).Bind(uint64_t{unit.num_scored}).Bind(unit.weight);
  query.Bind(AsBlob(clusters)).Bind(unit.num_words).Bind(unit.num_bytes).Bind(unit.token_hash);
  return query.Run();
}

}  // namespace

std::string ScoreColumns() {
  std::vector<std::string_view> names;
  ForEachTokenMetric([&](const auto& metric) { names.push_back(metric.name); });
  return fmt::format("{}", fmt::join(names, ", "));
}

void BindScores(Query& query, const TokenScores& scores) {
  ForEachTokenMetric([&](const auto& metric) { query.Bind(AsBlob(scores.*metric.values)); });
}

Result<TokenScores> ReadScores(const Query& query, int first, size_t lane,
                               std::optional<size_t> num_scored) {
  TokenScores scores{.lane = lane};
  Status status;
  ForEachTokenMetric([&]<class Value>(const TokenMetric<Value>& metric) {
    Result<std::vector<Value>> values = FromBlob<Value>(query.Blob(first++));
    if (values.ok()) {
      scores.*metric.values = std::move(values).value();
    } else if (status.ok()) {
      status = values.error();
    }
  });
  BITLOSS_DO(status);
  const std::optional<size_t> length = CommonLength(scores);
  if (!length || (num_scored && *length != 0 && *length != *num_scored)) {
    return BadInput("the scores of lane {} are not of one length", lane);
  }
  return scores;
}

namespace {

// Only a study of a mixture of experts has this table.
Status InsertExperts(const Database& database, const TextUnit& unit, const ExpertChanges& experts) {
  BITLOSS_CHECK(experts.changed.size() == experts.layers.size() * unit.num_scored);
  BITLOSS_DO(database.Run(kExpertTable));
  BITLOSS_TRY(Query query, database.Prepare("INSERT INTO expert_changes VALUES (?, ?, ?, ?, ?)"));
  const std::vector<uint8_t> bits = PackBits(experts.changed);
  query.Bind(experts.lane).Bind(unit.protocol).Bind(unit.unit);
  query.Bind(AsBlob(experts.layers)).Bind(AsBlob(bits));
  return query.Run();
}

// Columns: unit, num_scored, layers, changed.
Result<ExpertChanges> ReadExperts(const Query& query, size_t lane) {
  ExpertChanges experts{.lane = lane};
  BITLOSS_TRY(experts.layers, FromBlob<uint32_t>(query.Blob(2)));
  BITLOSS_TRY(const std::vector<uint8_t> bits, FromBlob<uint8_t>(query.Blob(3)));
  const uint64_t num_scored = query.Integer(1);
  if (bits.size() != (experts.layers.size() * num_scored + 7) / 8) {
    return BadInput("the experts of lane {} on unit {} are {} bytes for {} layers of {} tokens",
                    lane, query.Integer(0), bits.size(), experts.layers.size(), num_scored);
  }
  experts.changed = UnpackBits(bits, experts.layers.size() * num_scored);
  return experts;
}

}  // namespace

Status Store::PutText(const TextUnit& unit, std::span<const TokenScores> lanes,
                      std::span<const ExpertChanges> experts) {
  BITLOSS_CHECK(unit.protocol < manifest().protocols.size());
  BITLOSS_CHECK(NumScored(unit.clusters) == unit.num_scored);
  for (const TokenScores& scores : lanes) {
    const std::optional<size_t> length = CommonLength(scores);
    BITLOSS_CHECK(length && (*length == 0 || *length == unit.num_scored));
  }
  const Database& database = state_->database;
  BITLOSS_TRY(Transaction transaction, Transaction::Begin(database));
  const Result<std::optional<TextUnit>> stored = FindUnit(database, unit.protocol, unit.unit);
  if (!stored.ok()) return state_->Damaged(stored.error());
  if (!stored.value()) {
    BITLOSS_DO(InsertUnit(database, unit));
  } else if (*stored.value() != unit) {
    return BadInput("'{}': unit {} of '{}' was measured on other tokens; use another folder",
                    folder().string(), unit.unit, manifest().protocols[unit.protocol].id);
  }
  BITLOSS_TRY(Query query,
              database.Prepare("INSERT INTO text_scores VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  for (const TokenScores& scores : lanes) {
    BITLOSS_TRY(const bool present, HasText(scores.lane, unit.protocol, unit.unit));
    if (present) continue;
    query.Reset();
    query.Bind(scores.lane).Bind(unit.protocol).Bind(unit.unit);
    BindScores(query, scores);
    BITLOSS_DO(query.Run());
    const auto of_lane = std::ranges::find(experts, scores.lane, &ExpertChanges::lane);
    if (of_lane != experts.end()) BITLOSS_DO(InsertExperts(database, unit, *of_lane));
  }
  return transaction.Commit();
}

Result<std::map<size_t, ExpertChanges>> Store::ExpertChangesOf(size_t lane, size_t protocol) const {
  std::map<size_t, ExpertChanges> units;
  const Database& database = state_->database;
  BITLOSS_TRY(
      const uint64_t has_table,
      database.ReadInteger("SELECT count(*) FROM sqlite_master WHERE name = 'expert_changes'"));
  if (has_table == 0) return units;
  BITLOSS_TRY(Query query,
              database.Prepare("SELECT unit, num_scored, layers, changed FROM expert_changes"
                               " JOIN text_units USING (protocol, unit)"
                               " WHERE lane = ? AND protocol = ? ORDER BY unit"));
  query.Bind(lane).Bind(protocol);
  while (true) {
    BITLOSS_TRY(const bool row, query.Next());
    if (!row) return units;
    Result<ExpertChanges> experts = ReadExperts(query, lane);
    if (!experts.ok()) return state_->Damaged(experts.error());
    units[query.Integer(0)] = std::move(experts).value();
  }
}

Result<bool> Store::HasText(size_t lane, size_t protocol, size_t unit) const {
  BITLOSS_TRY(Query query,
              state_->database.Prepare(
                  "SELECT 1 FROM text_scores WHERE lane = ? AND protocol = ? AND unit = ?"));
  return query.Bind(lane).Bind(protocol).Bind(unit).Next();
}

Result<std::vector<TextUnit>> Store::TextUnits(size_t protocol) const {
  BITLOSS_TRY(Query query, state_->database.Prepare(std::string(kSelectUnits) + " ORDER BY unit"));
  query.Bind(protocol);
  std::vector<TextUnit> units;
  while (true) {
    BITLOSS_TRY(const bool row, query.Next());
    if (!row) return units;
    Result<TextUnit> unit = ReadUnit(query, protocol);
    if (!unit.ok()) return state_->Damaged(unit.error());
    units.push_back(std::move(unit).value());
  }
}

Result<std::optional<TokenScores>> Store::TextScores(size_t lane, size_t protocol,
                                                     size_t unit) const {
  BITLOSS_TRY(Query query, state_->database.Prepare(fmt::format(
                               "SELECT num_scored, {} FROM text_scores JOIN text_units USING"
                               " (protocol, unit) WHERE lane = ? AND protocol = ? AND unit = ?",
                               ScoreColumns())));
  BITLOSS_TRY(const bool found, query.Bind(lane).Bind(protocol).Bind(unit).Next());
  if (!found) return std::optional<TokenScores>();
  Result<TokenScores> scores = ReadScores(query, 1, lane, query.Integer(0));
  if (!scores.ok()) return state_->Damaged(Within(fmt::format("unit {}", unit), scores.error()));
  return std::optional(std::move(scores).value());
}

}  // namespace bitloss
