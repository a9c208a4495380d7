// The kinds of task files (task.h), a file each.
#ifndef BITLOSS_DATA_TASKS_READERS_H_
#define BITLOSS_DATA_TASKS_READERS_H_

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/data/tasks/task.h"
#include "bitloss/json/parse.h"

namespace bitloss {

// A line of a file without its end, and its number from 1.
struct TaskLine {
  std::string_view text;
  size_t number = 0;
};

// "<line>: <what is wrong>", to which the reader's caller adds the file.
Error AtLine(size_t line, const Error& error);

struct JsonLine;  // json_line.h

// Each fills in kind, measure, items and warnings. Their items need not have different ids yet.
Status ReadItemLines(std::span<const JsonLine> lines, Task& task);
Status ReadSampleLines(std::span<const JsonLine> lines, Task& task);
Status ReadHellaSwag(std::span<const TaskLine> lines, Task& task);
Status ReadWinoGrande(std::span<const TaskLine> lines, Task& task);

// Whether a line was logged by lm-evaluation-harness.
bool IsSample(const OrderedJson& json);

}  // namespace bitloss

#endif  // BITLOSS_DATA_TASKS_READERS_H_
