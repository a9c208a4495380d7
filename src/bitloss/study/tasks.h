// A study's tasks, as the model reads them.
#ifndef BITLOSS_STUDY_TASKS_H_
#define BITLOSS_STUDY_TASKS_H_

#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/store/records.h"
#include "bitloss/study/model_files.h"
#include "bitloss/study/options.h"
#include "bitloss/study/task_encoding.h"

namespace bitloss {

struct StudyTask {
  TaskRecord record;
  std::vector<TaskItemRecord> items;
  std::vector<std::vector<EncodedContinuation>> continuations;  // of each item's choices
};

// Every task of the options, with the examples of options.few_shot before each context, the context
// in the chat template with options.task_chat, evenly spread items of options.max_items. kBadInput
// names the file and line of what is wrong.
Result<std::vector<StudyTask>> LoadTasks(const ModelFiles& model, const StudyOptions& options);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_TASKS_H_
