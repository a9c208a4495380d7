#include "bitloss/study/crew.h"

#include <algorithm>
#include <chrono>

#include "bitloss/team/codec.h"

namespace bitloss {
namespace {

// The first byte of a job.
enum class JobKind : uint8_t { kScore, kAnswer, kContinue };

struct SequenceMessage {
  std::vector<int32_t> tokens;
  uint64_t first_scored = 0;
  std::vector<uint64_t> question_indices;
  std::vector<int32_t> question_tokens;
};
struct ScoreJob {
  JobKind kind = JobKind::kScore;
  std::vector<uint64_t> lanes;  // places among the rank's lanes
  std::vector<SequenceMessage> sequences;
  std::vector<std::vector<float>> baseline_rows;
  bool wants_rows = false;
};
struct AnswerJob {
  JobKind kind = JobKind::kAnswer;
  uint64_t lane = 0;
  std::vector<GenerationPrompt> prompts;
  GenerationOptions options;
};

struct ContinuationMessage {
  std::vector<int32_t> tokens;
  uint64_t first_scored = 0;
};
struct ContinueJob {
  JobKind kind = JobKind::kContinue;
  uint64_t lane = 0;
  std::vector<ContinuationMessage> continuations;
};

SequenceMessage ToMessage(const ScoredSequence& sequence) {
  SequenceMessage message{
      {sequence.tokens.begin(), sequence.tokens.end()}, sequence.first_scored, {}, {}};
  for (const ScoredSequence::Question& question : sequence.questions) {
    message.question_indices.push_back(question.index);
    message.question_tokens.push_back(question.token);
  }
  return message;
}

}  // namespace

// Found by their arguments, from the codec.
template <class Codec>
void Members(Codec& codec, SequenceMessage& value) {
  codec(value.tokens, value.first_scored, value.question_indices, value.question_tokens);
}
template <class Codec>
void Members(Codec& codec, ScoreJob& value) {
  codec(value.kind, value.lanes, value.sequences, value.baseline_rows, value.wants_rows);
}
template <class Codec>
void Members(Codec& codec, TokenScores& value) {
  codec(value.lane);
  ForEachTokenMetric([&](const auto& metric) { codec(value.*metric.values); });
}
template <class Codec>
void Members(Codec& codec, ExpertChanges& value) {
  codec(value.lane, value.layers, value.changed);
}
template <class Codec>
void Members(Codec& codec, Scorer::GroupScores& value) {
  codec(value.sequences, value.question_nll, value.experts, value.num_tokens, value.lane_seconds,
        value.comparison_seconds);
}
template <class Codec>
void Members(Codec& codec, Crew::ScoredGroup& value) {
  codec(value.scores, value.baseline_rows);
}
template <class Codec>
void Members(Codec& codec, Sampling& value) {
  codec(value.temperature, value.seed, value.sample);
}
template <class Codec>
void Members(Codec& codec, GenerationOptions& value) {
  codec(value.end_tokens, value.sampling, value.num_top_positions, value.num_top_logits);
}
template <class Codec>
void Members(Codec& codec, GenerationPrompt& value) {
  codec(value.tokens, value.max_new_tokens, value.id);
}
template <class Codec>
void Members(Codec& codec, AnswerJob& value) {
  codec(value.kind, value.lane, value.prompts, value.options);
}
template <class Codec>
void Members(Codec& codec, ContinuationMessage& value) {
  codec(value.tokens, value.first_scored);
}
template <class Codec>
void Members(Codec& codec, ContinueJob& value) {
  codec(value.kind, value.lane, value.continuations);
}
template <class Codec>
void Members(Codec& codec, ContinuationScore& value) {
  codec(value.log_likelihood, value.greedy);
}
template <class Codec>
void Members(Codec& codec, Crew::ScoredContinuations& value) {
  codec(value.scores, value.seconds);
}
template <class Codec>
void Members(Codec& codec, ScoredToken& value) {
  codec(value.id, value.logit);
}
template <class Codec>
void Members(Codec& codec, Generated& value) {
  codec(value.tokens, value.finish, value.end_token, value.top_logits, value.seconds);
}
template <class Codec>
void Members(Codec& codec, GenerationSpeed& value) {
  codec(value.prefill_tokens, value.prefill_seconds, value.decode_tokens, value.decode_seconds);
}
template <class Codec>
void Members(Codec& codec, Crew::Answers& value) {
  codec(value.answers, value.speed);
}

std::vector<NamedLane> NamedLanes(std::span<const StudyLane> lanes) {
  std::vector<NamedLane> named;
  for (const StudyLane& lane : lanes) named.push_back(lane.named);
  return named;
}

std::vector<size_t> LaneNumbers(std::span<const StudyLane> lanes) {
  std::vector<size_t> numbers;
  for (const StudyLane& lane : lanes) numbers.push_back(lane.lane);
  return numbers;
}

size_t Crew::IndexOf(const StudyLane& lane) const {
  const auto found = std::ranges::find(lanes_, lane.lane, &StudyLane::lane);
  BITLOSS_CHECK(found != lanes_.end());
  return static_cast<size_t>(found - lanes_.begin());
}

Status Crew::ScoreGroups(std::span<const StudyLane> lanes, size_t num_groups, bool wants_rows,
                         const std::function<Result<Group>(size_t)>& group,
                         const std::function<Status(size_t, ScoredGroup)>& accept) {
  ScoreJob common;
  for (const StudyLane& lane : lanes) common.lanes.push_back(IndexOf(lane));
  common.wants_rows = wants_rows;
  const auto job = [&](size_t i) -> Result<Message> {
    BITLOSS_TRY(Group of_group, group(i));
    ScoreJob score = common;
    for (const ScoredSequence& sequence : of_group.sequences) {
      score.sequences.push_back(ToMessage(sequence));
    }
    score.baseline_rows = std::move(of_group.baseline_rows);
    return Encode(std::move(score));
  };
  const auto take = [&](size_t i, MessageView message) -> Status {
    BITLOSS_TRY(ScoredGroup scored, Decode<ScoredGroup>(message));
    return accept(i, std::move(scored));
  };
  return team_.Deal({num_groups, job, take}, [this](MessageView message) { return Work(message); });
}

Status Crew::AnswerBatches(std::span<const Question> batches,
                           const std::function<Status(size_t, Answers)>& accept) {
  const auto job = [&](size_t i) -> Result<Message> {
    const Question& batch = batches[i];
    return Encode(AnswerJob{JobKind::kAnswer, IndexOf(*batch.lane), batch.prompts, batch.options});
  };
  const auto take = [&](size_t i, MessageView message) -> Status {
    BITLOSS_TRY(Answers answers, Decode<Answers>(message));
    return accept(i, std::move(answers));
  };
  return team_.Deal({batches.size(), job, take},
                    [this](MessageView message) { return Work(message); });
}

Status Crew::ScoreContinuations(size_t num_batches,
                                const std::function<Continuations(size_t)>& batch,
                                const std::function<Status(size_t, ScoredContinuations)>& accept) {
  const auto job = [&](size_t i) -> Result<Message> {
    const Continuations of_batch = batch(i);
    ContinueJob message{JobKind::kContinue, IndexOf(*of_batch.lane), {}};
    for (const Continuation& one : of_batch.continuations) {
      message.continuations.push_back({{one.tokens.begin(), one.tokens.end()}, one.first_scored});
    }
    return Encode(std::move(message));
  };
  const auto take = [&](size_t i, MessageView message) -> Status {
    BITLOSS_TRY(ScoredContinuations scored, Decode<ScoredContinuations>(message));
    return accept(i, std::move(scored));
  };
  return team_.Deal({num_batches, job, take},
                    [this](MessageView message) { return Work(message); });
}

Status Crew::Serve() {
  return team_.Serve([this](MessageView message) { return Work(message); });
}

Result<Message> Crew::Work(MessageView job) {
  BITLOSS_CHECK(!job.empty());
  switch (static_cast<JobKind>(job[0])) {
    case JobKind::kScore:
      return Score(job);
    case JobKind::kAnswer:
      return Answer(job);
    case JobKind::kContinue:
      return Continue(job);
  }
  return BadInput("a job of an unknown kind; are all ranks of the same build?");
}

Result<Message> Crew::Score(MessageView message) {
  BITLOSS_TRY(const ScoreJob job, Decode<ScoreJob>(message));
  std::vector<NamedLane> lanes;
  for (const uint64_t lane : job.lanes) lanes.push_back(lanes_[lane].named);

  std::vector<std::vector<ScoredSequence::Question>> questions(job.sequences.size());
  std::vector<ScoredSequence> sequences;
  for (size_t i = 0; i < job.sequences.size(); ++i) {
    const SequenceMessage& sequence = job.sequences[i];
    for (size_t q = 0; q < sequence.question_indices.size(); ++q) {
      questions[i].push_back({sequence.question_indices[q], sequence.question_tokens[q]});
    }
    sequences.push_back({sequence.tokens, sequence.first_scored, questions[i]});
  }
  std::vector<ConstMatrixView> rows;
  for (size_t i = 0; i < job.baseline_rows.size(); ++i) {
    const size_t num_scored = sequences[i].num_scored();
    const size_t width = num_scored == 0 ? 0 : job.baseline_rows[i].size() / num_scored;
    rows.push_back({job.baseline_rows[i].data(), num_scored, width, width});
  }

  Scorer scorer(transformer_, std::move(lanes));
  if (part_done_ && team_.size() == 1) {
    size_t num_tokens = 0;
    for (const ScoredSequence& sequence : sequences) num_tokens += sequence.tokens.size();
    const auto num_layers = static_cast<double>(transformer_.config().num_layers);
    scorer.OnLayer([this, num_tokens, num_layers](size_t layers) {
      // The head counts as one more layer.
      part_done_(static_cast<double>(layers) / (num_layers + 1), num_tokens);
    });
  }
  ScoredGroup scored;
  BITLOSS_TRY(scored.scores, scorer.Score(sequences, rows));
  for (size_t i = 0; job.wants_rows && i < sequences.size(); ++i) {
    const Matrix computed = scorer.BaselineRows(i);
    scored.baseline_rows.emplace_back(computed.flat().begin(), computed.flat().end());
  }
  return Encode(std::move(scored));
}

Result<Message> Crew::Answer(MessageView message) {
  BITLOSS_TRY(const AnswerJob job, Decode<AnswerJob>(message));
  Answers answers;
  answers.answers.resize(job.prompts.size());
  const AnswerDone done = [&](size_t prompt, Generated answer) {
    answers.answers[prompt] = std::move(answer);
    return Ok();
  };
  BITLOSS_TRY(const LaneWeights* weights, HoldWhole(lanes_[job.lane].named));
  BITLOSS_TRY(answers.speed, Generate(transformer_, *weights, job.prompts, job.options, done));
  return Encode(std::move(answers));
}

Result<Message> Crew::Continue(MessageView message) {
  BITLOSS_TRY(const ContinueJob job, Decode<ContinueJob>(message));
  std::vector<Continuation> continuations;
  for (const ContinuationMessage& one : job.continuations) {
    continuations.push_back({one.tokens, one.first_scored});
  }
  const NamedLane& lane = lanes_[job.lane].named;
  BITLOSS_TRY(const LaneWeights* weights, HoldWhole(lane));
  const auto start = std::chrono::steady_clock::now();
  ScoredContinuations scored;
  auto scores = bitloss::ScoreContinuations(transformer_, *weights, continuations);
  if (!scores.ok()) return Within(lane.name, scores.error());
  scored.scores = std::move(scores).value();
  scored.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return Encode(std::move(scored));
}

}  // namespace bitloss
