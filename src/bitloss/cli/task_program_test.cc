// Tasks by likelihood, by the program itself: right, the same bits however they come about, and
// refused in one line where a file is wrong.
#include <gmock/gmock.h>

#include "bitloss/cli/small_study.h"
#include "bitloss/json/parse.h"

namespace bitloss {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

const std::string kChoices = BITLOSS_SOURCE_DIR "/src/bitloss/cli/testdata/choices.jsonl";
const std::string kClozes = BITLOSS_SOURCE_DIR "/src/bitloss/cli/testdata/clozes.jsonl";

class TaskProgram : public SmallStudyTest {
 protected:
  // Two lines of text and both tasks.
  Arguments Tasks(const std::string& out, const std::string& schemes = "int8,nf4") const {
    return {"run",  "--schemes", schemes,  "--max-samples", "2",     "--suite", "none", "--control",
            "none", "--task",    kChoices, "--task",        kClozes, "--out",   out};
  }

  json Report(const std::string& study) const {
    return ParseJson(TextOf(study + "/report.json")).value();
  }

  std::string Refusal(const Arguments& arguments, int exit_code = 3) const {
    const Finished finished = RunBitloss(arguments);
    EXPECT_EQ(finished.exit_code, exit_code) << finished.err;
    EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
    return finished.err;
  }
};

TEST_F(TaskProgram, ReportsAccuracyMarginsAndWhatChanged) {
  MustRun(Tasks(folder_ / "study", "int3_group:64"));
  const json report = Report(folder_ / "study");
  EXPECT_TRUE(report.at("complete").get<bool>());
  const json& base = report.at("lanes").at(0).at("tasks").at(0);
  const json& lane = report.at("lanes").at(1).at("tasks").at(0);
  EXPECT_EQ(base.at("id"), "choices");
  EXPECT_EQ(base.at("items"), 20);
  const json& before = base.at("decisions").at(0);
  const json& after = lane.at("decisions").at(0);
  EXPECT_EQ(before.at("measure"), "acc");
  // Better than guessing.
  EXPECT_GE(before.at("right").get<int>(), 10);
  EXPECT_EQ(after.at("right").get<int>(), before.at("right").get<int>() -
                                              after.at("lost").get<int>() +
                                              after.at("regained").get<int>());
  EXPECT_EQ(lane.at("lost_items").size(), after.at("lost").get<size_t>());
  EXPECT_NEAR(
      after.at("margin").at("mean").get<double>() - before.at("margin").at("mean").get<double>(),
      after.at("margin_change").at("mean").get<double>(), 1e-9);
  EXPECT_LT(after.at("margin_change").at("low").get<double>(),
            after.at("margin_change").at("high").get<double>());
  EXPECT_GT(after.at("smallest_margin_change").get<double>(), 0);
  const json& cloze = report.at("lanes").at(0).at("tasks").at(1);
  EXPECT_EQ(cloze.at("kind"), "cloze");
  EXPECT_GT(cloze.at("perplexity").get<double>(), 1);
  const json& verdicts = report.at("lanes").at(1).at("verdicts");
  EXPECT_EQ(std::ranges::count_if(
                verdicts, [](const json& verdict) { return verdict.at("measure") == "task"; }),
            2);
  for (const char* format : {"md", "csv", "html"}) {
    EXPECT_THAT(MustRun({"report", folder_ / "study", "--format", format}).out,
                HasSubstr("choices"));
  }
}

TEST_F(TaskProgram, SaysTheSameForAnyNumberOfThreadsAndWhenKilled) {
  MustRun(Tasks(folder_ / "one") + Arguments{"--threads", "1"});
  const std::string records = Records(folder_ / "one");
  MustRun(Tasks(folder_ / "two") + Arguments{"--threads", "2"});
  EXPECT_EQ(Records(folder_ / "two"), records);
  for (int milliseconds = 100;; milliseconds += milliseconds / 3) {
    const Finished finished = RunBitloss(Tasks(folder_ / "killed"),
                                         {.kill_after = std::chrono::milliseconds(milliseconds)});
    if (finished.exit_code == 0) break;
  }
  EXPECT_EQ(Records(folder_ / "killed"), records);
}

TEST_F(TaskProgram, AddsALaneToTheSameEnd) {
  const auto speed = [&] {
    return Report(folder_ / "grown").at("lanes").at(1).at("tasks").at(0).at("items_per_second");
  };
  MustRun(Tasks(folder_ / "grown", "int8"));
  const json before = speed();
  MustRun(Tasks(folder_ / "grown", "int8,nf4"));
  EXPECT_EQ(speed(), before);  // to the last digit: it did not run again
  MustRun(Tasks(folder_ / "whole", "int8,nf4"));
  EXPECT_EQ(Records(folder_ / "grown"), Records(folder_ / "whole"));
}

TEST_F(TaskProgram, TakesWhatWasAskedForPartOfTheStudy) {
  MustRun(Tasks(folder_ / "study", "nf4"));
  const std::string changed =
      TextOf(kChoices) + R"({"context": "a", "choices": ["b", "c"], "answer": 1})";
  const Arguments other = {"run",
                           "--schemes",
                           "nf4",
                           "--max-samples",
                           "2",
                           "--suite",
                           "none",
                           "--control",
                           "none",
                           "--task",
                           folder_.Write("choices.jsonl", changed),
                           "--task",
                           kClozes,
                           "--out",
                           folder_ / "study"};
  EXPECT_THAT(Refusal(other), AllOf(HasSubstr("/tasks/0"), HasSubstr("another folder")));
}

TEST_F(TaskProgram, PutsExamplesAndTheChatTemplateBeforeAContext) {
  const auto margin = [&](const std::string& out, const Arguments& more) {
    MustRun(Tasks(folder_ / out, "nf4") + Arguments{"--max-items", "8"} + more);
    const json report = Report(folder_ / out);
    EXPECT_EQ(report.at("lanes").at(0).at("tasks").at(0).at("items"), 8);
    return report.at("lanes").at(0).at("tasks").at(0).at("decisions").at(0).at("margin").dump();
  };
  const std::string examples = folder_.Write(
      "examples.jsonl",
      R"({"context": "Question: What is 2 + 2?\nAnswer:", "choices": ["4", "5"], "answer": 0})");
  const std::string plain = margin("plain", {});
  EXPECT_NE(margin("few", {"--few-shot", examples}), plain);
  EXPECT_NE(margin("chat", {"--task-chat"}), plain);
  // Written into the contexts themselves the examples are asked the same.
  const std::string written =
      R"({"context": "Question: What is 2 + 2?\nAnswer: 4\n\nOne, two,", "choices": ["three", "nine"], "answer": 0})";
  const std::string bare = R"({"context": "One, two,", "choices": ["three", "nine"], "answer": 0})";
  const auto of_file = [&](const std::string& out, const std::string& text, const Arguments& more) {
    MustRun(Arguments{"run", "--schemes", "nf4", "--max-samples", "2", "--suite", "none",
                      "--control", "none", "--task", folder_.Write("t.jsonl", text), "--out",
                      folder_ / out} +
            more);
    return Report(folder_ / out).at("lanes").at(0).at("tasks").at(0).at("tokens_hash");
  };
  EXPECT_EQ(of_file("bare", bare, {"--few-shot", examples}), of_file("written", written, {}));
}

TEST_F(TaskProgram, RefusesBadTasksInOneLine) {
  const auto refusal = [&](const std::string& text, int exit_code = 3) {
    return Refusal({"run", "--schemes", "nf4", "--suite", "none", "--task",
                    folder_.Write("bad.jsonl", text), "--out", folder_ / "study"},
                   exit_code);
  };
  EXPECT_THAT(refusal(R"({"context": "a", "choices": ["b", "c"], "answer": 2})"),
              HasSubstr("bad.jsonl:1: /answer: 2 is none of the 2 choices"));
  EXPECT_THAT(refusal("{\"context\": \"a\", \"choices\""), HasSubstr("bad.jsonl:1: "));
  // "Hello" alone is a token; what follows the space goes with it.
  EXPECT_THAT(refusal(R"({"id": "x", "context": "", "choices": ["<|im_end|>", "b"], "answer": 0})"),
              HasSubstr("bad.jsonl:1"));
  EXPECT_THAT(Refusal(Tasks(folder_ / "study") + Arguments{"--task", kChoices}),
              HasSubstr("another task is called 'choices'"));
  EXPECT_THAT(Refusal({"run", "--schemes", "nf4", "--task", folder_ / "none.jsonl", "--out",
                       folder_ / "study"},
                      4),
              HasSubstr("none.jsonl"));
}

TEST_F(TaskProgram, RunsWithoutATextAndSaysSoInTheAnswer) {
  const Finished finished =
      MustRun(Arguments{"run", "--schemes", "nf4", "--text", "none", "--suite", "none", "--control",
                        "none", "--task", kChoices, "--out", folder_ / "study"});
  EXPECT_THAT(finished.out, AllOf(HasSubstr("Accuracy"), HasSubstr("items of choices"),
                                  HasSubstr("acc of choices, 20 items")));
  EXPECT_TRUE(Report(folder_ / "study").at("lanes").at(0).at("protocols").empty());
}

TEST_F(TaskProgram, ForecastsWhatATaskCanShow) {
  const std::string plan = MustRun(Tasks(folder_ / "study", "nf4") + Arguments{"--plan"}).out;
  EXPECT_THAT(plan,
              AllOf(HasSubstr("choices\n  20 items"), HasSubstr("items lost and none regained")));
}

}  // namespace
}  // namespace bitloss
