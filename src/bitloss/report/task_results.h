// From what lanes find of a task's continuations to accuracies, margins, and what changed.
#ifndef BITLOSS_REPORT_TASK_RESULTS_H_
#define BITLOSS_REPORT_TASK_RESULTS_H_

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bitloss/base/threads.h"
#include "bitloss/report/report_data.h"
#include "bitloss/report/tables.h"
#include "bitloss/store/records.h"

namespace bitloss {

struct ScoredTask {
  const TaskRecord& record;
  size_t task;  // in the manifest
  std::span<const TaskItemRecord> items;
};

// None if the lane has scored no item. With lane == baseline (the same object) nothing is compared.
// Of equal scores the first choice is taken, as lm-evaluation-harness does. Items count as
// independent of each other.
std::optional<TaskResult> MeasureTask(const ScoredTask& task,
                                      const std::vector<TaskScores>& baseline,
                                      const std::vector<TaskScores>& lane, ThreadPool& threads);

// How many items of a task each lane scored in a second.
void AddTaskSpeeds(std::span<const Timing> timings, size_t task, ReportData& report);

// One row for each lane: its accuracy, what was lost and regained, how far the right answer is
// ahead.
Table TaskTable(const ReportData& report, size_t task);
// One row for each lane: every measure of a task of several.
Table TaskMeasureTable(const ReportData& report, size_t task);
// "1,000 items, acc_norm; ... loses by chance": what stands over the table.
std::string TaskCaption(const ReportData& report, size_t task);
// The items that each lane lost, by id; a line each, empty without any.
std::vector<std::string> LostItems(const ReportData& report, size_t task);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_TASK_RESULTS_H_
