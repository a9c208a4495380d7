#include "bitloss/data/tasks/task.h"

#include <map>

#include "bitloss/base/file.h"
#include "bitloss/base/hash.h"
#include "bitloss/base/text.h"
#include "bitloss/data/tasks/json_line.h"
#include "bitloss/data/tasks/readers.h"
#include "bitloss/data/white_space.h"

namespace bitloss {
namespace {

constexpr size_t kMaxTaskBytes = size_t{1} << 30;

// Lines that are not blank, without "\n" or "\r\n".
std::vector<TaskLine> LinesOf(std::string_view bytes) {
  std::vector<TaskLine> lines;
  size_t number = 0;
  for (size_t begin = 0; begin < bytes.size();) {
    const size_t end = std::min(bytes.find('\n', begin), bytes.size());
    std::string_view line = bytes.substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++number;
    if (!IsBlank(line)) lines.push_back({line, number});
    begin = end + 1;
  }
  return lines;
}

Status ReadJsonLines(std::span<const TaskLine> lines, Task& task) {
  std::vector<JsonLine> parsed;
  for (const TaskLine& line : lines) {
    Result<OrderedJson> json = ParseOrderedJson(line.text);
    if (!json.ok()) return AtLine(line.number, json.error());
    if (!json.value().is_object()) {
      return AtLine(line.number, BadInput("each line must be one item, a JSON object"));
    }
    parsed.push_back({std::move(json).value(), line.number});
  }
  return IsSample(parsed[0].json) ? ReadSampleLines(parsed, task) : ReadItemLines(parsed, task);
}

Status ReadAny(std::span<const TaskLine> lines, const std::filesystem::path& name, Task& task) {
  if (StripAsciiSpace(lines[0].text).starts_with('{')) return ReadJsonLines(lines, task);
  return name.extension() == ".csv" ? ReadWinoGrande(lines, task) : ReadHellaSwag(lines, task);
}

Status CheckIds(const Task& task) {
  std::map<std::string, size_t> lines;
  for (const TaskItem& item : task.items) {
    const auto [first, is_new] = lines.try_emplace(item.id, item.line);
    if (is_new) continue;
    return AtLine(item.line, BadInput("the id '{}' is that of line {} too; give every item its own",
                                      item.id, first->second));
  }
  return Ok();
}

// "samples_hellaswag_2026-01-31T12-00-00.123.jsonl" is of hellaswag.
std::string NameOf(const std::filesystem::path& path) {
  constexpr std::string_view kSamples = "samples_";
  std::string name = path.stem().string();
  if (!name.starts_with(kSamples)) return name;
  name.erase(0, kSamples.size());
  const size_t date = name.rfind("_20");
  if (date != std::string::npos && date > 0) name.resize(date);
  return name;
}

}  // namespace

std::string_view Name(TaskKind kind) { return kind == TaskKind::kChoice ? "choice" : "cloze"; }

std::string_view Name(TaskMeasure measure) {
  switch (measure) {
    case TaskMeasure::kAcc:
      return "acc";
    case TaskMeasure::kAccNorm:
      return "acc_norm";
    case TaskMeasure::kAccBytes:
      return "acc_bytes";
  }
  return "";
}

Error AtLine(size_t line, const Error& error) {
  return {error.kind, fmt::format("{}: {}", line, error.message)};
}

Result<Task> ParseTask(std::string_view bytes, const std::filesystem::path& name) {
  const std::string file = name.string();
  if (const auto offset = FindInvalidUtf8(bytes)) {
    return BadInput("{}: byte {} is not valid UTF-8", file, *offset);
  }
  bytes = WithoutByteOrderMark(bytes);
  const std::vector<TaskLine> lines = LinesOf(bytes);
  if (lines.empty()) return BadInput("{}: no items; docs/tasks.md shows what one looks like", file);
  Task task;
  task.name = NameOf(name);
  task.sha256 = Sha256Hex(bytes);
  Status read = ReadAny(lines, name, task);
  if (read.ok()) read = CheckIds(task);
  if (!read.ok()) return Error{read.error().kind, file + ":" + read.error().message};
  return task;
}

Result<Task> LoadTask(const std::filesystem::path& path) {
  BITLOSS_TRY(const std::string bytes, ReadFile(path, kMaxTaskBytes));
  return ParseTask(bytes, path);
}

std::string FewShotText(const Task& examples) {
  std::string text;
  for (const TaskItem& item : examples.items) {
    const size_t answer = item.answers[0];
    text += item.ContextOf(answer) + item.delimiter + item.choices[answer] + "\n\n";
  }
  return text;
}

}  // namespace bitloss
