// What the ranks of a team do for a study: score a group of sequences or continuations, answer
// prompts. A job says
// everything that it needs but the lanes' weights, which every rank has; so the ranks beyond the
// first know neither texts nor store.
#ifndef BITLOSS_STUDY_CREW_H_
#define BITLOSS_STUDY_CREW_H_

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/eval/continuations.h"
#include "bitloss/eval/generation.h"
#include "bitloss/eval/scoring.h"
#include "bitloss/study/room.h"
#include "bitloss/team/team.h"

namespace bitloss {

// A lane that is ready to run, and its number in the study.
struct StudyLane {
  size_t lane = 0;
  NamedLane named;
};

std::vector<NamedLane> NamedLanes(std::span<const StudyLane> lanes);
// Their numbers in the study.
std::vector<size_t> LaneNumbers(std::span<const StudyLane> lanes);

// The lanes of this rank, and those who share the work on them. Not thread-safe.
class Crew {
 public:
  // `lanes` in the same order on every rank, the baseline first. Requires: `team`, `transformer`
  // and the lanes' weights outlive it.
  Crew(Team& team, Transformer& transformer, std::vector<StudyLane> lanes, const Room& room)
      : team_(team), transformer_(transformer), lanes_(std::move(lanes)), room_(room) {}

  std::span<const StudyLane> lanes() const { return lanes_; }
  Transformer& transformer() const { return transformer_; }
  size_t num_ranks() const { return team_.size(); }
  const Room& room() const { return room_; }

  // Told, in a team of one whose blocks are streamed, which share of the group in work is done.
  void OnPart(std::function<void(double share, size_t num_tokens)> done) {
    part_done_ = std::move(done);
  }

  // A group of sequences for some lanes, as Scorer::Score takes them.
  struct Group {
    std::span<const ScoredSequence> sequences;
    std::vector<std::vector<float>> baseline_rows = {};  // of each sequence; empty: not kept
  };
  struct ScoredGroup {
    Scorer::GroupScores scores;
    std::vector<std::vector<float>> baseline_rows;  // of each sequence if they were asked for
  };
  // Scores groups on whichever ranks are free. group(i) is asked for as its turn comes, and
  // accept(i) given what came of it, one call at a time but not always on this thread. lanes[0] is
  // the baseline; with `wants_rows` its rows come back. On rank 0.
  Status ScoreGroups(std::span<const StudyLane> lanes, size_t num_groups, bool wants_rows,
                     const std::function<Result<Group>(size_t)>& group,
                     const std::function<Status(size_t, ScoredGroup)>& accept);

  struct Answers {
    std::vector<Generated> answers;  // of each prompt
    GenerationSpeed speed;
  };
  struct Question {
    const StudyLane* lane = nullptr;
    std::vector<GenerationPrompt> prompts = {};
    GenerationOptions options = {};
  };
  // Answers batches of prompts on whichever ranks are free. On rank 0.
  Status AnswerBatches(std::span<const Question> batches,
                       const std::function<Status(size_t, Answers)>& accept);

  // Continuations that one lane scores together.
  struct Continuations {
    const StudyLane* lane = nullptr;
    std::vector<Continuation> continuations = {};
  };
  struct ScoredContinuations {
    std::vector<ContinuationScore> scores;  // of each
    double seconds = 0.0;
  };
  // Scores batch(i) on whichever ranks are free. On rank 0.
  Status ScoreContinuations(size_t num_batches, const std::function<Continuations(size_t)>& batch,
                            const std::function<Status(size_t, ScoredContinuations)>& accept);

  // On the other ranks: works for rank 0 until it lets them go.
  Status Serve();
  // On rank 0, after its last call: lets the others go.
  void Dismiss() { team_.Dismiss(); }

 private:
  Result<Message> Work(MessageView job);
  Result<Message> Score(MessageView job);
  Result<Message> Answer(MessageView job);
  Result<Message> Continue(MessageView job);
  // The place of a lane of ours.
  size_t IndexOf(const StudyLane& lane) const;

  Team& team_;
  Transformer& transformer_;
  std::vector<StudyLane> lanes_;
  Room room_;
  std::function<void(double, size_t)> part_done_;
};

}  // namespace bitloss

#endif  // BITLOSS_STUDY_CREW_H_
