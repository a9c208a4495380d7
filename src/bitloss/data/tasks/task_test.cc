#include "bitloss/data/tasks/task.h"

#include <gmock/gmock.h>

#include "bitloss/base/check.h"

namespace bitloss {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

Task Read(std::string_view bytes, const char* name = "few.jsonl") {
  Result<Task> task = ParseTask(bytes, name);
  if (!task.ok()) ADD_FAILURE() << task.error().message;
  BITLOSS_CHECK(task.ok());
  return std::move(task).value();
}

std::string Refusal(std::string_view bytes, const char* name = "few.jsonl") {
  const Result<Task> task = ParseTask(bytes, name);
  EXPECT_FALSE(task.ok());
  return task.ok() ? "" : task.error().message;
}

TEST(TaskTest, ReadsEveryShapeOfJsonLines) {
  const Task task =
      Read(R"({"id": "a", "context": "The sky is", "choices": ["blue", "dry"], "answer": 0}

{"id": 7, "contexts": ["Tom was", "Ann was"], "continuation": "late.", "answer": 1}
{"better": "She sings.", "worse": "She sing."}
{"context": "Q:", "choices": ["1", "2", "3"], "answer": [2, 0], "delimiter": "", "x-mine": 4}
)");
  EXPECT_EQ(task.name, "few");
  EXPECT_EQ(task.kind, TaskKind::kChoice);
  ASSERT_THAT(task.items, SizeIs(4));
  EXPECT_THAT(task.items[0].choices, ElementsAre("blue", "dry"));
  EXPECT_EQ(task.items[0].delimiter, " ");
  EXPECT_EQ(task.items[1].id, "7");
  EXPECT_EQ(task.items[1].line, 3);
  EXPECT_EQ(task.items[1].ContextOf(1), "Ann was");
  EXPECT_THAT(task.items[1].answers, ElementsAre(1));
  EXPECT_EQ(task.items[2].id, "4");
  EXPECT_EQ(task.items[2].ContextOf(0), "");
  EXPECT_EQ(task.items[2].delimiter, "");
  EXPECT_THAT(task.items[2].answers, ElementsAre(0));
  EXPECT_THAT(task.items[3].answers, ElementsAre(0, 2));
  EXPECT_EQ(task.items[3].delimiter, "");
}

TEST(TaskTest, ReadsClozesAndShowsThemAsExamples) {
  const Task task = Read(R"({"context": "One, two,", "target": "three"}
{"context": "A, B,", "target": "C"})");
  EXPECT_EQ(task.kind, TaskKind::kCloze);
  EXPECT_THAT(task.items[0].choices, ElementsAre("three"));
  EXPECT_EQ(FewShotText(task), "One, two, three\n\nA, B, C\n\n");
}

TEST(TaskTest, RefusesBadItemsWithFileAndLine) {
  const std::string good = R"({"id": "a", "context": "c", "choices": ["x", "y"], "answer": 0})";
  const auto refusal = [&](const std::string& second) { return Refusal(good + "\n" + second); };
  EXPECT_THAT(refusal(R"({"context": "c", "choices": ["x", "y"], "answer": 2})"),
              AllOf(HasSubstr("few.jsonl:2: /answer"), HasSubstr("2 is none of the 2 choices")));
  EXPECT_THAT(refusal(R"({"context": "c", "choices": ["x", "y"], "answer": -1})"),
              HasSubstr("-1 is none of the 2 choices"));
  EXPECT_THAT(refusal(R"({"context": "c", "choices": ["x", "y"]})"),
              HasSubstr("few.jsonl:2: /answer: missing"));
  EXPECT_THAT(refusal(R"({"context": "c", "choices": [], "answer": 0})"),
              HasSubstr("few.jsonl:2: /choices"));
  EXPECT_THAT(refusal(R"({"context": "c", "choices": ["x"], "answer": 0})"),
              HasSubstr("at least two"));
  EXPECT_THAT(refusal(R"({"context": "c", "choices": ["x", ""], "answer": 0})"),
              AllOf(HasSubstr("few.jsonl:2: item '2'"), HasSubstr("choice 1 is empty")));
  EXPECT_THAT(refusal(R"({"context": "c", "choices": ["x", "y"], "answer": [0, 1]})"),
              HasSubstr("one wrong"));
  EXPECT_THAT(refusal(good), AllOf(HasSubstr("few.jsonl:2: the id 'a'"), HasSubstr("line 1")));
  EXPECT_THAT(refusal(R"({"context": "c", "choice": ["x", "y"], "answer": 0})"),
              AllOf(HasSubstr("few.jsonl:2: "), HasSubstr("\"choices\" and \"answer\"")));
  EXPECT_THAT(refusal(R"({"context": "c", "choices": ["x", "y"], "answer": 0, "gold": 1})"),
              HasSubstr("few.jsonl:2: /gold: unknown field"));
  EXPECT_THAT(refusal(R"({"context": "c", "choices": ["x")"), HasSubstr("few.jsonl:2: "));
  EXPECT_THAT(refusal(R"({"context": "c", "target": "t"})"),
              AllOf(HasSubstr("few.jsonl:2: "), HasSubstr("two files")));
  EXPECT_THAT(Refusal(""), HasSubstr("few.jsonl: no items"));
  EXPECT_THAT(Refusal("{\"context\": \"\xff\"}"), HasSubstr("byte 13 is not valid UTF-8"));
}

// Two items as lm-evaluation-harness logs them; `rest` follows in each.
std::string Samples(const std::string& target, const std::string& rest) {
  return R"({"doc_id": 4, "doc": {}, "target": ")" + target +
         R"(", "arguments": {"gen_args_0": {"arg_0": "Q", "arg_1": " 10"},)"
         R"( "gen_args_1": {"arg_0": "Q", "arg_1": " 1"}})" +
         rest + "}\n";
}

