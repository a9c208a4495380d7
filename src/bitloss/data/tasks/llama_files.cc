// The files that llama-perplexity takes for --hellaswag and --winogrande.
#include <array>
#include <charconv>

#include "bitloss/data/tasks/readers.h"
#include "bitloss/data/white_space.h"

namespace bitloss {
namespace {

constexpr size_t kLinesOfItem = 6;
constexpr size_t kEndings = 4;

// A whole number below `end`; none for anything else.
std::optional<size_t> NumberBelow(std::string_view text, size_t end) {
  text = StripAsciiSpace(text);
  size_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || stop != text.data() + text.size() || number >= end) return {};
  return number;
}

// The fields of a line of CSV; quotes around one, doubled inside.
Result<std::vector<std::string>> FieldsOf(std::string_view line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"') {
      fields.back() += line[++i];
    } else if (c == '"' && (quoted || fields.back().empty())) {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  if (quoted) return BadInput("a quotation mark is not closed");
  return fields;
}

Result<TaskItem> WinoGrandeItem(const TaskLine& line) {
  BITLOSS_TRY(const std::vector<std::string> fields, FieldsOf(line.text));
  if (fields.size() != 5) {
    return BadInput("{} fields where 5 are expected: number, sentence, two options, 1 or 2",
                    fields.size());
  }
  const std::string& sentence = fields[1];
  const size_t gap = sentence.find('_');
  if (gap == std::string::npos) return BadInput("no '_' in the sentence, where an option belongs");
  const std::optional<size_t> answer = NumberBelow(fields[4], 3);
  if (!answer || *answer == 0) return BadInput("the answer is '{}', not 1 or 2", fields[4]);
  TaskItem item;
  item.id = fields[0];
  item.line = line.number;
  const std::string rest = sentence.substr(gap + 1);
  if (rest.empty()) return BadInput("nothing follows the '_': there is nothing to compare");
  for (const std::string& option : {fields[2], fields[3]}) {
    if (option.empty()) return BadInput("an option is empty");
    item.contexts.push_back(sentence.substr(0, gap) + option);
    item.choices.push_back(rest);
  }
  item.answers = {*answer - 1};
  return item;
}

}  // namespace

Status ReadHellaSwag(std::span<const TaskLine> lines, Task& task) {
  task.measure = TaskMeasure::kAccNorm;
  for (size_t first = 0; first < lines.size(); first += kLinesOfItem) {
    const auto label = first + 1 < lines.size() ? NumberBelow(lines[first + 1].text, kEndings)
                                                : std::optional<size_t>();
    const size_t at = lines[std::min(first + 1, lines.size() - 1)].number;
    if (!label) {
      return AtLine(at, BadInput("a number from 0 to 3 is expected: HellaSwag's text has six lines "
                                 "an item, context, label and four endings (docs/tasks.md shows "
                                 "the other kinds of file)"));
    }
    if (first + kLinesOfItem > lines.size()) {
      return AtLine(lines.back().number, BadInput("the file ends within an item of six lines"));
    }
    TaskItem& item = task.items.emplace_back();
    item.id = std::to_string(task.items.size());
    item.line = lines[first].number;
    item.contexts.emplace_back(lines[first].text);
    item.delimiter = " ";
    for (size_t i = 0; i < kEndings; ++i) item.choices.emplace_back(lines[first + 2 + i].text);
    item.answers = {*label};
  }
  return Ok();
}

Status ReadWinoGrande(std::span<const TaskLine> lines, Task& task) {
  for (const TaskLine& line : lines) {
    Result<TaskItem> item = WinoGrandeItem(line);
    if (!item.ok()) return AtLine(line.number, item.error());
    task.items.push_back(std::move(item).value());
  }
  return Ok();
}

}  // namespace bitloss
