// Whole studies by the program itself: right, the same bits however they come about, and not to be
// lost.
#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "bitloss/cli/small_study.h"
#include "bitloss/json/parse.h"

namespace bitloss {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class StudyProgram : public SmallStudyTest {};

TEST_F(StudyProgram, GivesTransformersLossOfTheFirstLinesOfTheHeldOutText) {
  const json golden =
      ParseJson(TextOf(BITLOSS_SOURCE_DIR "/src/bitloss/model/testdata/tiny_forward.json"))
          .value()
          .at("lines");
  MustRun({"run", "--schemes", "nf4", "--suite", "none", "--control", "none", "--max-samples",
           std::to_string(golden.at("count").get<int>()), "--out", folder_ / "study"});
  const json report = ParseJson(TextOf(folder_ / "study/report.json")).value();
  const json& protocol = report.at("lanes").at(0).at("protocols").at(0);
  EXPECT_EQ(protocol.at("tokens"), golden.at("tokens"));
  EXPECT_EQ(protocol.at("predictions"), golden.at("predictions"));

  // The protocol weighs lines by their tokens, not by their predictions.
  double sum = 0.0, tokens = 0.0;
  for (const json& line : golden.at("each")) {
    sum += line.at("tokens").get<double>() * line.at("mean_nll").get<double>();
    tokens += line.at("tokens").get<double>();
  }
  EXPECT_NEAR(protocol.at("nll").get<double>(), sum / tokens, 1e-5);
  EXPECT_NEAR(protocol.at("perplexity").get<double>(), std::exp(sum / tokens), 1e-4);
}

TEST_F(StudyProgram, SaysTheSameForAnyNumberOfThreads) {
  for (const char* threads : {"1", "2", "3"}) {
    MustRun(Study(folder_ / threads, "int8,nf4,awq") + Arguments{"--threads", threads});
  }
  const std::string records = Records(folder_ / "1");
  EXPECT_EQ(Records(folder_ / "2"), records);
  EXPECT_EQ(Records(folder_ / "3"), records);
}

TEST_F(StudyProgram, GoesOnToTheSameEndHoweverOftenItIsKilled) {
  MustRun(Study(folder_ / "whole"));
  const Arguments arguments = Study(folder_ / "killed");
  int kills = 0;
  for (int milliseconds = 20;; milliseconds += milliseconds / 6 + 5) {
    const Finished finished = RunBitloss(
        arguments, {.kill_after = std::chrono::milliseconds(milliseconds), .max_file_bytes = {}});
    if (finished.exit_code == 0) break;
    ASSERT_EQ(finished.exit_code, -1) << finished.err;
    ++kills;
  }
  EXPECT_GE(kills, 5);
  EXPECT_EQ(Records(folder_ / "killed"), Records(folder_ / "whole"));
}

TEST_F(StudyProgram, AddsALaneToAStudyThatIsDone) {
  MustRun(Study(folder_ / "grown", "int8"));
  MustRun(Study(folder_ / "grown", "int8,nf4"));
  MustRun(Study(folder_ / "at-once", "int8,nf4"));
  EXPECT_EQ(Records(folder_ / "grown"), Records(folder_ / "at-once"));
}

// What was measured of the lanes that a study had before, timings included.
json LaneOf(const std::string& study, const std::string& scheme) {
  const json report = ParseJson(TextOf(study + "/report.json")).value();
  for (const json& lane : report.at("lanes")) {
    if (lane.at("scheme") == scheme) return lane;
  }
  return {};
}

// What a study that is refused for want of memory asks for, in MiB.
int LeastMemory(const Arguments& study) {
  const Finished refused = RunBitloss(study + Arguments{"--memory", "1M"});
  EXPECT_GE(refused.exit_code, 3);
  EXPECT_THAT(refused.err, HasSubstr("needs at least"));
  const size_t from = refused.err.rfind(' ') + 1;
  return std::stoi(refused.err.substr(from));
}

TEST_F(StudyProgram, SaysTheSameInAnyMemory) {
  const std::string schemes = "int8,nf4,awq,gptq,q4_k,fp16+noise:0.01";
  const Arguments more = {"--threads", "2", "--task",
                          BITLOSS_SOURCE_DIR "/src/bitloss/cli/testdata/choices.jsonl"};
  MustRun(Study(folder_ / "roomy", schemes) + more);
  const std::string records = Records(folder_ / "roomy");

  // Lanes whole for answers and tasks, one at a time; streamed for all else.
  const Arguments tight = Study(folder_ / "tight", schemes) + more;
  // What the process itself takes varies a little from run to run.
  MustRun(tight + Arguments{"--memory", std::to_string(LeastMemory(tight) + 4) + "M"});
  EXPECT_EQ(Records(folder_ / "tight"), records);
}

TEST_F(StudyProgram, AddsALaneAtThatLanesCostAlone) {
  MustRun(Study(folder_ / "grown", "int8"));
  const json baseline = LaneOf(folder_ / "grown", "fp16"), int8 = LaneOf(folder_ / "grown", "int8");
  MustRun(Study(folder_ / "grown", "int8,nf4"));
  // To the last digit of their timings: they did not run again.
  EXPECT_EQ(LaneOf(folder_ / "grown", "fp16").at("speed"), baseline.at("speed"));
  EXPECT_EQ(LaneOf(folder_ / "grown", "int8").at("speed"), int8.at("speed"));
  EXPECT_EQ(LaneOf(folder_ / "grown", "fp16").at("peak_memory_bytes"),
            baseline.at("peak_memory_bytes"));
}

TEST_F(StudyProgram, AddsALaneToTheSameEndWhateverIsKeptOfTheBaseline) {
  MustRun(Study(folder_ / "at-once", "int8,nf4"));
  const std::string records = Records(folder_ / "at-once");
  for (const std::string kept : {"nothing", "some", "lost", "damaged"}) {
    const std::string study = folder_ / kept, rows = study + "/baseline-rows.db";
    const std::string limit = kept == "nothing" ? "0" : kept == "some" ? "100K" : "1G";
    MustRun(Study(study, "int8") + Arguments{"--keep-rows", limit});
    EXPECT_EQ(std::filesystem::exists(rows), kept != "nothing");
    if (kept == "lost") std::filesystem::remove(rows);
    if (kept == "damaged") BITLOSS_CHECK(WriteFileAtomically(rows, "not a database").ok());
    MustRun(Study(study, "int8,nf4"));
    EXPECT_EQ(Records(study), records) << kept;
  }
}

TEST_F(StudyProgram, RefusesToGoOnWithAnotherStudyInTheSameFolder) {
  MustRun(Study(folder_ / "study", "nf4"));
  const std::string before = Records(folder_ / "study");
  const Finished other = RunBitloss(Study(folder_ / "study", "nf4") + Arguments{"--seed", "5"});
  EXPECT_GE(other.exit_code, 3);
  EXPECT_THAT(other.err, HasSubstr("seed"));
  EXPECT_EQ(Records(folder_ / "study"), before);
}

TEST_F(StudyProgram, RemakesEveryReportFromItsRecordsAlone) {
  MustRun(Study(folder_ / "study", "nf4"));
  std::filesystem::create_directory(folder_ / "copy");
  std::filesystem::copy(folder_ / "study/study.db", folder_ / "copy/study.db");
  MustRun({"report", folder_ / "copy"});
  for (const char* name :
       {"report.json", "report.html", "report.md", "seed/fp16.json", "seed/nf4.json"}) {
    EXPECT_EQ(TextOf((folder_ / "copy/") + name), TextOf((folder_ / "study/") + name)) << name;
  }
}

TEST_F(StudyProgram, LosesNothingWhenTheDiskIsFull) {
  const Finished full =
      RunBitloss(Study(folder_ / "full"), {.kill_after = {}, .max_file_bytes = 96 * 1024});
  EXPECT_GE(full.exit_code, 3);
  EXPECT_EQ(std::ranges::count(full.err.substr(full.err.rfind("bitloss: ")), '\n'), 1) << full.err;
  MustRun(Study(folder_ / "full"));
  MustRun(Study(folder_ / "roomy"));
  EXPECT_EQ(Records(folder_ / "full"), Records(folder_ / "roomy"));
}

TEST_F(StudyProgram, SamplesEveryPromptBesideTheGreedyAnswers) {
  const Arguments sampled = {"--samples", "3"};
  MustRun(Study(folder_ / "one", "nf4,control-fp16") + sampled);
  const json report = ParseJson(TextOf(folder_ / "one/report.json")).value();
  const json& baseline = report.at("lanes").at(0).at("suites").at(0).at("samples");
  const json& nf4 = report.at("lanes").at(1).at("suites").at(0).at("samples");
  const json& control = report.at("lanes").at(2).at("suites").at(0).at("samples");
  EXPECT_EQ(baseline.at("per_prompt"), 3);
  EXPECT_EQ(baseline.at("prompts"), 7);
  // Other honest arithmetic with the same dice says nearly the same; other dice say otherwise.
  EXPECT_GT(control.at("identical").at("mean"), 0.5);
  EXPECT_LT(nf4.at("identical").at("mean"), control.at("identical").at("mean"));
  EXPECT_LT(baseline.at("self_identical").at("mean"), nf4.at("identical").at("mean"));

  MustRun(Study(folder_ / "two", "nf4") + sampled + Arguments{"--threads", "1"});
  MustRun(Study(folder_ / "two", "nf4,control-fp16") + sampled);
  EXPECT_EQ(Records(folder_ / "one"), Records(folder_ / "two"));
}

TEST_F(StudyProgram, SamplesTheSameAnswersWithTheSameDice) {
  const Arguments sampled = {"--sample", "--seed", "11"};
  MustRun(Study(folder_ / "one", "nf4") + sampled);
  MustRun(Study(folder_ / "two", "nf4") + sampled + Arguments{"--threads", "1"});
  EXPECT_EQ(Records(folder_ / "one"), Records(folder_ / "two"));
}

}  // namespace
}  // namespace bitloss
