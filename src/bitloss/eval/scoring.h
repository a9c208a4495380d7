// Every lane beside the baseline on the same tokens.
#ifndef BITLOSS_EVAL_SCORING_H_
#define BITLOSS_EVAL_SCORING_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/eval/expert_choices.h"
#include "bitloss/metrics/divergence.h"
#include "bitloss/metrics/token_scores.h"
#include "bitloss/model/transformer.h"

namespace bitloss {

// A sequence that is run from position 0; its tokens from `first_scored` on are predicted, each
// from all that come before it. Requires: 0 < first_scored.
struct ScoredSequence {
  // Another token whose loss is wanted, where the scored token number `index` stands.
  struct Question {
    size_t index = 0;
    int32_t token = 0;
  };

  std::span<const int32_t> tokens;
  size_t first_scored = 1;
  std::span<const Question> questions = {};  // by rising index

  size_t num_scored() const {
    return tokens.size() > first_scored ? tokens.size() - first_scored : 0;
  }
};

// Gives the decoder blocks of lanes that do not stand in memory whole. Abstract because where
// blocks come from (a checkpoint, fits of other processes) is not this floor's business.
class BlockProvider {
 public:
  // One lane's block; `lane` is an index into the lanes asked for.
  using Use = std::function<void(size_t lane, const LayerWeights& block)>;

  virtual ~BlockProvider() = default;
  // Calls `use` with block `layer` of each of `lanes` (numbers that the provider knows), one after
  // the other; a block may be gone when `use` returns. Layers are asked for in ascending order.
  virtual Status ForEachBlock(size_t layer, std::span<const size_t> lanes, const Use& use) = 0;
  // Puts all blocks of a lane into its weights, for decoding; perhaps instead of another lane's.
  // They stay until the next call.
  virtual Status Hold(size_t lane) = 0;
};

// A lane of a comparison, named for error messages.
struct NamedLane {
  std::string name;
  const LaneWeights* weights = nullptr;
  // If there, gives the blocks of lane `number`; then `weights` has none.
  BlockProvider* provider = nullptr;
  size_t number = 0;
};

// The whole lane, for decoding.
Result<const LaneWeights*> HoldWhole(const NamedLane& lane);

// Scores groups of sequences. The baseline's logits of a tile of tokens are made once, each lane's
// beside them; neither outlives the tile.
class Scorer {
 public:
  // lanes[0] is the baseline. Lanes have all one provider, or none: with one, all lanes of a group
  // go through a block before the next is asked for, so each block is made once a group. Requires:
  // `transformer` and the lanes outlive the scorer.
  Scorer(Transformer& transformer, std::vector<NamedLane> lanes);

  struct GroupScores {
    std::vector<std::vector<TokenScores>> sequences;  // [sequence][lane]
    // -ln q of each of a sequence's questions, [sequence][lane][question].
    std::vector<std::vector<std::vector<double>>> question_nll;
    // Of a mixture, [sequence][lane - 1]; else empty.
    std::vector<std::vector<ExpertChanges>> experts;
    size_t num_tokens = 0;                   // that went through each lane
    std::vector<double> lane_seconds;        // blocks, head and loss of each lane
    std::vector<double> comparison_seconds;  // and what comparing it with lane 0 added
  };

  // With `baseline_rows` (of each sequence, as BaselineRows gave them) the baseline's blocks are
  // not run, and its weights need none. kBadInput if a lane's logits are not finite, naming the
  // lane.
  Result<GroupScores> Score(std::span<const ScoredSequence> group,
                            std::span<const ConstMatrixView> baseline_rows = {});

  // Told, where blocks are streamed, how many layers the group has gone through.
  void OnLayer(std::function<void(size_t num_layers)> done) { layer_done_ = std::move(done); }

  // Of the last Score: the baseline's hidden rows after its final norm that predict the scored
  // tokens of a sequence, [num_scored][hidden_size], and after them in a mixture the experts that
  // those rows chose.
  Matrix BaselineRows(size_t sequence) const;

 private:
  // Rows whose logits exist at once, as the backend likes them.
  size_t TileRows() const;

  struct Target {
    size_t sequence;
    size_t index;  // among the sequence's scored tokens
    size_t row;    // of the batch; its logits predict the target
    int32_t token;
    std::span<const ScoredSequence::Question> questions;  // at this token
    size_t first_question;                                // among the sequence's
  };
  // Neighbouring targets, from the one numbered `first`.
  struct Tile {
    size_t first;
    std::span<const Target> targets;
    size_t size() const { return targets.size(); }
  };

  std::vector<Target> FindTargets(std::span<const ScoredSequence> group);
  void TakeBaselineRows(std::span<const Target> targets, std::span<const ConstMatrixView> rows);
  void CompareExperts(size_t num_sequences, GroupScores& scores) const;
  void RunLanes(std::span<const ScoredSequence> group, std::span<const Target> targets,
                size_t first_lane, GroupScores& scores);
  Status StreamLanes(std::span<const ScoredSequence> group, std::span<const Target> targets,
                     size_t first_lane, GroupScores& scores);
  // What the head needs of a lane's hidden rows.
  void KeepRows(size_t lane, std::span<const Target> targets, ConstDeviceView hidden);
  Status ScoreTile(const Tile& tile, GroupScores& scores);
  // The baseline's logits of a tile, and what is needed of them beside every lane's.
  Status ScoreBaseline(const Tile& tile, std::vector<RowSummary>& summaries, GroupScores& scores);
  Status ScoreLane(size_t lane, const Tile& tile, std::span<const RowSummary> base_summaries,
                   GroupScores& scores);
  void TileLogits(size_t lane, const Tile& tile, Tensor& logits);
  // The losses of a tile's tokens, and of its questions, in a lane with these logits.
  void PutLosses(size_t lane, const Tile& tile, ConstDeviceView logits,
                 std::span<const RowSummary> summaries, GroupScores& scores);

  Transformer& transformer_;
  std::vector<NamedLane> lanes_;
  std::function<void(size_t)> layer_done_;
  std::vector<size_t> first_target_;    // of each sequence of the last group, and one past the last
  std::vector<Tensor> rows_;            // of each lane: the rows of the group's targets, in order
  std::vector<ExpertChoices> experts_;  // of each lane, on those rows
  Tensor hidden_, base_logits_, lane_logits_;
};

// Cuts [0, sequences.size()) into runs of neighbouring sequences with `max_tokens` tokens together
// at most, or one sequence that is longer.
std::vector<std::pair<size_t, size_t>> GroupUpToTokens(std::span<const ScoredSequence> sequences,
                                                       size_t max_tokens);

// Cuts [0, sequences.size()) into runs of neighbouring sequences with at least `min_tokens` tokens
// together (the last may have fewer): large enough for full speed, small enough to be lost.
std::vector<std::pair<size_t, size_t>> GroupByTokens(std::span<const ScoredSequence> sequences,
                                                     size_t min_tokens);

}  // namespace bitloss

#endif  // BITLOSS_EVAL_SCORING_H_
