#include "bitloss/eval/continuations.h"

#include <algorithm>

#include "bitloss/base/sum.h"
#include "bitloss/metrics/divergence.h"

namespace bitloss {
namespace {

// What goes through the model of a continuation.
std::span<const int32_t> Read(const Continuation& continuation) {
  return continuation.tokens.first(continuation.tokens.size() - 1);
}

// How many tokens `after` shares with the one before it and need not be computed again.
size_t NumShared(const Continuation& before, const Continuation& after) {
  const std::span<const int32_t> a = Read(before), b = Read(after);
  const auto num = static_cast<size_t>(std::ranges::mismatch(a, b).in2 - b.begin());
  return num >= kShortestShared ? num : 0;
}

// Whether no row depends on the rows that are computed with it, nor on its sequence's length.
bool MayShare(const ModelConfig& config, const LaneWeights& lane) {
  for (size_t layer = 0; layer < config.num_layers; ++layer) {
    if (lane.layers[layer].execution == Execution::Kind::kLlmInt8) return false;
    const LayerSpec spec = config.layer(layer);
    if (spec.mixer != Mixer::kAttention && spec.mixer != Mixer::kLatentAttention) return false;
    if (spec.kv_source) return false;
  }
  return std::ranges::none_of(config.ropes,
                              [](const RopeConfig& rope) { return OriginalLength(rope) > 0; });
}

// The first `count` of the rows in `ranges`.
std::vector<RowRange> FirstRows(std::span<const RowRange> ranges, size_t count) {
  std::vector<RowRange> first;
  for (const RowRange rows : ranges) {
    if (count == 0) break;
    first.push_back({rows.begin, rows.begin + std::min(rows.size(), count)});
    count -= first.back().size();
  }
  return first;
}

size_t RowAt(std::span<const RowRange> ranges, size_t position) {
  for (const RowRange rows : ranges) {
    if (position < rows.size()) return rows.begin + position;
    position -= rows.size();
  }
  BITLOSS_CHECK(false);
  return 0;
}

// A token whose likelihood is asked, and the row of the batch that predicts it.
struct Target {
  size_t continuation;
  size_t row;
  int32_t token;
};

// Continuations on their way through the model together.
class Together {
 public:
  explicit Together(bool shares) : shares_(shares) {}

  size_t num_tokens() const { return batch_.tokens().size(); }
  const Batch& batch() const { return batch_; }
  std::span<const Target> targets() const { return targets_; }

  // `index`: its number among those of the call.
  void Add(const Continuation& continuation, size_t index) {
    const std::span<const int32_t> tokens = Read(continuation);
    const size_t shared = shares_ && last_ != nullptr ? NumShared(*last_, continuation) : 0;
    path_ = FirstRows(path_, shared);
    if (shared < tokens.size()) {
      const size_t begin = batch_.tokens().size();
      if (shared == 0) {
        batch_.Add(tokens);
      } else {
        batch_.Branch(tokens.subspan(shared), path_);
      }
      path_.push_back({begin, batch_.tokens().size()});
    }
    last_ = &continuation;
    for (size_t at = continuation.first_scored; at < continuation.tokens.size(); ++at) {
      targets_.push_back({index, RowAt(path_, at - 1), continuation.tokens[at]});
    }
  }

 private:
  bool shares_;
  Batch batch_;
  std::vector<RowRange> path_;  // the rows of the last one's tokens
  const Continuation* last_ = nullptr;
  std::vector<Target> targets_;
};

// The sums of one call, and what they are made with.
class ContinuationScorer {
 public:
  ContinuationScorer(Transformer& transformer, const LaneWeights& lane, size_t count)
      : transformer_(transformer),
        lane_(lane),
        sums_(count),
        greedy_(count, true),
        hidden_(transformer.backend().memory()),
        rows_(transformer.backend().memory()),
        logits_(transformer.backend().memory()) {}

  Status Run(const Together& together) {
    transformer_.Hidden(lane_, together.batch(), nullptr, hidden_);
    const size_t tile = TileRows();
    const std::span<const Target> targets = together.targets();
    for (size_t begin = 0; begin < targets.size(); begin += tile) {
      BITLOSS_DO(ScoreTile(targets.subspan(begin, std::min(tile, targets.size() - begin))));
    }
    return Ok();
  }

  std::vector<ContinuationScore> Scores() const {
    std::vector<ContinuationScore> scores;
    for (size_t i = 0; i < sums_.size(); ++i) scores.push_back({sums_[i].Total(), greedy_[i]});
    return scores;
  }

 private:
  size_t TileRows() const {
    const WorkSizes sizes = transformer_.backend().work_sizes();
    const size_t rows = sizes.logit_bytes / (transformer_.config().vocab_size * sizeof(float));
    return std::clamp(rows / sizes.logit_row_step * sizes.logit_row_step, sizes.logit_row_step,
                      sizes.most_logit_rows);
  }

  // Rows that predict several tokens stand once among the logits.
  Status ScoreTile(std::span<const Target> targets) {
    const Backend& backend = transformer_.backend();
    std::vector<size_t> rows;
    std::vector<Backend::Element> elements;
    for (const Target& target : targets) {
      auto row = std::ranges::find(rows, target.row);
      if (row == rows.end()) row = rows.insert(row, target.row);
      elements.push_back(
          {static_cast<size_t>(row - rows.begin()), static_cast<size_t>(target.token)});
    }
    rows_.Resize(rows.size(), hidden_.cols());
    backend.GatherRows(hidden_, rows, rows_);
    logits_.Resize(rows.size(), transformer_.config().vocab_size);
    transformer_.LmHead(lane_, rows_, logits_);
    BITLOSS_TRY(const std::vector<RowSummary> summaries, backend.Summarize(logits_));
    std::vector<float> values(elements.size());
    backend.Read(logits_, elements, values);
    for (size_t i = 0; i < targets.size(); ++i) {
      const RowSummary& summary = summaries[elements[i].row];
      const size_t continuation = targets[i].continuation;
      sums_[continuation].Add(LogProb(values[i], summary));
      greedy_[continuation] = greedy_[continuation] && summary.top1 == targets[i].token;
    }
    return Ok();
  }

  Transformer& transformer_;
  const LaneWeights& lane_;
  std::vector<Sum> sums_;
  std::vector<bool> greedy_;
  Tensor hidden_, rows_, logits_;
};

}  // namespace

size_t NumDistinctTokens(std::span<const Continuation> continuations) {
  size_t num = 0;
  for (size_t i = 0; i < continuations.size(); ++i) {
    num += Read(continuations[i]).size();
    if (i > 0) num -= NumShared(continuations[i - 1], continuations[i]);
  }
  return num;
}

Result<std::vector<ContinuationScore>> ScoreContinuations(
    Transformer& transformer, const LaneWeights& lane,
    std::span<const Continuation> continuations) {
  const bool shares = MayShare(transformer.config(), lane);
  const size_t enough = transformer.backend().work_sizes().group_tokens;
  ContinuationScorer scorer(transformer, lane, continuations.size());
  for (size_t next = 0; next < continuations.size();) {
    Together together(shares);
    while (next < continuations.size() && together.num_tokens() < enough) {
      together.Add(continuations[next], next);
      ++next;
    }
    BITLOSS_DO(scorer.Run(together));
  }
  return scorer.Scores();
}

}  // namespace bitloss
