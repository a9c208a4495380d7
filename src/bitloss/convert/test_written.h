// For tests: a checkpoint that was written, beside the lane that it was written of.
#ifndef BITLOSS_CONVERT_TEST_WRITTEN_H_
#define BITLOSS_CONVERT_TEST_WRITTEN_H_

#include <gmock/gmock.h>

#include <filesystem>
#include <string>

#include "bitloss/convert/quantize.h"
#include "bitloss/store/store.h"
#include "bitloss/study/run.h"

namespace bitloss {

inline const ProgressSink kSilent = [](const Progress&) {};

inline QuantizeOptions OptionsFor(const std::string& model, const std::string& scheme,
                                  const std::filesystem::path& out) {
  QuantizeOptions options{.scheme = scheme, .layout = "", .out = out};
  options.study.model = model;
  options.study.calibration_tokens = 128;
  options.study.calibration_sequence = 128;
  options.study.num_threads = 2;
  return options;
}

inline std::string MessageOf(const Result<QuantizeResult>& result) {
  return result.ok() ? "" : result.error().message;
}

// A study of the scheme and, beside it, of the checkpoint that was written of it.
inline Store StudyOfBoth(const QuantizeOptions& written, const std::filesystem::path& out) {
  StudyOptions study = written.study;
  study.schemes = {written.scheme};
  study.lanes = {written.out.string()};
  study.suite = "none";
  study.max_samples = 6;
  study.out = out;
  const Status ran = RunStudy(study, *OneRank(), kSilent);
  EXPECT_TRUE(ran.ok()) << ran.error().message;
  return Store::OpenForReading(study.out).value();
}

inline void ExpectSameBits(const Store& store, size_t num_units = 6) {
  size_t num_tokens = 0;
  for (size_t unit = 0; unit < num_units; ++unit) {
    const TokenScores made = store.TextScores(1, 0, unit).value().value();
    const TokenScores stored = store.TextScores(2, 0, unit).value().value();
    EXPECT_EQ(stored.nll, made.nll) << unit;
    EXPECT_EQ(stored.kl, made.kl) << unit;
    num_tokens += made.nll.size();
  }
  EXPECT_GT(num_tokens, 50u);
}

}  // namespace bitloss

#endif  // BITLOSS_CONVERT_TEST_WRITTEN_H_
