#include "bitloss/eval/scoring.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "bitloss/base/stopwatch.h"

namespace bitloss {

Result<const LaneWeights*> HoldWhole(const NamedLane& lane) {
  if (lane.provider != nullptr) BITLOSS_DO(lane.provider->Hold(lane.number));
  return lane.weights;
}

Scorer::Scorer(Transformer& transformer, std::vector<NamedLane> lanes)
    : transformer_(transformer),
      lanes_(std::move(lanes)),
      hidden_(transformer.backend().memory()),
      base_logits_(transformer.backend().memory()),
      lane_logits_(transformer.backend().memory()) {
  BITLOSS_CHECK(!lanes_.empty());
  for (const NamedLane& lane : lanes_) {
    BITLOSS_CHECK(lane.provider == lanes_[0].provider);
    rows_.emplace_back(transformer.backend().memory());
    experts_.emplace_back(transformer.config());
  }
}

Result<Scorer::GroupScores> Scorer::Score(std::span<const ScoredSequence> group,
                                          std::span<const ConstMatrixView> baseline_rows) {
  BITLOSS_CHECK(baseline_rows.empty() || baseline_rows.size() == group.size());
  GroupScores scores;
  scores.lane_seconds.resize(lanes_.size());
  scores.comparison_seconds.resize(lanes_.size());
  for (const ScoredSequence& sequence : group) {
    scores.num_tokens += sequence.tokens.size();
    std::vector<TokenScores>& of_lanes = scores.sequences.emplace_back();
    for (size_t lane = 0; lane < lanes_.size(); ++lane) {
      of_lanes.push_back(EmptyTokenScores(lane, sequence.num_scored()));
    }
    scores.question_nll.emplace_back(lanes_.size(), std::vector<double>(sequence.questions.size()));
  }
  const std::vector<Target> targets = FindTargets(group);
  const size_t first_lane = baseline_rows.empty() ? 0 : 1;
  std::vector<size_t> rows;
  for (const Target& target : targets) rows.push_back(target.row);
  for (ExpertChoices& of_lane : experts_) of_lane.LookAt(rows, scores.num_tokens);
  if (!baseline_rows.empty()) TakeBaselineRows(targets, baseline_rows);
  if (lanes_[0].provider == nullptr) {
    RunLanes(group, targets, first_lane, scores);
  } else {
    BITLOSS_DO(StreamLanes(group, targets, first_lane, scores));
  }
  CompareExperts(group.size(), scores);
  const size_t tile_rows = TileRows();
  for (size_t begin = 0; begin < targets.size(); begin += tile_rows) {
    const size_t count = std::min(tile_rows, targets.size() - begin);
    BITLOSS_DO(ScoreTile({begin, std::span(targets).subspan(begin, count)}, scores));
  }
  return scores;
}

void Scorer::TakeBaselineRows(std::span<const Target> targets,
                              std::span<const ConstMatrixView> rows) {
  const size_t hidden = transformer_.config().hidden_size;
  Matrix kept(targets.size(), hidden);
  for (size_t i = 0; i < targets.size(); ++i) {
    const std::span<const float> row = rows[targets[i].sequence].Row(targets[i].index);
    BITLOSS_CHECK(row.size() == hidden + experts_[0].width());
    std::ranges::copy(row.first(hidden), kept.Row(i).begin());
    experts_[0].Restore(i, row.subspan(hidden));
  }
  rows_[0] = transformer_.backend().ToTensor(kept);
}

void Scorer::CompareExperts(size_t num_sequences, GroupScores& scores) const {
  if (experts_[0].width() == 0) return;
  for (size_t s = 0; s < num_sequences; ++s) {
    std::vector<ExpertChanges>& of_lanes = scores.experts.emplace_back();
    for (size_t lane = 1; lane < lanes_.size(); ++lane) {
      of_lanes.push_back(
          experts_[lane].ChangesFrom(experts_[0], first_target_[s], first_target_[s + 1]));
      of_lanes.back().lane = lane;
    }
  }
}

size_t Scorer::TileRows() const {
  const WorkSizes sizes = transformer_.backend().work_sizes();
  const size_t step = sizes.logit_row_step;
  const size_t rows = sizes.logit_bytes / (transformer_.config().vocab_size * sizeof(float));
  return std::clamp(rows / step * step, step, sizes.most_logit_rows);
}

Matrix Scorer::BaselineRows(size_t sequence) const {
  const size_t first = first_target_[sequence];
  const size_t end = first_target_[sequence + 1];
  const Matrix hidden = transformer_.backend().ToMatrix(rows_[0].view().Rows(first, end));
  Matrix rows(hidden.rows(), hidden.cols() + experts_[0].width());
  for (size_t i = 0; i < rows.rows(); ++i) {
    const std::span<float> row = rows.Row(i);
    std::ranges::copy(hidden.Row(i), row.begin());
    experts_[0].Save(first + i, row.subspan(hidden.cols()));
  }
  return rows;
}

std::vector<Scorer::Target> Scorer::FindTargets(std::span<const ScoredSequence> group) {
  std::vector<Target> targets;
  first_target_.clear();
  size_t first_row = 0;
  for (size_t s = 0; s < group.size(); ++s) {
    const ScoredSequence& sequence = group[s];
    BITLOSS_CHECK(sequence.first_scored > 0);
    first_target_.push_back(targets.size());
    size_t question = 0;
    for (size_t i = 0; i < sequence.num_scored(); ++i) {
      const size_t position = sequence.first_scored + i;
      const size_t first = question;
      while (question < sequence.questions.size() && sequence.questions[question].index == i) {
        ++question;
      }
      targets.push_back({s, i, first_row + position - 1, sequence.tokens[position],
                         sequence.questions.subspan(first, question - first), first});
    }
    BITLOSS_CHECK(question == sequence.questions.size());
    first_row += sequence.tokens.size();
  }
  first_target_.push_back(targets.size());
  return targets;
}

void Scorer::RunLanes(std::span<const ScoredSequence> group, std::span<const Target> targets,
                      size_t first_lane, GroupScores& scores) {
  Batch batch;
  for (const ScoredSequence& sequence : group) batch.Add(sequence.tokens);
  for (size_t lane = first_lane; lane < lanes_.size(); ++lane) {
    const auto start = Clock::now();
    const Transformer::Watched watched(transformer_, experts_[lane]);
    transformer_.Hidden(*lanes_[lane].weights, batch, nullptr, hidden_);
    KeepRows(lane, targets, hidden_);
    transformer_.backend().Wait();
    scores.lane_seconds[lane] += SecondsSince(start);
  }
}

Status Scorer::StreamLanes(std::span<const ScoredSequence> group, std::span<const Target> targets,
                           size_t first_lane, GroupScores& scores) {
  Batch batch;
  for (const ScoredSequence& sequence : group) batch.Add(sequence.tokens);
  std::vector<Tensor> hidden;
  std::vector<size_t> numbers;
  for (size_t lane = first_lane; lane < lanes_.size(); ++lane) {
    numbers.push_back(lanes_[lane].number);
    hidden.emplace_back(transformer_.backend().memory());
    transformer_.Embed(*lanes_[lane].weights, batch, hidden.back());
  }
  for (size_t layer = 0; layer < transformer_.config().num_layers; ++layer) {
    BITLOSS_DO(
        lanes_[0].provider->ForEachBlock(layer, numbers, [&](size_t i, const LayerWeights& block) {
          const auto start = Clock::now();
          const Transformer::Watched watched(transformer_, experts_[first_lane + i]);
          transformer_.Layer(block, layer, batch, nullptr, hidden[i]);
          transformer_.backend().Wait();
          scores.lane_seconds[first_lane + i] += SecondsSince(start);
        }));
    if (layer_done_) layer_done_(layer + 1);
  }
  for (size_t i = 0; i < hidden.size(); ++i) {
    KeepRows(first_lane + i, targets,
             transformer_.FinalNorm(*lanes_[first_lane + i].weights, hidden[i]));
    hidden[i] = Tensor();
  }
  return Ok();
}

void Scorer::KeepRows(size_t lane, std::span<const Target> targets, ConstDeviceView hidden) {
  std::vector<size_t> rows;
  for (const Target& target : targets) rows.push_back(target.row);
  rows_[lane].Resize(rows.size(), hidden.cols);
  transformer_.backend().GatherRows(hidden, rows, rows_[lane]);
}

void Scorer::TileLogits(size_t lane, const Tile& tile, Tensor& logits) {
  logits.Resize(tile.size(), transformer_.config().vocab_size);
  transformer_.LmHead(*lanes_[lane].weights,
                      rows_[lane].view().Rows(tile.first, tile.first + tile.size()), logits);
}

Status Scorer::ScoreTile(const Tile& tile, GroupScores& scores) {
  std::vector<RowSummary> summaries(tile.size());
  for (size_t lane = 0; lane < lanes_.size(); ++lane) {
    const auto start = Clock::now();
    const double compared = scores.comparison_seconds[lane];
    const Status status = lane == 0 ? ScoreBaseline(tile, summaries, scores)
                                    : ScoreLane(lane, tile, summaries, scores);
    if (!status.ok()) return Within(lanes_[lane].name, status.error());
    scores.lane_seconds[lane] += SecondsSince(start) - (scores.comparison_seconds[lane] - compared);
  }
  return Ok();
}

Status Scorer::ScoreBaseline(const Tile& tile, std::vector<RowSummary>& summaries,
                             GroupScores& scores) {
  TileLogits(0, tile, base_logits_);
  BITLOSS_TRY(summaries, transformer_.backend().Summarize(base_logits_));
  PutLosses(0, tile, base_logits_, summaries, scores);
  for (size_t i = 0; i < tile.size(); ++i) {
    const Target& target = tile.targets[i];
    TokenScores& to = scores.sequences[target.sequence][0];
    to.entropy[target.index] = summaries[i].entropy;
    to.top1_probability[target.index] = std::exp(-summaries[i].log_sum);
  }
  return Ok();
}

Status Scorer::ScoreLane(size_t lane, const Tile& tile, std::span<const RowSummary> base_summaries,
                         GroupScores& scores) {
  TileLogits(lane, tile, lane_logits_);
  BITLOSS_TRY(const Backend::Comparison comparison,
              transformer_.backend().Compare(base_logits_, base_summaries, lane_logits_));
  scores.comparison_seconds[lane] += comparison.seconds;
  PutLosses(lane, tile, lane_logits_, comparison.summaries, scores);
  for (size_t i = 0; i < tile.size(); ++i) {
    const Target& target = tile.targets[i];
    TokenScores& to = scores.sequences[target.sequence][lane];
    to.kl[target.index] = comparison.divergences[i].kl;
    to.kl_reverse[target.index] = comparison.divergences[i].kl_reverse;
    to.top1_agrees[target.index] = comparison.divergences[i].top1_agrees;
  }
  return Ok();
}

void Scorer::PutLosses(size_t lane, const Tile& tile, ConstDeviceView logits,
                       std::span<const RowSummary> summaries, GroupScores& scores) {
  std::vector<Backend::Element> elements;
  for (size_t i = 0; i < tile.size(); ++i) {
    elements.push_back({i, static_cast<size_t>(tile.targets[i].token)});
    for (const ScoredSequence::Question& question : tile.targets[i].questions) {
      elements.push_back({i, static_cast<size_t>(question.token)});
    }
  }
  std::vector<float> values(elements.size());
  transformer_.backend().Read(logits, elements, values);
  size_t next = 0;
  for (size_t i = 0; i < tile.size(); ++i) {
    const Target& target = tile.targets[i];
    TokenScores& to = scores.sequences[target.sequence][lane];
    to.nll[target.index] = -LogProb(values[next++], summaries[i]);
    for (size_t q = 0; q < target.questions.size(); ++q) {
      scores.question_nll[target.sequence][lane][target.first_question + q] =
          -LogProb(values[next++], summaries[i]);
    }
  }
}

std::vector<std::pair<size_t, size_t>> GroupUpToTokens(std::span<const ScoredSequence> sequences,
                                                       size_t max_tokens) {
  std::vector<std::pair<size_t, size_t>> groups;
  size_t tokens = 0;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const size_t more = sequences[i].tokens.size();
    if (groups.empty() || tokens + more > max_tokens) {
      groups.emplace_back(i, i);
      tokens = 0;
    }
    groups.back().second = i + 1;
    tokens += more;
  }
  return groups;
}

std::vector<std::pair<size_t, size_t>> GroupByTokens(std::span<const ScoredSequence> sequences,
                                                     size_t min_tokens) {
  std::vector<std::pair<size_t, size_t>> groups;
  size_t begin = 0;
  size_t tokens = 0;
  for (size_t i = 0; i < sequences.size(); ++i) {
    tokens += sequences[i].tokens.size();
    if (tokens >= min_tokens || i + 1 == sequences.size()) {
      groups.emplace_back(begin, i + 1);
      begin = i + 1;
      tokens = 0;
    }
  }
  return groups;
}

}  // namespace bitloss
