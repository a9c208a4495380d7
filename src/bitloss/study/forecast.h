// What a study will be able to say, and what it will cost, before it is run: its outline, and what
// a pilot measures.
#ifndef BITLOSS_STUDY_FORECAST_H_
#define BITLOSS_STUDY_FORECAST_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/study/options.h"
#include "bitloss/study/outline.h"
#include "bitloss/study/progress.h"

namespace bitloss {

struct TextForecast : TextOutline {
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

struct SuiteForecast : SuiteOutline {
  double seconds_at_most = 0.0;  // if every answer reaches its limit
};

struct TaskForecast : TaskOutline {
  std::optional<double> seconds = {};  // none without a text, whose pilot says how fast lanes are
};

struct Forecast {
  std::vector<std::string> lanes;
  TestsOutline tests;
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
