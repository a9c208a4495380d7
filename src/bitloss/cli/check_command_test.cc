// `bitloss check`: anyone's answers, judged by a suite.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "bitloss/cli/run_bitloss.h"
#include "bitloss/json/parse.h"

namespace bitloss {
namespace {

using testing::HasSubstr;

constexpr std::string_view kAnswers =
    "{\"prompt_id\": \"math-001\", \"response\": \"Answer: 42\", \"x-note\": \"right\"}\n"
    "\n"
    "{\"prompt_id\": \"qa-001\", \"response\": \"Spain\"}\n"
    "{\"prompt_id\": \"math-001\", \"response\": \"13\"}\n";

TEST(CheckCommand, SaysEachOutcomeAndCountsThem) {
  const TestFolder folder;
  const Finished text =
      RunBitloss({"check", "core96", "--answers", folder.Write("a.jsonl", kAnswers)});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_EQ(text.err, "");
  EXPECT_THAT(text.out, HasSubstr("pass       math-001  numeric: read 42\n"));
  EXPECT_THAT(text.out, HasSubstr("fail       qa-001  fact: "));
  EXPECT_THAT(text.out, testing::EndsWith("3 answers: 1 pass, 2 fail, 0 undecided\n"));
}

TEST(CheckCommand, SaysThemAsJsonInTheOrderOfTheFile) {
  const TestFolder folder;
  const Finished json = RunBitloss({"check", BITLOSS_SOURCE_DIR "/suites/core96.json", "--json",
                                    "--answers", folder.Write("a.jsonl", kAnswers)});
  EXPECT_EQ(json.exit_code, 0);
  EXPECT_EQ(json.err, "3 answers: 1 pass, 2 fail, 0 undecided\n");
  std::istringstream lines(json.out);
  std::vector<nlohmann::json> results;
  for (std::string line; std::getline(lines, line);) results.push_back(ParseJson(line).value());
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(results[0]["prompt_id"], "math-001");
  EXPECT_EQ(results[0]["outcome"], "pass");
  EXPECT_EQ(results[0]["checks"][0]["evidence"], "read 42");
  EXPECT_EQ(results[1]["outcome"], "fail");
  EXPECT_EQ(results[2]["checks"][0]["outcome"], "fail");
}

TEST(CheckCommand, RefusesBadInputByFileAndLine) {
  const TestFolder folder;
  const auto error = [&](std::string_view bytes) {
    const Finished finished =
        RunBitloss({"check", "core96", "--answers", folder.Write("a.jsonl", bytes)});
    EXPECT_EQ(finished.exit_code, 3) << bytes;
    EXPECT_EQ(finished.out, "");
    EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
    return finished.err;
  };
  EXPECT_THAT(error("\n{\"prompt_id\": \"math-999\", \"response\": \"\"}\n"),
              HasSubstr("a.jsonl', line 2: suite 'core96' has no prompt 'math-999'"));
  EXPECT_THAT(error("{\"prompt_id\": \"math-001\"}\n"), HasSubstr("line 1: /response: missing"));
  EXPECT_THAT(error("{\"prompt_id\": 1, \"response\": \"\"}\n"), HasSubstr("/prompt_id"));
  EXPECT_THAT(error("{\"prompt_id\": \"math-001\", \"response\": \"\", \"respnse\": 1}\n"),
              HasSubstr("/respnse: unknown field"));
  EXPECT_THAT(error("42\n"), HasSubstr("line 1"));
  EXPECT_THAT(error("{\"prompt_id\": \n"), HasSubstr("line 1: not valid JSON"));
  EXPECT_THAT(error(""), HasSubstr("no answers"));
}

TEST(CheckCommand, RefusesWhatIsNotThereAndWhatHasNoChecks) {
  const TestFolder folder;
  const std::string map = folder.Write("map.json", R"({"Math": ["1 + 1?"]})");
  const std::string answers =
      folder.Write("a.jsonl", "{\"prompt_id\": \"math-001\", \"response\": \"2\"}\n");
  EXPECT_THAT(RunBitloss({"check", map, "--answers", answers}).err, HasSubstr("line 1"));
  EXPECT_EQ(RunBitloss({"check", "core96", "--answers", folder / "none"}).exit_code, 4);
  EXPECT_EQ(RunBitloss({"check", "core97", "--answers", answers}).exit_code, 4);
}

}  // namespace
}  // namespace bitloss
