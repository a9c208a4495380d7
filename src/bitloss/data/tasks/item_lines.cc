// JSON lines of our own.
#include <algorithm>

#include "bitloss/data/tasks/json_line.h"
#include "bitloss/data/tasks/readers.h"
#include "bitloss/json/fields.h"

namespace bitloss {
namespace {

constexpr const char* kShapes =
    "an item has \"choices\" and \"answer\", or \"contexts\", \"continuation\" and \"answer\", or "
    "\"better\" and \"worse\", or \"target\"";

Result<size_t> AnswerOf(const Fields& fields, const OrderedJson& value, size_t num_choices) {
  const bool is_whole = value.is_number_integer();
  if (!is_whole) return fields.Bad("answer", "the number of the right choice is expected, from 0");
  if (value.is_number_unsigned() && value.get<uint64_t>() < num_choices) return value.get<size_t>();
  return fields.Bad("answer", fmt::format("{} is none of the {} choices, which count from 0",
                                          value.dump(), num_choices));
}

Status ReadAnswers(Fields& fields, TaskItem& item) {
  const OrderedJson* answer = fields.Find("answer");
  if (answer == nullptr) return fields.Bad("answer", "missing; it says which choice is right");
  const size_t count = item.choices.size();
  if (!answer->is_array()) {
    BITLOSS_TRY(item.answers.emplace_back(), AnswerOf(fields, *answer, count));
    return Ok();
  }
  for (const OrderedJson& one : *answer) {
    BITLOSS_TRY(item.answers.emplace_back(), AnswerOf(fields, one, count));
  }
  std::ranges::sort(item.answers);
  const auto twice = std::ranges::unique(item.answers);
  item.answers.erase(twice.begin(), twice.end());
  if (item.answers.empty() || item.answers.size() == count) {
    return fields.Bad("answer", "at least one choice must be right, and one wrong");
  }
  return Ok();
}

Status ReadChoices(Fields& fields, TaskItem& item) {
  BITLOSS_TRY(item.contexts.emplace_back(), fields.StringOr("context", ""));
  BITLOSS_TRY(item.choices, fields.Strings("choices"));
  if (item.choices.size() < 2) return fields.Bad("choices", "at least two are expected");
  return ReadAnswers(fields, item);
}

Status ReadContexts(Fields& fields, TaskItem& item) {
  BITLOSS_TRY(item.contexts, fields.Strings("contexts"));
  if (item.contexts.size() < 2) return fields.Bad("contexts", "at least two are expected");
  BITLOSS_TRY(const std::string continuation, fields.String("continuation"));
  item.choices.assign(item.contexts.size(), continuation);
  return ReadAnswers(fields, item);
}

Status ReadPair(Fields& fields, TaskItem& item) {
  BITLOSS_TRY(item.contexts.emplace_back(), fields.StringOr("context", ""));
  for (const char* side : {"better", "worse"}) {
    BITLOSS_TRY(item.choices.emplace_back(), fields.String(side));
  }
  item.answers = {0};
  return Ok();
}

Status ReadCloze(Fields& fields, TaskItem& item) {
  BITLOSS_TRY(item.contexts.emplace_back(), fields.String("context"));
  BITLOSS_TRY(item.choices.emplace_back(), fields.String("target"));
  item.answers = {0};
  return Ok();
}

Status ReadId(Fields& fields, const JsonLine& line, TaskItem& item) {
  const OrderedJson* id = fields.Find("id");
  item.id = std::to_string(line.number);
  if (id == nullptr) return Ok();
  if (id->is_number_unsigned()) {
    item.id = id->dump();
    return Ok();
  }
  BITLOSS_TRY(item.id, fields.String("id"));
  return item.id.empty() ? Status(fields.Bad("id", "it is empty")) : Ok();
}

Status CheckChoices(const Fields& fields, const TaskItem& item) {
  for (size_t i = 0; i < item.choices.size(); ++i) {
    if (!item.choices[i].empty()) continue;
    return BadInput("{}: choice {} is empty: there is nothing whose likelihood could be asked",
                    fields.pointer().empty() ? "item '" + item.id + "'" : fields.pointer(), i);
  }
  return Ok();
}

Result<TaskItem> ReadItem(const JsonLine& line, TaskKind& kind) {
  BITLOSS_TRY(Fields fields, Fields::Of(line.json, ""));
  TaskItem item;
  item.line = line.number;
  BITLOSS_DO(ReadId(fields, line, item));
  kind = TaskKind::kChoice;
  const bool is_pair = line.json.contains("better");
  if (line.json.contains("choices")) {
    BITLOSS_DO(ReadChoices(fields, item));
  } else if (line.json.contains("contexts")) {
    BITLOSS_DO(ReadContexts(fields, item));
  } else if (is_pair) {
    BITLOSS_DO(ReadPair(fields, item));
  } else if (line.json.contains("target")) {
    kind = TaskKind::kCloze;
    BITLOSS_DO(ReadCloze(fields, item));
  } else {
    return BadInput("{}", kShapes);
  }
  // A sentence that begins there has nothing before it.
  const bool begins = item.contexts[0].empty() && item.contexts.size() == 1;
  BITLOSS_TRY(item.delimiter, fields.StringOr("delimiter", begins ? "" : " "));
  BITLOSS_DO(CheckChoices(fields, item));
  BITLOSS_DO(fields.Finish());
  return item;
}

}  // namespace

Status ReadItemLines(std::span<const JsonLine> lines, Task& task) {
  for (const JsonLine& line : lines) {
    TaskKind kind = TaskKind::kChoice;
    Result<TaskItem> item = ReadItem(line, kind);
    if (!item.ok()) return AtLine(line.number, item.error());
    if (task.items.empty()) task.kind = kind;
    if (kind != task.kind) {
      return AtLine(line.number,
                    BadInput("an item of kind {} in a file of kind {}; put them into two files",
                             Name(kind), Name(task.kind)));
    }
    task.items.push_back(std::move(item).value());
  }
  return Ok();
}

}  // namespace bitloss
