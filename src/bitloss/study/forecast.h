// What a study will be able to say, and what it will cost, before it is run.
#ifndef BITLOSS_STUDY_FORECAST_H_
#define BITLOSS_STUDY_FORECAST_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/study/options.h"
#include "bitloss/study/progress.h"

namespace bitloss {

struct TextForecast {
  std::string title;  // "eval.txt, lines-512-seed"
  uint64_t num_sequences = 0;
  uint64_t num_tokens = 0;
  uint64_t num_predictions = 0;
  std::vector<std::string> warnings;  // what of the text is not scored, or not as it stands
  std::string cluster_kind;
  size_t num_clusters = 0;
  double effective_clusters = 0.0;
  // The pilot: some sequences spread over the text, in every lane.
  uint64_t pilot_tokens = 0;
  std::string noisiest_lane;
  // The smallest true difference of losses, nats/token, that a test at the study's level finds four
  // times of five in the noisiest lane. None if the text has too few clusters for an interval, or
  // the pilot one.
  std::optional<double> smallest_delta_nll;
  // Where lanes do not stand in memory: how often every block is made. Else 0.
  size_t num_groups = 0;
  double seconds = 0.0;
};

struct SuiteForecast {
  std::string id;
  uint64_t num_prompts = 0;
  uint64_t num_checked = 0;
  // Exact: prompts lost, with none regained, that show harm at the study's level. More than
  // num_checked: it cannot.
  uint64_t smallest_flips = 0;
  // The smallest true drop of the pass rate that is found four times of five if 2% are regained.
  std::optional<double> smallest_drop;
  double seconds_at_most = 0.0;  // if every answer reaches its limit
};

struct TaskForecast {
  std::string id;
  uint64_t num_items = 0;
  uint64_t num_tokens = 0;             // that go through a lane; what items begin with alike once
  uint64_t smallest_flips = 0;         // as a suite's
  std::optional<double> seconds = {};  // none without a text, whose pilot says how fast lanes are
};

struct Forecast {
  std::vector<std::string> lanes;
  size_t num_tests = 0;
  double alpha = 0.0;  // of one test: 0.05 / num_tests
  std::vector<TextForecast> texts;
  std::vector<SuiteForecast> suites;
  std::vector<TaskForecast> tasks;
  double quantize_seconds = 0.0;
  uint64_t peak_memory_bytes = 0;  // of this process so far, with every lane in memory

  double SecondsAtMost() const;
};

// Makes the lanes, scores a pilot and decodes a few tokens of every prompt; stores nothing. Errors
// as of RunStudy.
//
// The pilot's error is carried over to the whole text by the number of tokens: as if an article
// were worth as many independent pieces as it has sequences. Where articles resemble themselves
// more than that, the study resolves less.
Result<Forecast> ForecastStudy(const StudyOptions& options, const ProgressSink& progress);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_FORECAST_H_
