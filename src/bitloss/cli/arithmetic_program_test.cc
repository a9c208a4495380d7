// --arithmetic, by the program itself, without a GPU: what a study says of its arithmetic, and that
// no study is of two.
#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "bitloss/cli/small_study.h"
#include "bitloss/json/parse.h"

namespace bitloss {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ArithmeticProgram : public testing::Test {
 protected:
  Arguments Study(const std::string& out, const std::string& arithmetic) const {
    return {"run",         "--schemes", "nf4",       "--text",       text_,
            "--suite",     "none",      "--control", "none",         "--out",
            folder_ / out, "--device",  "cpu",       "--arithmetic", arithmetic};
  }
  json Report(const std::string& out) const {
    return ParseJson(TextOf(folder_ / out + "/report.json")).value();
  }
  static double Loss(const json& report, size_t lane) {
    return report.at("lanes")[lane].at("protocols")[0].at("nll");
  }

  TestFolder folder_;
  const std::string text_ = folder_.Write(
      "text.txt",
      "One day a small dog went to the park with a red ball and met a cat who liked to play, and "
      "they ran around the big old tree until the sun went down and it was time to go home.\n");
};

TEST_F(ArithmeticProgram, SplitIsNearExactAndSaysWhatItIs) {
  MustRun(Study("exact", "exact"));
  MustRun(Study("split", "split"));
  const json exact = Report("exact");
  const json split = Report("split");
  EXPECT_FALSE(exact.at("options").contains("arithmetic"));
  EXPECT_EQ(split.at("options").at("arithmetic"), "split");
  EXPECT_THAT(split.at("machine").at("backend").get<std::string>(), HasSubstr("split"));
  EXPECT_THAT(TextOf(folder_ / "split/report.html"), HasSubstr("arithmetic"));
  for (size_t lane = 0; lane < 2; ++lane) {
    EXPECT_NE(Loss(split, lane), Loss(exact, lane));
    EXPECT_NEAR(Loss(split, lane) / Loss(exact, lane), 1, 1e-6);
  }
}

TEST_F(ArithmeticProgram, AStudyIsOfOneArithmetic) {
  for (const auto& [begun, asked] :
       {std::pair<std::string, std::string>{"exact", "split"}, {"split", "exact"}}) {
    MustRun(Study(begun, begun));
    const std::string before = Records(folder_ / begun);
    const Finished other = RunBitloss(Study(begun, asked));
    EXPECT_EQ(other.exit_code, 3);
    EXPECT_EQ(std::ranges::count(other.err, '\n'), 1) << other.err;
    EXPECT_THAT(other.err, AllOf(HasSubstr("arithmetic"), HasSubstr("another folder")));
    EXPECT_EQ(Records(folder_ / begun), before);
    EXPECT_NE(MustRun(Study(begun, "split") + Arguments{"--print-identity"}).out,
              MustRun(Study(begun, "exact") + Arguments{"--print-identity"}).out);
  }
}

TEST_F(ArithmeticProgram, WithoutAGpuSplitIsTheCpusOnlyByName) {
  Arguments study = Study("study", "split");
  for (std::string& argument : study) {
    if (argument == "cpu") argument = "auto";
  }
  const Finished finished =
      RunBitloss(study, {.launcher = {"/usr/bin/env", "BITLOSS_CUDA_PLUGIN=/nowhere/plugin.so"}});
  EXPECT_GE(finished.exit_code, 3);
  EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
  EXPECT_THAT(finished.err, AllOf(HasSubstr("split wants a GPU"), HasSubstr("--device cpu")));
  const Finished unknown = RunBitloss(Study("study", "served"));
  EXPECT_GE(unknown.exit_code, 3);
  EXPECT_THAT(unknown.err, AllOf(HasSubstr("--arithmetic"), HasSubstr("split")));
}

}  // namespace
}  // namespace bitloss
