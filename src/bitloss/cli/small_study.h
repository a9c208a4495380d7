// For tests: studies small enough to be made often, by the program itself.
#ifndef BITLOSS_CLI_SMALL_STUDY_H_
#define BITLOSS_CLI_SMALL_STUDY_H_

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "bitloss/cli/run_bitloss.h"

namespace bitloss {

using Arguments = std::vector<std::string>;

inline Arguments operator+(Arguments left, const Arguments& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

// `launcher` starts the program, if it is given.
inline Finished MustRun(const Arguments& arguments, const Arguments& launcher = {}) {
  Finished finished = RunBitloss(arguments, {.launcher = launcher});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  return finished;
}

// Everything that a study says, but for its timings.
inline std::string Records(const std::string& study) {
  std::string all;
  for (const char* format : {"json", "md", "csv", "seed", "html"}) {
    all += MustRun({"report", study, "--format", format, "--no-timings"}).out;
  }
  return all;
}

// Every lane over the first lines of the embedded model's text and seven prompts.
class SmallStudyTest : public testing::Test {
 protected:
  Arguments Study(const std::string& out, const std::string& schemes = "int8,nf4",
                  const std::string& num_lines = "6") const {
    return {"run",     "--schemes",
            schemes,   "--max-samples",
            num_lines, "--suite",
            prompts_,  "--out",
            out,       "--max-new-tokens",
            "12",      "--calibration-tokens",
            "128",     "--calibration-sequence",
            "128",     "--control",
            "none"};
  }

  TestFolder folder_;
  const std::string prompts_ = folder_.Write("few.json", R"({
    "Arithmetic": ["What is 17 + 25?", "What is 3 + 4?"],
    "Code": ["Write a function is_even(n) in Python.", "What does len do?"],
    "Stories": ["Tell me a story.", "Who lives in the forest?", "Thank you."]})");
};

}  // namespace bitloss

#endif  // BITLOSS_CLI_SMALL_STUDY_H_
