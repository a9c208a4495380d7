// Tasks by likelihood: items whose answer is the continuation that a model finds most likely, or
// the one continuation that it should find. No text is generated.
//
// Four kinds of file are read, told apart by what is in them (docs/tasks.md):
//
//   JSON lines     one item a line: {"id", "context", "choices": [...], "answer": k} and its like
//   samples        the JSON lines that lm-evaluation-harness logs (samples_*.jsonl)
//   HellaSwag      llama-perplexity's text: six lines an item
//   WinoGrande     llama-perplexity's CSV: number, sentence with a "_", two options, 1 or 2
//
// A continuation is what follows a context: a delimiter and a choice. What is compared between
// continuations of different lengths is divided by the length of the choice, without the delimiter,
// as lm-evaluation-harness does.
#ifndef BITLOSS_DATA_TASKS_TASK_H_
#define BITLOSS_DATA_TASKS_TASK_H_

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"

namespace bitloss {

// kChoice: the right one of several continuations. kCloze: one continuation, which is right if the
// model would have written it itself.
enum class TaskKind { kChoice, kCloze };
std::string_view Name(TaskKind kind);  // "choice", "cloze"

// By what the continuations of an item are compared: their log-likelihood, or that divided by the
// choice's characters, or by its bytes.
enum class TaskMeasure { kAcc, kAccNorm, kAccBytes };
std::string_view Name(TaskMeasure measure);  // "acc", "acc_norm", "acc_bytes"

struct TaskItem {
  std::string id;
  std::vector<std::string> contexts;  // one for all choices, or one for each; may be empty strings
  std::string delimiter;              // between a context and a choice
  std::vector<std::string> choices;   // none empty; of a cloze one
  std::vector<size_t> answers;        // the right ones, rising; of a cloze {0}
  size_t line = 0;                    // where it begins in its file, from 1

  const std::string& ContextOf(size_t choice) const {
    return contexts[contexts.size() == 1 ? 0 : choice];
  }
};

struct Task {
  std::string name;
  std::string sha256;  // of the file
  TaskKind kind = TaskKind::kChoice;
  // What decides: the others are reported beside it.
  TaskMeasure measure = TaskMeasure::kAcc;
  std::vector<TaskItem> items;        // at least one; no two share an id
  std::vector<std::string> warnings;  // what could not be read as surely as it should; a line each
};

// The task in `bytes`; `name` is the file's, with what it ends in. kBadInput
// "<name>:<line>: <what is wrong, what to do>".
Result<Task> ParseTask(std::string_view bytes, const std::filesystem::path& name);

// The file at `path`. Errors of ReadFile and ParseTask.
Result<Task> LoadTask(const std::filesystem::path& path);

// Items that show how to answer, as text that comes before a context: each with its right answer
// and an empty line after it.
std::string FewShotText(const Task& examples);

}  // namespace bitloss

#endif  // BITLOSS_DATA_TASKS_TASK_H_
