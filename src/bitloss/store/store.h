// A study's records in one SQLite file, <folder>/study.db (docs/study-format.md).
//
// A Put is one transaction: after kill -9 at any moment the study holds every finished Put and
// nothing of an unfinished one. Putting a finished record again changes nothing (the first one
// stays). Readers return records in index order, so that what is computed from them does not depend
// on the order in which they were measured.
//
// One process writes a study at a time (the folder is locked while a writable Store lives); others
// may read meanwhile. A Store is used by one thread at a time.
//
// Every error is one line that names the folder: kIo for a full disk, a folder that cannot be
// written, a study held by another process; kBadInput for a file that is not a study or is damaged,
// and for a manifest that differs; kUnsupported for a study written by a newer version, and for one
// of an older version that is to be continued; kNotFound where there is no study.
#ifndef BITLOSS_STORE_STORE_H_
#define BITLOSS_STORE_STORE_H_

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/store/records.h"

namespace bitloss {

class Store {
 public:
  // The study in `folder` for writing: created (with the folder) if there is none, else continued.
  // A study that was begun with another manifest is refused with the first differing key and both
  // values, and stays as it is.
  static Result<Store> OpenOrCreate(const std::filesystem::path& folder, const Manifest& manifest);

  // An existing study for reading; works while another process writes it, and on read-only media.
  static Result<Store> OpenForReading(const std::filesystem::path& folder);

  ~Store();
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;

  const Manifest& manifest() const;
  const std::filesystem::path& folder() const;

  // A lane before its first unit; again later with its sizes, notes and coverage, when they are
  // known: the record is replaced. kBadInput if the lane is there with another scheme, definition,
  // identity or role, or the scheme is another lane's.
  Status PutLane(const LaneRecord& lane);
  Result<std::vector<LaneRecord>> Lanes() const;

  // All prompts of a suite, in order. kBadInput if the suite is there with other prompts.
  Status PutPrompts(size_t suite, std::span<const PromptRecord> prompts);
  Result<std::vector<PromptRecord>> Prompts(size_t suite) const;

  // One unit with the scores of one or more lanes. Lanes that have this unit already keep what they
  // have. kBadInput if the unit is there with other tokens. Requires: lanes have been put; arrays
  // are empty or num_scored long; the runs of `clusters` sum to num_scored.
  // Of a mixture of experts, `experts` of those lanes that are not the baseline, or of none.
  Status PutText(const TextUnit& unit, std::span<const TokenScores> lanes,
                 std::span<const ExpertChanges> experts = {});
  Result<bool> HasText(size_t lane, size_t protocol, size_t unit) const;
  Result<std::vector<TextUnit>> TextUnits(size_t protocol) const;
  // None: this lane has not measured this unit.
  Result<std::optional<TokenScores>> TextScores(size_t lane, size_t protocol, size_t unit) const;
  // By unit; those that this lane has not measured, and all of a model without experts or of a
  // study that an earlier bitloss made, are not there.
  Result<std::map<size_t, ExpertChanges>> ExpertChangesOf(size_t lane, size_t protocol) const;

  // Answers of any lanes and suites, all or none of them. Requires: lanes and prompts were put.
  Status PutAnswers(std::span<const Answer> answers);
  Result<bool> HasAnswer(size_t lane, size_t suite, size_t prompt) const;
  Result<std::vector<Answer>> Answers(size_t lane, size_t suite) const;

  Status PutAnswerScores(std::span<const AnswerScores> scores);
  Result<bool> HasAnswerScores(size_t lane, size_t suite, size_t prompt) const;
  Result<std::vector<AnswerScores>> AllAnswerScores(size_t lane, size_t suite) const;

  // A study of version 1 has none of these, one of version 2 no judgements.
  Status PutAnswerForks(std::span<const AnswerFork> forks);
  Result<std::vector<AnswerFork>> AnswerForks(size_t lane, size_t suite) const;
  Status PutAnswerJudgements(std::span<const AnswerJudgement> judgements);
  Result<std::vector<AnswerJudgement>> AnswerJudgements(size_t lane, size_t suite) const;
  Status PutSampledAnswers(std::span<const SampledAnswer> answers);
  Result<bool> HasSampledAnswer(size_t lane, size_t suite, size_t prompt, uint32_t sample) const;
  // By prompt, then sample.
  Result<std::vector<SampledAnswer>> SampledAnswers(size_t lane, size_t suite) const;

  // All items of a task, in order. kBadInput if the task is there with others. A study of version 6
  // and earlier has no tasks.
  Status PutTaskItems(size_t task, std::span<const TaskItemRecord> items);
  Result<std::vector<TaskItemRecord>> TaskItems(size_t task) const;
  // Requires: lanes and items have been put.
  Status PutTaskScores(std::span<const TaskScores> scores);
  Result<std::vector<TaskScores>> AllTaskScores(size_t lane, size_t task) const;

  // These replace what was there under the same (lane, kind, key), or key.
  Status PutTimings(std::span<const Timing> timings);
  Result<std::vector<Timing>> Timings() const;
  Status PutMachineNotes(std::span<const MachineNote> notes);
  Result<std::vector<MachineNote>> MachineNotes() const;
  // Keeps the largest of the values put.
  Status PutPeakMemory(size_t lane, uint64_t bytes);
  Result<std::optional<uint64_t>> PeakMemory(size_t lane) const;

 private:
  struct State;
  explicit Store(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace bitloss

#endif  // BITLOSS_STORE_STORE_H_
