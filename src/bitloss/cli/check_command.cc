#include <array>
#include <iostream>

#include "bitloss/base/file.h"
#include "bitloss/cli/commands.h"
#include "bitloss/data/answers_file.h"
#include "bitloss/data/checks/answer_text.h"
#include "bitloss/data/embedded.h"

namespace bitloss {
namespace {

struct CheckOptions {
  std::string suite;
  std::string answers;
  bool json = false;
};

// What decided: the first check that has the answer's outcome.
std::string Reason(const PromptResult& result) {
  for (const JudgedCheck& check : result.checks) {
    if (check.outcome == result.outcome) return check.id + ": " + Excerpt(check.evidence);
  }
  return {};
}

Result<int> CheckAnswers(const CheckOptions& options) {
  BITLOSS_TRY(const Suite suite, OpenSuite(options.suite));
  const bool from_input = options.answers == "-";
  const std::string name = from_input ? "standard input" : "'" + options.answers + "'";
  std::string jsonl;
  if (from_input) {
    jsonl.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    BITLOSS_TRY(jsonl, ReadFile(options.answers));
  }
  BITLOSS_TRY(const std::vector<FileAnswer> answers, ParseAnswers(jsonl, name, suite));
  std::array<size_t, 3> counts{};
  for (const FileAnswer& answer : answers) {
    const SuitePrompt& prompt = suite.prompts[answer.prompt];
    const PromptResult result = CheckAnswer(prompt, answer.response);
    ++counts[static_cast<size_t>(result.outcome)];
    if (options.json) {
      fmt::print("{}\n", ResultJson(prompt, result));
    } else {
      fmt::print("{:<9}  {}  {}\n", Name(result.outcome), prompt.id, Reason(result));
    }
  }
  const auto count = [&](CheckOutcome outcome) { return counts[static_cast<size_t>(outcome)]; };
  fmt::print(options.json ? stderr : stdout, "{} answers: {} pass, {} fail, {} undecided\n",
             answers.size(), count(CheckOutcome::kPass), count(CheckOutcome::kFail),
             count(CheckOutcome::kUndecided));
  return 0;
}

}  // namespace

void AddCheckCommand(CLI::App& app, Action& action) {
  auto options = std::make_shared<CheckOptions>();
  CLI::App* command = app.add_subcommand(
      "check", "Judge answers that stand in a file by a suite's checks (docs/checks.md)");
  command->add_option("SUITE", options->suite, "core96, tiny96 or a suite's file")->required();
  command
      ->add_option("--answers", options->answers,
                   "JSONL, one {\"prompt_id\": ..., \"response\": ...} a line; - reads standard "
                   "input")
      ->required();
  command->add_flag("--json", options->json,
                    "One JSON object a line for each answer; the summary goes to standard error");
  command->callback([options, &action] { action = [options] { return CheckAnswers(*options); }; });
}

}  // namespace bitloss
