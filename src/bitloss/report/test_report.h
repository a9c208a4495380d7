// For tests: a small study whose numbers can be done by hand, and its report.
//
// Protocol 0: units 0 and 1, of 4 and 5 scored tokens; losses of lane 0 are 0, 1, 2, ..., those of
// lane 1 are 0.25 higher, its KL is (loss / 64), its top-1 differs at tokens 0 and 4.
// Suite 0: two prompts, passed by lane 0 alone; the answers differ in text and in the last token.
#ifndef BITLOSS_REPORT_TEST_REPORT_H_
#define BITLOSS_REPORT_TEST_REPORT_H_

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "bitloss/report/report_data.h"
#include "bitloss/store/store.h"
#include "bitloss/store/test_study.h"

namespace bitloss {

// What a test may change before the study is written.
struct SmallStudy {
  Manifest manifest = SmallManifest();
  std::vector<LaneRecord> lanes = {SmallLane(0), SmallLane(1)};
  std::vector<TextUnit> units = {SmallUnit(0), SmallUnit(1)};
  std::vector<std::vector<TokenScores>> scores = {{SmallScores(0, 0), SmallScores(1, 0)},
                                                  {SmallScores(0, 1), SmallScores(1, 1)}};
  std::vector<ExpertChanges> experts = {};  // by unit; or none
  std::vector<PromptRecord> prompts = {SmallPrompt(0), SmallPrompt(1)};
  std::vector<Answer> answers = {SmallAnswer(0, 0), SmallAnswer(0, 1), SmallAnswer(1, 0),
                                 SmallAnswer(1, 1)};
  std::vector<AnswerScores> answer_scores = {
      {.suite = 0, .prompt = 0, .scores = SmallScores(1, 0)},
      {.suite = 0, .prompt = 1, .scores = SmallScores(1, 1)}};
  std::vector<AnswerFork> forks = {};
  std::vector<AnswerJudgement> judgements = {};
  std::vector<SampledAnswer> samples = {};
  std::vector<TaskItemRecord> items = {};
  std::vector<TaskScores> task_scores = {};
  std::vector<Timing> timings = {
      {.lane = 1, .kind = TimingKind::kPrefill, .key = "0/0", .seconds = 0.5, .num_tokens = 5},
      {.lane = 1, .kind = TimingKind::kPrefill, .key = "0/1", .seconds = 1.5, .num_tokens = 5},
      {.lane = 1, .kind = TimingKind::kAnswer, .key = AnswerTimingKey(0, 0), .seconds = 2.0},
      {.lane = 1, .kind = TimingKind::kAnswer, .key = AnswerTimingKey(0, 1), .seconds = 4.0}};
  std::vector<MachineNote> notes = {{.key = "threads", .value = "2"},
                                    {.key = "timestamp", .value = "2031-05-04T09:30:00Z"}};

  SmallStudy() { manifest.protocols[0].num_units = 2; }
};

// The same with an article for each token: nine, where intervals need several.
inline SmallStudy NineArticles() {
  SmallStudy study;
  uint32_t article = 0;
  for (TextUnit& unit : study.units) {
    unit.clusters.clear();
    for (uint32_t t = 0; t < unit.num_scored; ++t) {
      unit.clusters.push_back({.cluster = article++, .num_scored = 1});
    }
  }
  return study;
}

inline void ExpectOk(const Status& status) {
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().message);
}

inline Store WriteStudy(const std::filesystem::path& folder, const SmallStudy& study) {
  Result<Store> opened = Store::OpenOrCreate(folder, study.manifest);
  EXPECT_TRUE(opened.ok()) << opened.error().message;
  Store store = std::move(opened).value();
  for (const LaneRecord& lane : study.lanes) ExpectOk(store.PutLane(lane));
  if (!study.prompts.empty()) ExpectOk(store.PutPrompts(0, study.prompts));
  for (size_t u = 0; u < study.units.size(); ++u) {
    std::span<const ExpertChanges> experts;
    if (u < study.experts.size()) experts = {&study.experts[u], 1};
    ExpectOk(store.PutText(study.units[u], study.scores[u], experts));
  }
  ExpectOk(store.PutAnswers(study.answers));
  ExpectOk(store.PutAnswerScores(study.answer_scores));
  ExpectOk(store.PutAnswerForks(study.forks));
  ExpectOk(store.PutAnswerJudgements(study.judgements));
  ExpectOk(store.PutSampledAnswers(study.samples));
  if (!study.items.empty()) ExpectOk(store.PutTaskItems(0, study.items));
  ExpectOk(store.PutTaskScores(study.task_scores));
  ExpectOk(store.PutTimings(study.timings));
  ExpectOk(store.PutMachineNotes(study.notes));
  return store;
}

inline ReportData ReportOf(const Store& store, size_t num_threads = 2) {
  ThreadPool threads(num_threads);
  Result<ReportData> report = MakeReport(store, threads);
  EXPECT_TRUE(report.ok()) << report.error().message;
  return std::move(report).value();
}

inline ReportData ReportOf(const SmallStudy& study) {
  const TemporaryFolder folder;
  return ReportOf(WriteStudy(folder.path(), study));
}

}  // namespace bitloss

#endif  // BITLOSS_REPORT_TEST_REPORT_H_
