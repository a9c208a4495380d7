#include "bitloss/study/tasks.h"

#include <algorithm>

#include "bitloss/base/hash.h"
#include "bitloss/base/text.h"
#include "bitloss/data/tasks/task.h"
#include "bitloss/study/chat_choice.h"

namespace bitloss {
namespace {

// How contexts become what the model reads.
struct Rendering {
  std::string few_shot;
  std::string few_shot_hash;
  std::optional<ChatTemplate> chat;

  Result<std::string> ContextOf(const TaskItem& item, size_t choice) const {
    std::string context = few_shot + item.ContextOf(choice);
    if (!chat) return context;
    const ChatMessage message{"user", std::move(context)};
    return chat->Render({&message, 1}, ChatTemplate::GenerationPrompt::kAdd);
  }
  // A chat template ends where the answer begins.
  std::string ContinuationOf(const TaskItem& item, size_t choice) const {
    return (chat ? "" : item.delimiter) + item.choices[choice];
  }
};

Result<Rendering> RenderingOf(const ModelFiles& model, const StudyOptions& options) {
  Rendering rendering;
  if (!options.few_shot.empty()) {
    BITLOSS_TRY(const Task examples, LoadTask(options.few_shot));
    rendering.few_shot = FewShotText(examples);
    rendering.few_shot_hash = examples.sha256;
  }
  if (!options.task_chat) return rendering;
  BITLOSS_TRY(const ChatTemplate chat, RequireChatTemplate(model.tokenizer, options.chat_template));
  BITLOSS_TRY(const ChatVariables variables, ParseChatVariables(options.chat_variables));
  rendering.chat = chat.With(variables);
  return rendering;
}

// Evenly spread, so that every part of the file keeps its share.
void KeepItems(size_t max_items, Task& task) {
  const size_t count = task.items.size();
  if (max_items >= count) return;
  std::vector<TaskItem> kept;
  for (size_t i = 0; i < max_items; ++i)
    kept.push_back(std::move(task.items[i * count / max_items]));
  task.items = std::move(kept);
}

uint32_t Narrow(size_t count) { return static_cast<uint32_t>(count); }

Status AddItem(const ModelFiles& model, const Rendering& rendering, const TaskItem& item,
               StudyTask& task) {
  TaskItemRecord& record = task.items.emplace_back();
  record.item = task.items.size() - 1;
  record.id = item.id;
  for (const size_t answer : item.answers) record.answers.push_back(Narrow(answer));
  std::vector<EncodedContinuation>& continuations = task.continuations.emplace_back();
  for (size_t i = 0; i < item.choices.size(); ++i) {
    BITLOSS_TRY(const std::string context, rendering.ContextOf(item, i));
    Result<EncodedContinuation> encoded =
        EncodeContinuation(model.tokenizer, context, rendering.ContinuationOf(item, i),
                           model.source.config().max_positions);
    if (!encoded.ok()) return Within(fmt::format("choice {}", i), encoded.error());
    continuations.push_back(std::move(encoded).value());
    record.characters.push_back(Narrow(CodePointsOf(item.choices[i]).size()));
    record.bytes.push_back(Narrow(item.choices[i].size()));
    record.tokens.push_back(Narrow(continuations.back().num_scored()));
  }
  return Ok();
}

std::string HashOfTokens(const StudyTask& task) {
  Sha256 hash;
  for (const auto& continuations : task.continuations) {
    for (const EncodedContinuation& one : continuations) {
      hash.Add(fmt::format("{} {}\n", one.tokens.size(), one.first_scored));
      hash.Add(std::as_bytes(std::span(one.tokens)));
    }
  }
  return hash.Finish();
}

void SayWhatWasCut(const StudyTask& task, std::vector<std::string>& warnings) {
  const auto num_cut = std::ranges::count_if(task.continuations, [](const auto& item) {
    return std::ranges::any_of(item, [](const EncodedContinuation& c) { return c.num_cut > 0; });
  });
  if (num_cut == 0) return;
  warnings.push_back(fmt::format(
      "{} of {} items are longer than the model's positions and lose their first tokens", num_cut,
      task.items.size()));
}

Result<StudyTask> EncodeTask(const ModelFiles& model, const Rendering& rendering, const Task& read,
                             const std::filesystem::path& path) {
  StudyTask task;
  for (const TaskItem& item : read.items) {
    if (const Status added = AddItem(model, rendering, item, task); !added.ok()) {
      return Error{added.error().kind, fmt::format("{}:{}: item '{}': {}", path.string(), item.line,
                                                   item.id, added.error().message)};
    }
  }
  task.record = {.id = read.name,
                 .hash = read.sha256,
                 .tokens_hash = HashOfTokens(task),
                 .kind = std::string(Name(read.kind)),
                 .measure = std::string(Name(read.measure)),
                 .num_items = task.items.size(),
                 .few_shot_hash = rendering.few_shot_hash,
                 .chat = rendering.chat.has_value(),
                 .warnings = read.warnings};
  SayWhatWasCut(task, task.record.warnings);
  return task;
}

}  // namespace

Result<std::vector<StudyTask>> LoadTasks(const ModelFiles& model, const StudyOptions& options) {
  std::vector<StudyTask> tasks;
  if (options.tasks.empty()) return tasks;
  BITLOSS_TRY(const Rendering rendering, RenderingOf(model, options));
  for (const std::filesystem::path& path : options.tasks) {
    BITLOSS_TRY(Task read, LoadTask(path));
    if (options.max_items) KeepItems(*options.max_items, read);
    BITLOSS_TRY(StudyTask task, EncodeTask(model, rendering, read, path));
    const auto same_name = [&](const StudyTask& other) {
      return other.record.id == task.record.id;
    };
    if (std::ranges::any_of(tasks, same_name)) {
      return BadInput("'{}': another task is called '{}' too; rename one of the files",
                      path.string(), task.record.id);
    }
    for (TaskItemRecord& item : task.items) item.task = tasks.size();
    tasks.push_back(std::move(task));
  }
  return tasks;
}

}  // namespace bitloss
