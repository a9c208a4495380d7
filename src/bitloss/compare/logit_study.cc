#include "bitloss/compare/logit_study.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "bitloss/base/hash.h"
#include "bitloss/metrics/divergence.h"
#include "bitloss/store/numeric_version.h"

namespace bitloss {
namespace {

// The only protocol of such a study, and its number.
constexpr size_t kExternal = 0;

// Between two questions whether to stop: some hundredths of a second at any vocabulary.
constexpr size_t kRowsAtOnce = 64;

Manifest MakeManifest(const LogitStudyOptions& options) {
  Manifest manifest;
  manifest.bitloss_version = BITLOSS_VERSION;
  manifest.numeric_version = kNumericVersion;
  manifest.model = {.name = options.model, .architecture = "external", .identity = "external"};
  manifest.tokenizer_identity = "external";
  manifest.protocols = {{.id = "external",
                         .text = options.text,
                         .text_hash = "external",
                         .aggregation = "mean loss over all scored tokens",
                         .cluster_kind = "cluster",
                         .num_units = 0}};
  return manifest;
}

Status CheckNames(std::span<const ExternalLane> lanes) {
  if (lanes.size() < 2) return BadInput("a comparison needs a baseline and one lane or more");
  std::set<std::string> names;
  for (const ExternalLane& lane : lanes) {
    if (lane.name.empty()) return BadInput("a lane has no name");
    if (!names.insert(lane.name).second) return BadInput("lane '{}' is named twice", lane.name);
  }
  return Ok();
}

std::string HashTokens(std::span<const int32_t> tokens) {
  static_assert(sizeof(int32_t) == 4);
  return Sha256Hex(std::as_bytes(tokens));
}

TextUnit RecordOf(const ExternalUnit& unit) {
  TextUnit record;
  record.protocol = kExternal;
  record.unit = unit.unit;
  record.num_tokens = static_cast<uint32_t>(unit.tokens.size());
  record.num_scored = static_cast<uint32_t>(unit.num_scored());
  record.weight = static_cast<double>(unit.num_scored());
  record.clusters = {{unit.cluster, record.num_scored}};
  record.token_hash = HashTokens(unit.tokens);
  return record;
}

bool EqualsBaseline(const TokenScores& baseline, const TokenScores& lane) {
  return lane.nll == baseline.nll &&
         std::ranges::all_of(lane.kl, [](double kl) { return kl == 0; });
}

}  // namespace

// A row to be scored: where it lies in the tile, where its numbers go.
struct LogitStudy::Row {
  size_t in_tile;
  size_t scored;
};

LogitStudy::LogitStudy(LogitStudyOptions options, Store store)
    : options_(std::move(options)),
      store_(std::move(store)),
      threads_(std::make_unique<ThreadPool>(options_.num_threads)) {}

Result<LogitStudy> LogitStudy::Open(const LogitStudyOptions& options) {
  BITLOSS_DO(CheckNames(options.lanes));
  BITLOSS_TRY(Store store, Store::OpenOrCreate(options.folder, MakeManifest(options)));
  BITLOSS_TRY(const std::vector<LaneRecord> stored, store.Lanes());
  if (!stored.empty() && stored.size() != options.lanes.size()) {
    return BadInput("'{}' has {} lanes, the baseline included, not {}; name the same ones",
                    options.folder.string(), stored.size(), options.lanes.size());
  }
  for (size_t lane = 0; lane < options.lanes.size(); ++lane) {
    const ExternalLane& external = options.lanes[lane];
    if (lane < stored.size() && stored[lane].scheme != external.name) {
      return BadInput("'{}': lane {} is '{}', not '{}'; name the same ones in the same order",
                      options.folder.string(), lane, stored[lane].scheme, external.name);
    }
    BITLOSS_DO(store.PutLane({.lane = lane,
                              .scheme = external.name,
                              .definition = external.name,
                              .baseline = lane == 0,
                              .weight_bytes = external.weight_bytes,
                              .bits_per_weight = external.bits_per_weight,
                              .notes = {"its logits were computed by another program"}}));
  }
  return LogitStudy(options, std::move(store));
}

Result<bool> LogitStudy::Has(size_t unit) const {
  for (size_t lane = 0; lane < options_.lanes.size(); ++lane) {
    BITLOSS_TRY(const bool has, store_.HasText(lane, kExternal, unit));
    if (!has) return false;
  }
  return true;
}

Result<LogitStudy::Tiles> LogitStudy::Begin(ExternalUnit unit) {
  const auto within = [&](Error error) { return Within(fmt::format("unit {}", unit.unit), error); };
  constexpr size_t kMaxTokens = size_t{1} << 31;
  if (unit.tokens.size() < 2 || unit.tokens.size() > kMaxTokens) {
    return within(BadInput("{} tokens; two or more are needed", unit.tokens.size()));
  }
  if (unit.first_scored < 1 || unit.first_scored >= unit.tokens.size()) {
    return within(BadInput("first_scored is {}, of {} tokens: it must be at least 1 and leave one",
                           unit.first_scored, unit.tokens.size()));
  }
  for (size_t i = 0; i < unit.tokens.size(); ++i) {
    if (unit.tokens[i] < 0) return within(BadInput("token {} is {}", i, unit.tokens[i]));
  }
  return Tiles(*this, std::move(unit));
}

LogitStudy::Tiles::Tiles(LogitStudy& study, ExternalUnit unit)
    : study_(&study), unit_(std::move(unit)), there_(unit_.num_scored()) {
  for (size_t lane = 0; lane < study.options_.lanes.size(); ++lane) {
    scores_.push_back(EmptyTokenScores(lane, unit_.num_scored()));
  }
}

Status LogitStudy::Tiles::CheckShapes(size_t first_row, std::span<const LogitRows> lanes) const {
  if (lanes.size() != scores_.size()) {
    return BadInput("logits of {} lanes; the study has {}", lanes.size(), scores_.size());
  }
  const std::vector<ExternalLane>& named = study_->options_.lanes;
  for (size_t lane = 0; lane < lanes.size(); ++lane) {
    if (lanes[lane].rows != lanes[0].rows || lanes[lane].cols != lanes[0].cols) {
      return BadInput("lane '{}' has {} x {} logits, '{}' has {} x {}", named[lane].name,
                      lanes[lane].rows, lanes[lane].cols, named[0].name, lanes[0].rows,
                      lanes[0].cols);
    }
  }
  const size_t vocabulary = lanes[0].cols;
  if (vocabulary == 0) return BadInput("rows of no logits");
  if (study_->vocabulary_ != 0 && vocabulary != study_->vocabulary_) {
    return BadInput("rows of {} logits; those before had {}", vocabulary, study_->vocabulary_);
  }
  // One row more than there are predictions: that of the last token, whose next nobody knows.
  if (first_row + lanes[0].rows > unit_.tokens.size()) {
    return BadInput("rows {} to {} of {} tokens", first_row, first_row + lanes[0].rows - 1,
                    unit_.tokens.size());
  }
  for (size_t i = 0; i < unit_.tokens.size(); ++i) {
    if (static_cast<size_t>(unit_.tokens[i]) < vocabulary) continue;
    return BadInput("token {} is {}, beyond {} logits", i, unit_.tokens[i], vocabulary);
  }
  return Ok();
}

Status LogitStudy::Tiles::Add(size_t first_row, std::span<const LogitRows> lanes,
                              const std::function<bool()>& interrupted) {
  const std::string where = fmt::format("unit {}", unit_.unit);
  if (const Status status = CheckShapes(first_row, lanes); !status.ok()) {
    return Within(where, status.error());
  }
  std::vector<Row> rows;
  for (size_t i = 0; i < lanes[0].rows; ++i) {
    const size_t row = first_row + i;
    if (row < unit_.first_row() || row >= unit_.num_rows()) continue;
    const size_t scored = row - unit_.first_row();
    if (there_[scored]) return BadInput("{}: row {} came before", where, row);
    rows.push_back({i, scored});
  }
  const Status status = study_->ScoreRows(unit_, rows, lanes, scores_, interrupted);
  if (!status.ok()) return Within(where, status.error());
  study_->vocabulary_ = lanes[0].cols;
  for (const Row& row : rows) there_[row.scored] = 1;
  num_there_ += rows.size();
  return Ok();
}

Status LogitStudy::ScoreRows(const ExternalUnit& unit, std::span<const Row> rows,
                             std::span<const LogitRows> lanes, std::vector<TokenScores>& scores,
                             const std::function<bool()>& interrupted) {
  struct Scratch {
    std::vector<float> base, lane;
  };
  std::vector<Scratch> scratch(threads_->num_threads());
  std::vector<std::optional<Error>> errors(rows.size());
  const auto score = [&](const Row& row, Scratch& rounded) -> Status {
    const auto token = static_cast<size_t>(unit.tokens[unit.first_scored + row.scored]);
    const std::span<const float> base = lanes[0].Row(row.in_tile, rounded.base);
    RowSummary of_base;
    for (size_t lane = 0; lane < lanes.size(); ++lane) {
      const std::span<const float> logits =
          lane == 0 ? base : lanes[lane].Row(row.in_tile, rounded.lane);
      auto summary = Summarize(logits);
      if (!summary.ok()) {
        return Within(fmt::format("lane '{}', row {}", options_.lanes[lane].name,
                                  unit.first_row() + row.scored),
                      summary.error());
      }
      TokenScores& to = scores[lane];
      to.nll[row.scored] = -LogProb(logits[token], summary.value());
      if (lane == 0) {
        of_base = summary.value();
        to.entropy[row.scored] = of_base.entropy;
        to.top1_probability[row.scored] = std::exp(-of_base.log_sum);
        continue;
      }
      const Divergence divergence = Compare(base, of_base, logits, summary.value());
      to.kl[row.scored] = divergence.kl;
      to.kl_reverse[row.scored] = divergence.kl_reverse;
      to.top1_agrees[row.scored] = divergence.top1_agrees;
    }
    return Ok();
  };
  for (size_t begin = 0; begin < rows.size(); begin += kRowsAtOnce) {
    if (interrupted && interrupted()) return IoError("interrupted; whole units are kept");
    const size_t count = std::min(kRowsAtOnce, rows.size() - begin);
    threads_->ForEachPart(count, [&](size_t part, size_t thread) {
      const Status status = score(rows[begin + part], scratch[thread]);
      if (!status.ok()) errors[begin + part] = status.error();
    });
    for (size_t i = begin; i < begin + count; ++i) {
      if (errors[i]) return *errors[i];  // of the first row that has one, whatever the threads did
    }
  }
  return Ok();
}

Status LogitStudy::Put(Tiles&& tiles) {
  const ExternalUnit& unit = tiles.unit_;
  if (tiles.num_there_ != unit.num_scored()) {
    return BadInput("unit {}: {} of {} rows of logits came; it is not kept", unit.unit,
                    tiles.num_there_, unit.num_scored());
  }
  return store_.PutText(RecordOf(unit), tiles.scores_);
}

Status LogitStudy::CheckLanesDiffer() const {
  BITLOSS_TRY(const std::vector<TextUnit> units, store_.TextUnits(kExternal));
  if (units.empty()) return Ok();
  for (size_t lane = 1; lane < options_.lanes.size(); ++lane) {
    bool equal = true;
    for (const TextUnit& unit : units) {
      BITLOSS_TRY(const auto baseline, store_.TextScores(0, kExternal, unit.unit));
      BITLOSS_TRY(const auto scores, store_.TextScores(lane, kExternal, unit.unit));
      if (!baseline || !scores) continue;
      equal = EqualsBaseline(*baseline, *scores);
      if (!equal) break;
    }
    if (equal) {
      return BadInput("lane '{}' has the logits of '{}', bit for bit: quantization did not engage",
                      options_.lanes[lane].name, options_.lanes[0].name);
    }
  }
  return Ok();
}

}  // namespace bitloss