TEST(TaskTest, ReadsWhatLmEvaluationHarnessLogs) {
  const Task task =
      Read(Samples("1", R"(, "filter": "none")") + Samples("1", R"(, "filter": "other")"),
           "samples_sums_2026-03-05T10-00-00.5.jsonl");
  EXPECT_EQ(task.name, "sums");
  ASSERT_THAT(task.items, SizeIs(1));
  EXPECT_EQ(task.items[0].id, "4");
  EXPECT_THAT(task.items[0].contexts, ElementsAre("Q"));
  EXPECT_EQ(task.items[0].delimiter, " ");
  EXPECT_THAT(task.items[0].choices, ElementsAre("10", "1"));
  EXPECT_THAT(task.items[0].answers, ElementsAre(1));
  EXPECT_EQ(task.measure, TaskMeasure::kAcc);
  EXPECT_THAT(task.warnings, IsEmpty());
}

TEST(TaskTest, TellsANumberFromWordsByTheResultThatWasLogged) {
  // "10" is choice 0 by its words alone; "0" is so by number.
  EXPECT_THAT(Read(Samples("10", "")).items[0].answers, ElementsAre(0));
  const std::string words = R"({"doc_id": 1, "target": "1", "arguments": )"
                            R"({"gen_args_0": {"arg_0": "Q", "arg_1": " 1"},)"
                            R"( "gen_args_1": {"arg_0": "Q", "arg_1": " 2"}})";
  EXPECT_THAT(Refusal(words + "}"), AllOf(HasSubstr("few.jsonl:1: /target"), HasSubstr("'1'")));
  const std::string first = R"(, "resps": [[["-1.0", "False"]], [["-2.0", "False"]]])";
  EXPECT_THAT(Read(words + first + R"(, "acc": 1.0})").items[0].answers, ElementsAre(0));
  EXPECT_THAT(Read(words + first + R"(, "acc": 0.0})").items[0].answers, ElementsAre(1));
}

TEST(TaskTest, FindsWhichOfTwoContextsWasRight) {
  const std::string line = R"({"doc_id": 1, "target": "late.", "arguments": )"
                           R"({"gen_args_0": {"arg_0": "Tom was", "arg_1": " late."},)"
                           R"( "gen_args_1": {"arg_0": "Ann was", "arg_1": " late."}},)"
                           R"( "resps": [[["-5.0", "False"]], [["-2.0", "False"]]], "acc": )";
  EXPECT_THAT(Read(line + "1.0}").items[0].answers, ElementsAre(1));
  EXPECT_THAT(Read(line + "0.0}").items[0].answers, ElementsAre(0));
  EXPECT_THAT(Read(line + "0.0}").items[0].contexts, ElementsAre("Tom was", "Ann was"));
}

