// What a user sees first: a default run's answer, the lane to take, two studies beside each other.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "bitloss/cli/small_study.h"
#include "bitloss/json/parse.h"

namespace bitloss {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class AnswerProgram : public SmallStudyTest {
 protected:
  json Report(const std::string& study) const {
    return ParseJson(TextOf(folder_ / study + "/report.json")).value();
  }
  std::vector<std::string> LaneNames(const std::string& study) const {
    const json report = Report(study);
    std::vector<std::string> names;
    for (const json& lane : report.at("lanes")) names.push_back(lane.at("scheme"));
    return names;
  }
  // Text alone, enough of it for intervals.
  Arguments Lines(const std::string& study, const std::string& schemes,
                  const std::string& num_lines = "30") const {
    return {"run",
            "--schemes",
            schemes,
            "--suite",
            "none",
            "--max-samples",
            num_lines,
            "--out",
            folder_ / study,
            "--calibration-tokens",
            "512"};
  }
};

TEST_F(AnswerProgram, ADefaultRunAsksWhatPeopleAskAndMeasuresItsOwnNoise) {
  const Finished finished = MustRun({"run", "--max-samples", "30", "--max-prompts", "12", "--out",
                                     folder_ / "study", "--calibration-tokens", "512"});
  EXPECT_THAT(LaneNames("study"),
              ElementsAre("fp16", "int8", "nf4", "awq", "q4_k_m", "q8_0", "control-bf16"));
  const json report = Report("study");
  size_t num_verdicts = 0;
  for (const json& lane : report.at("lanes")) {
    for (const json& verdict : lane.value("verdicts", json::array())) {
      EXPECT_NE(verdict.at("verdict"), "not measured") << lane.at("scheme") << verdict;
      ++num_verdicts;
    }
    EXPECT_EQ(lane.at("suites").at(0).at("prompts"), 12);
  }
  EXPECT_EQ(num_verdicts, 15u) << "loss, divergence and answers of five lanes";
  EXPECT_THAT(report.at("lanes").at(0).at("suites").at(0).at("categories"), testing::SizeIs(12))
      << "prompts are spread over the suite";
  EXPECT_LE(std::ranges::count(finished.out, '\n'), 25) << finished.out;
  for (const std::string& lane : LaneNames("study")) {
    EXPECT_THAT(finished.out, HasSubstr("\n" + lane + " "));
  }
  EXPECT_THAT(finished.out, Not(HasSubstr("not measured")));
  EXPECT_THAT(finished.out, HasSubstr("noise"));
}

TEST_F(AnswerProgram, TheControlIsLeftOutWhereThatIsAskedOrOneIsThere) {
  MustRun(Lines("none", "nf4") + Arguments{"--control", "none"});
  EXPECT_THAT(LaneNames("none"), ElementsAre("fp16", "nf4"));
  MustRun(Lines("none", "nf4"));
  EXPECT_THAT(LaneNames("none"), ElementsAre("fp16", "nf4", "control-bf16")) << "added later";
  MustRun(Lines("other", "nf4,control-fp16"));
  EXPECT_THAT(LaneNames("other"), ElementsAre("fp16", "nf4", "control-fp16"));
  MustRun(Lines("other", "nf4"));
  EXPECT_THAT(LaneNames("other"), ElementsAre("fp16", "nf4", "control-fp16"));
  MustRun(Lines("alone", "fp16"));
  EXPECT_THAT(LaneNames("alone"), ElementsAre("fp16")) << "nothing to tell from noise";

  for (const auto& [control, exit_code] : {std::pair("nf4", 3), std::pair("noise", 5)}) {
    const Finished refused = RunBitloss(Lines("refused", "nf4") + Arguments{"--control", control});
    EXPECT_EQ(refused.exit_code, exit_code) << control;
    EXPECT_THAT(refused.err, AllOf(HasSubstr("--control"), HasSubstr(control)));
    EXPECT_EQ(std::ranges::count(refused.err, '\n'), 1) << refused.err;
  }
}

TEST_F(AnswerProgram, SchemesAreNamedInAnyLetterCase) {
  MustRun(Lines("study", "Q8_0,NF4,FP16,INT4_group:64:ASYM+Nearest") +
          Arguments{"--control", "none"});
  const std::vector<std::string> names = LaneNames("study");
  EXPECT_THAT(names, ElementsAre("fp16", "q8_0", "nf4", "int4_group:64:asym+nearest"));
  MustRun(Lines("study", "q8_0,nf4") + Arguments{"--control", "none"});
  EXPECT_EQ(LaneNames("study"), names) << "the same lanes";
}

TEST_F(AnswerProgram, VerboseHasEverythingAndEndsWithTheAnswer) {
  MustRun(Lines("study", "int8,nf4"));
  const std::string brief = MustRun({"report", folder_ / "study"}).out;
  const std::string verbose = MustRun({"report", folder_ / "study", "--verbose"}).out;
  EXPECT_THAT(verbose, testing::EndsWith("\n" + brief));
  EXPECT_THAT(verbose, HasSubstr("\nVerdicts\n"));
  EXPECT_THAT(brief, Not(HasSubstr("\nVerdicts\n")));
}

TEST_F(AnswerProgram, RecommendNamesALaneOrSaysWhyNot) {
  MustRun(Lines("study", "int8,nf4,int3_group:64"));
  const auto recommend = [&](const Arguments& wish) {
    return RunBitloss(Arguments{"recommend", folder_ / "study"} + wish);
  };
  const Finished size = recommend({"--max-size", "5M"});
  EXPECT_EQ(size.exit_code, 0) << size.err;
  EXPECT_THAT(size.out, HasSubstr("\nnf4: of the 2 lanes that fit the one shown to be closest"));
  const Finished kl = recommend({"--max-kl", "0.01"});
  EXPECT_EQ(kl.exit_code, 0);
  EXPECT_THAT(kl.out, HasSubstr("\nint8: with 6.74 MB the smallest lane"));
  EXPECT_EQ(recommend({"--min-same-top1", "80"}).exit_code, 0);
  const Finished none = recommend({"--max-size", "1.5m"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_THAT(none.out, HasSubstr("\nnone: no lane holds what was asked"));
  const double nf4 = Report("study").at("lanes").at(2).at("protocols").at(0).at("kl").at("mean");
  const Finished open = recommend({"--max-kl", std::to_string(nf4), "--max-size", "5M"});
  EXPECT_EQ(open.exit_code, 2);
  EXPECT_THAT(open.out, HasSubstr("of nf4 the data leave it open"));

  for (const auto& [wish, expected] : std::vector<std::pair<Arguments, std::string>>{
           {{}, "give --max-size, --max-kl or --min-same-top1"},
           {{"--max-size", "large"}, "--max-size large: no size"},
           {{"--max-size", "5Q"}, "--max-size 5Q: no size"},
           {{"--max-size", "-5M"}, "--max-size"},
           {{"--min-same-top1", "101"}, "--min-same-top1"}}) {
    const Finished refused = recommend(wish);
    EXPECT_EQ(refused.exit_code, 3) << expected;
    EXPECT_THAT(refused.err, HasSubstr(expected));
    EXPECT_EQ(refused.out, "");
  }
}

TEST_F(AnswerProgram, TwoStudiesOfOneModelAreToldApartInAFile) {
  MustRun(Lines("first", "nf4") + Arguments{"--control", "none"});
  MustRun(Lines("second", "int8", "40") + Arguments{"--control", "none"});
  const std::string first = folder_ / "first", second = folder_ / "second";
  const Finished compared =
      MustRun({"report", first, second}, {"/usr/bin/env", "-C", folder_ / ""});
  EXPECT_LT(compared.out.size(), 2000u) << "the page is in a file";
  EXPECT_THAT(compared.out, HasSubstr("report: comparison.html\n"));
  EXPECT_THAT(compared.out, HasSubstr("warning: sequences of lines-512-seed differ"));
  const std::string page = TextOf(folder_ / "comparison.html");
  EXPECT_THAT(page, AllOf(HasSubstr("bitloss-tiny (" + first + ")"),
                          HasSubstr("bitloss-tiny (" + second + ")")));
  const Finished twice = RunBitloss({"report", first, first + "/"});
  EXPECT_EQ(twice.exit_code, 3);
  EXPECT_THAT(twice.err, HasSubstr("is named twice"));
}

TEST_F(AnswerProgram, TheScoreboardIsAPicture) {
  MustRun(Lines("study", "nf4"));
  const std::string svg = MustRun({"report", folder_ / "study", "--format", "svg"}).out;
  EXPECT_THAT(svg, AllOf(testing::StartsWith("<svg "), testing::EndsWith("</svg>\n"),
                         HasSubstr(">nf4<"), HasSubstr("bitloss-tiny/eval.txt")));
}

}  // namespace
}  // namespace bitloss
