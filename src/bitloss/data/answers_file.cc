#include "bitloss/data/answers_file.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "bitloss/data/checks/answer_text.h"
#include "bitloss/json/fields.h"

namespace bitloss {
namespace {

using PromptIndex = std::map<std::string, size_t, std::less<>>;

Result<FileAnswer> ParseAnswer(std::string_view line, const Suite& suite,
                               const PromptIndex& prompts) {
  BITLOSS_TRY(const OrderedJson json, ParseOrderedJson(line));
  BITLOSS_TRY(Fields fields, Fields::Of(json, ""));
  BITLOSS_TRY(const std::string id, fields.String("prompt_id"));
  FileAnswer answer;
  BITLOSS_TRY(answer.response, fields.String("response"));
  BITLOSS_DO(fields.Finish());
  const auto found = prompts.find(id);
  if (found == prompts.end()) {
    return BadInput("suite '{}' has no prompt '{}'", suite.id, Excerpt(id));
  }
  answer.prompt = found->second;
  if (suite.prompts[answer.prompt].checks.empty()) {
    return BadInput("prompt '{}' of suite '{}' has no checks to judge by", id, suite.id);
  }
  return answer;
}

}  // namespace

Result<std::vector<FileAnswer>> ParseAnswers(std::string_view jsonl, std::string_view name,
                                             const Suite& suite) {
  PromptIndex prompts;
  for (size_t i = 0; i < suite.prompts.size(); ++i) prompts[suite.prompts[i].id] = i;
  std::vector<FileAnswer> answers;
  size_t number = 0;
  for (size_t begin = 0; begin < jsonl.size();) {
    const size_t end = std::min(jsonl.find('\n', begin), jsonl.size());
    const std::string_view line = Trim(jsonl.substr(begin, end - begin));
    begin = end + 1;
    ++number;
    if (line.empty()) continue;
    Result<FileAnswer> answer = ParseAnswer(line, suite, prompts);
    if (!answer.ok()) return Within(fmt::format("{}, line {}", name, number), answer.error());
    answers.push_back(std::move(answer).value());
  }
  if (answers.empty()) return BadInput("{}: no answers; one JSON object a line is expected", name);
  return answers;
}

std::string ResultJson(const SuitePrompt& prompt, const PromptResult& result) {
  // The checks are one JSON text already.
  return fmt::format(R"({{"prompt_id":{},"outcome":"{}","checks":{}}})",
                     OrderedJson(prompt.id).dump(), Name(result.outcome), EvidenceJson(result));
}

}  // namespace bitloss