TEST(TaskTest, FindsTheDelimiterFromTheNormsThatWereLogged) {
  // -2.4 / 1 character against -3.0 / 2: the second; with the space counted -1.2 against -1.0.
  const std::string line = R"({"doc_id": 1, "target": "0", "arguments": )"
                           R"({"gen_args_0": {"arg_0": "Q", "arg_1": " a"},)"
                           R"( "gen_args_1": {"arg_0": "Q", "arg_1": " abc"}},)"
                           R"( "resps": [[["-1.0", "False"]], [["-2.5", "False"]]], "acc_norm": )";
  // Without the space -1.0 and -0.83: choice 1 wins; with it -0.5 and -0.625: choice 0 does.
  EXPECT_EQ(Read(line + "0.0}").items[0].delimiter, " ");
  EXPECT_EQ(Read(line + "1.0}").items[0].delimiter, "");
  EXPECT_THAT(Read(line + "1.0}").items[0].choices, ElementsAre(" a", " abc"));
  EXPECT_EQ(Read(line + "1.0}").measure, TaskMeasure::kAccNorm);
  EXPECT_THAT(Read(line + "1.0}").warnings, IsEmpty());
}

TEST(TaskTest, RefusesSamplesThatAreNotOfTasksByLikelihood) {
  EXPECT_THAT(Refusal(R"({"doc_id": 1, "target": "x", "arguments": )"
                      R"({"gen_args_0": {"arg_0": "Q", "arg_1": {"until": []}}}})"),
              AllOf(HasSubstr("few.jsonl:1: "), HasSubstr("generates text")));
  EXPECT_THAT(Refusal(R"({"doc_id": 1, "target": "x", "arguments": )"
                      R"({"gen_args_0": {"arg_0": "a whole text"}}})"),
              HasSubstr("--text"));
  EXPECT_THAT(Refusal(R"({"doc_id": 1, "arguments": {}, "target": ""})"), HasSubstr("none"));
}

TEST(TaskTest, ReadsTheFilesOfLlamaPerplexity) {
  const Task swag = Read("Cooking: A man stirs.\r\n2\nHe eats.\nHe runs.\nHe tastes.\nHe sings.\n",
                         "hellaswag_val.txt");
  EXPECT_EQ(swag.measure, TaskMeasure::kAccNorm);
  EXPECT_THAT(swag.items[0].contexts, ElementsAre("Cooking: A man stirs."));
  EXPECT_THAT(swag.items[0].choices,
              ElementsAre("He eats.", "He runs.", "He tastes.", "He sings."));
  EXPECT_THAT(swag.items[0].answers, ElementsAre(2));

  const Task grande = Read("0,\"Tom, who met _ first, left.\",Ann,Eve,2\n", "winogrande.csv");
  EXPECT_THAT(grande.items[0].contexts, ElementsAre("Tom, who met Ann", "Tom, who met Eve"));
  EXPECT_THAT(grande.items[0].choices, ElementsAre(" first, left.", " first, left."));
  EXPECT_THAT(grande.items[0].answers, ElementsAre(1));
}

TEST(TaskTest, RefusesBrokenFilesOfLlamaPerplexity) {
  EXPECT_THAT(Refusal("Context\n4\na\nb\nc\nd\n", "h.txt"), HasSubstr("h.txt:2: a number from 0"));
  EXPECT_THAT(Refusal("Context\n1\na\nb\nc\n", "h.txt"), HasSubstr("h.txt:5: the file ends"));
  EXPECT_THAT(Refusal("Just prose.\nAnd more.\n", "h.txt"), HasSubstr("docs/tasks.md"));
  EXPECT_THAT(Refusal("0,No gap here.,a,b,1\n", "w.csv"), HasSubstr("w.csv:1: no '_'"));
  EXPECT_THAT(Refusal("0,A _ b.,a,b,3\n", "w.csv"), HasSubstr("w.csv:1: the answer is '3'"));
  EXPECT_THAT(Refusal("0,A _ b.,a,1\n", "w.csv"), HasSubstr("4 fields"));
  EXPECT_THAT(Refusal("0,\"A _ b.,a,b,1\n", "w.csv"), HasSubstr("not closed"));
}

}  // namespace
}  // namespace bitloss
