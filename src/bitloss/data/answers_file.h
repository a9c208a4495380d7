// Answers that stand in a file, whoever gave them: JSONL, one answer a line,
//
//   {"prompt_id": "math-003", "response": "36"}
//
// Fields whose names begin with "x-" are the writer's own; any other is an error. Blank lines are
// skipped. A prompt may have any number of answers, or none.
#ifndef BITLOSS_DATA_ANSWERS_FILE_H_
#define BITLOSS_DATA_ANSWERS_FILE_H_

#include <string>
#include <string_view>
#include <vector>

#include "bitloss/data/check_answer.h"

namespace bitloss {

struct FileAnswer {
  size_t prompt = 0;  // index into Suite::prompts
  std::string response;
};

// `name` is what messages call the source. kBadInput "<name>, line 3: ..." for a line that is no
// such object, a prompt that the suite does not have or that has no checks; also for no answer.
Result<std::vector<FileAnswer>> ParseAnswers(std::string_view jsonl, std::string_view name,
                                             const Suite& suite);

// {"prompt_id": ..., "outcome": "pass", "checks": [{"id", "outcome", "passed", "evidence"}, ...]}
// on one line.
std::string ResultJson(const SuitePrompt& prompt, const PromptResult& result);

}  // namespace bitloss

#endif  // BITLOSS_DATA_ANSWERS_FILE_H_
