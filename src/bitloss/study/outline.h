// What a study is, read from its files: nothing is fitted, encoded or computed.
#ifndef BITLOSS_STUDY_OUTLINE_H_
#define BITLOSS_STUDY_OUTLINE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/study/lanes.h"
#include "bitloss/study/options.h"
#include "bitloss/study/prompts.h"
#include "bitloss/study/tasks.h"
#include "bitloss/study/texts.h"

namespace bitloss {

struct TextOutline {
  std::string title;  // "eval.txt, lines-512-seed"
  uint64_t num_sequences = 0;
  uint64_t num_tokens = 0;
  uint64_t num_predictions = 0;
  std::vector<std::string> warnings;  // what of the text is not scored, or not as it stands
  std::string cluster_kind;
  size_t num_clusters = 0;
  double effective_clusters = 0.0;
};
TextOutline OutlineOf(const StudyText& text);

struct SuiteOutline {
  std::string id;
  uint64_t num_prompts = 0;
  uint64_t num_checked = 0;
  uint64_t prompt_tokens = 0;
  uint64_t most_answer_tokens = 0;  // if every answer reaches its limit
  // Exact: prompts lost, with none regained, that show harm at the study's level. More than
  // num_checked: it cannot.
  uint64_t smallest_flips = 0;
  // The smallest true drop of the pass rate that is found four times of five if 2% are regained.
  std::optional<double> smallest_drop;
};
SuiteOutline OutlineOf(const StudySuite& suite, double alpha);

struct TaskOutline {
  std::string id;
  uint64_t num_items = 0;
  uint64_t num_tokens = 0;       // that go through a lane; what items begin with alike once
  uint64_t num_predictions = 0;  // of the continuations
  uint64_t smallest_flips = 0;   // as a suite's
};
TaskOutline OutlineOf(const StudyTask& task, double alpha);

// The study's verdicts, as many as report/verdicts.h would make, and the level of each.
struct TestsOutline {
  size_t num_tests = 0;
  double alpha = 0.0;  // of one test: 0.05 / num_tests
};
TestsOutline OutlineOfTests(std::span<const LanePlan> lanes, size_t num_texts, size_t num_others);

struct LaneOutline {
  std::string name;
  uint64_t weight_bytes = 0;  // of a checkpoint of its own: its tensors in the file
  double bits_per_weight = 0.0;
  bool takes_a_fit = false;
};

struct StudyOutline {
  std::vector<LaneOutline> lanes;
  TestsOutline tests;
  std::vector<TextOutline> texts;
  std::vector<SuiteOutline> suites;
  std::vector<TaskOutline> tasks;
  size_t calibration_tokens = 0;  // that fits look at; 0 if no lane calibrates
  // Multiply-adds with weights, in all lanes, that texts and tasks take.
  double multiply_adds = 0.0;
  // What holding every lane takes at least, blocks being as large as they are stored; where
  // options.memory_bytes does not hold them, that bound, and the number of groups of sequences for
  // each of which blocks are made.
  uint64_t memory_bytes = 0;
  size_t num_groups = 0;
};

// Reads the model's tables of contents, texts, suites and tasks. Errors as of RunStudy, also for an
// options.memory_bytes that is too little; those of weights (a value that is not finite) are found
// only when they are read.
Result<StudyOutline> OutlineStudy(const StudyOptions& options);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_OUTLINE_H_
