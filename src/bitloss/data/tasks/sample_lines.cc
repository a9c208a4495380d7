// The samples that lm-evaluation-harness logs: what it asked a model, as it was asked.
//
// A line holds "arguments" (the pairs of context and continuation), "target" (as text: the number
// of the right choice, or its words) and, from the run that logged it, "resps" and the measures.
// Two things a line does not say, and they are found from that run's own results: whether a target
// that reads as a number is one, and whether the space that a continuation begins with is the
// task's delimiter, which does not count to a choice's length.
#include <algorithm>

#include "bitloss/base/text.h"
#include "bitloss/data/tasks/json_line.h"
#include "bitloss/data/tasks/readers.h"

namespace bitloss {
namespace {

struct Argument {
  std::string context;
  std::string continuation;
};

struct Sample {
  TaskItem item;
  std::vector<double> log_likelihoods;  // of the run that logged it; empty: unknown
  std::optional<double> acc;
  std::optional<double> acc_norm;
  std::string filter;
};

// {"arg_0": ..., "arg_1": ...} of a file, [..., ...] of a program.
Result<Argument> ArgumentOf(const OrderedJson& json) {
  const auto at = [&](size_t i) -> const OrderedJson* {
    if (json.is_array()) return i < json.size() ? &json[i] : nullptr;
    const auto found = json.find(fmt::format("arg_{}", i));
    return found == json.end() ? nullptr : &*found;
  };
  const OrderedJson* context = at(0);
  const OrderedJson* continuation = at(1);
  if (context == nullptr || !context->is_string()) return BadInput("/arguments: no context");
  if (continuation == nullptr) {
    return Unsupported("/arguments: a whole text and no continuation: give the text to --text");
  }
  if (!continuation->is_string()) {
    return Unsupported(
        "/arguments: the sample of a task that generates text, which is not one by "
        "likelihood");
  }
  return Argument{context->get<std::string>(), continuation->get<std::string>()};
}

Result<std::vector<Argument>> ArgumentsOf(const OrderedJson& json) {
  const OrderedJson& listed = json["arguments"];
  std::vector<Argument> arguments;
  for (size_t i = 0; i < listed.size(); ++i) {
    const std::string key = fmt::format("gen_args_{}", i);
    if (!listed.is_array() && !listed.contains(key)) break;
    BITLOSS_TRY(arguments.emplace_back(), ArgumentOf(listed.is_array() ? listed[i] : listed[key]));
  }
  if (arguments.empty()) return BadInput("/arguments: none");
  // Its second half asks for the choices without a context.
  const auto metrics = json.find("metrics");
  if (metrics != json.end() && std::ranges::count(*metrics, "acc_mutual_info") > 0) {
    arguments.resize(arguments.size() / 2);
  }
  return arguments;
}

std::optional<double> NumberOf(const OrderedJson& json) {
  if (json.is_number()) return json.get<double>();
  if (!json.is_string()) return std::nullopt;
  const Result<Json> parsed = ParseJson(json.get<std::string>());
  if (!parsed.ok() || !parsed.value().is_number()) return std::nullopt;
  return parsed.value().get<double>();
}

std::optional<double> FieldOf(const OrderedJson& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() ? std::nullopt : NumberOf(*found);
}

// What each continuation was given, [[[log-likelihood, greedy]], ...]; nothing if that is not
// there.
std::vector<double> LoggedLikelihoods(const OrderedJson& json, size_t count) {
  std::vector<double> values;
  const auto resps = json.find("resps");
  if (resps == json.end() || !resps->is_array()) return {};
  for (size_t i = 0; i < count && i < resps->size(); ++i) {
    const OrderedJson* value = &(*resps)[i];
    while (value->is_array() && !value->empty()) value = &(*value)[0];
    const std::optional<double> number = NumberOf(*value);
    if (!number) return {};
    values.push_back(*number);
  }
  return values.size() == count ? values : std::vector<double>();
}

size_t LargestOf(std::span<const double> values) {
  return static_cast<size_t>(std::ranges::max_element(values) - values.begin());
}

// The choices that `target` may mean: by number, in brackets several, or by its words.
std::vector<std::vector<size_t>> MeaningsOf(const std::string& target, const TaskItem& item) {
  std::vector<std::vector<size_t>> meanings;
  if (const Result<Json> json = ParseJson(target); json.ok()) {
    const Json listed = json.value().is_array() ? json.value() : Json::array({json.value()});
    std::vector<size_t> numbers;
    for (const Json& one : listed) {
      if (one.is_number_unsigned() && one.get<size_t>() < item.choices.size()) {
        numbers.push_back(one.get<size_t>());
      }
    }
    std::ranges::sort(numbers);
    if (!numbers.empty() && numbers.size() == listed.size()) meanings.push_back(numbers);
  }
  const auto same = [&](const std::string& choice) {
    return choice == target || choice == " " + target;
  };
  if (item.contexts.size() > 1) return meanings;  // its choices are all alike
  for (size_t i = 0; i < item.choices.size(); ++i) {
    if (same(item.choices[i]) && !std::ranges::count(meanings, std::vector<size_t>{i})) {
      meanings.push_back({i});
    }
  }
  return meanings;
}

// Of a task whose contexts differ the target is the continuation, and only that run's result says
// which context was right: of two it does.
std::vector<std::vector<size_t>> MeaningsByResult(const Sample& sample) {
  if (sample.item.choices.size() != 2 || sample.log_likelihoods.empty() || !sample.acc) return {};
  return {{0}, {1}};
}

Status FindAnswers(const std::string& target, Sample& sample) {
  std::vector<std::vector<size_t>> meanings = MeaningsOf(target, sample.item);
  if (meanings.empty() && sample.item.contexts.size() > 1) meanings = MeaningsByResult(sample);
  if (meanings.size() > 1 && sample.acc && !sample.log_likelihoods.empty()) {
    const size_t chosen = LargestOf(sample.log_likelihoods);
    std::erase_if(meanings, [&](const std::vector<size_t>& answers) {
      return (std::ranges::count(answers, chosen) > 0) != (*sample.acc == 1.0);
    });
  }
  if (meanings.size() == 1) {
    sample.item.answers = meanings[0];
    return Ok();
  }
  return BadInput(
      "/target: '{}' does not say which of the {} choices is right; write the items as JSON lines "
      "with \"choices\" and \"answer\"",
      target, sample.item.choices.size());
}

std::string TextOf(const OrderedJson& json) {
  return json.is_string() ? json.get<std::string>() : json.dump();
}

Result<Sample> ReadSample(const JsonLine& line) {
  const OrderedJson& json = line.json;
  Sample sample;
  TaskItem& item = sample.item;
  item.line = line.number;
  item.id = json.contains("doc_id") ? TextOf(json["doc_id"]) : std::to_string(line.number);
  if (json.contains("filter")) sample.filter = TextOf(json["filter"]);
  BITLOSS_TRY(const std::vector<Argument> arguments, ArgumentsOf(json));
  for (const Argument& argument : arguments) {
    if (argument.continuation.empty()) return BadInput("/arguments: a continuation is empty");
    item.contexts.push_back(argument.context);
    item.choices.push_back(argument.continuation);
  }
  if (std::ranges::adjacent_find(item.contexts, std::not_equal_to()) == item.contexts.end()) {
    item.contexts.resize(1);
  }
  sample.log_likelihoods = LoggedLikelihoods(json, arguments.size());
  sample.acc = FieldOf(json, "acc");
  sample.acc_norm = FieldOf(json, "acc_norm");
  if (arguments.size() == 1) {
    item.answers = {0};
    return sample;
  }
  if (!json.contains("target")) return BadInput("/target: missing");
  BITLOSS_DO(FindAnswers(TextOf(json["target"]), sample));
  return sample;
}

// Of how many samples acc_norm is not that run's, with `skipped` bytes of each choice not counted.
size_t CountOtherNorms(std::span<const Sample> samples, size_t skipped) {
  return static_cast<size_t>(std::ranges::count_if(samples, [&](const Sample& sample) {
    if (!sample.acc_norm || sample.log_likelihoods.empty()) return false;
    std::vector<double> norms;
    for (size_t i = 0; i < sample.item.choices.size(); ++i) {
      const std::string_view choice = std::string_view(sample.item.choices[i]).substr(skipped);
      norms.push_back(sample.log_likelihoods[i] / static_cast<double>(CodePointsOf(choice).size()));
    }
    const bool right = std::ranges::count(sample.item.answers, LargestOf(norms)) > 0;
    return right != (*sample.acc_norm == 1.0);
  }));
}

// Takes the delimiter off the choices, where there is one.
void FindDelimiter(std::span<Sample> samples, Task& task) {
  const bool all_begin = std::ranges::all_of(samples, [](const Sample& sample) {
    return std::ranges::all_of(sample.item.choices, [](const std::string& choice) {
      return choice.size() > 1 && choice.starts_with(' ');
    });
  });
  const size_t with_space = CountOtherNorms(samples, 0);
  const size_t without = all_begin ? CountOtherNorms(samples, 1) : with_space;
  if (const size_t others = std::min(with_space, without); others > 0) {
    task.warnings.push_back(fmt::format(
        "{} items have another acc_norm in the file than its own log-likelihoods give: the lengths "
        "of choices are not known for sure; prefer acc",
        others));
  }
  if (!all_begin || with_space < without) return;
  for (Sample& sample : samples) {
    sample.item.delimiter = " ";
    for (std::string& choice : sample.item.choices) choice.erase(0, 1);
  }
}

}  // namespace

bool IsSample(const OrderedJson& json) { return json.contains("arguments"); }

Status ReadSampleLines(std::span<const JsonLine> lines, Task& task) {
  std::vector<Sample> samples;
  for (const JsonLine& line : lines) {
    if (!IsSample(line.json)) return AtLine(line.number, BadInput("/arguments: missing"));
    Result<Sample> sample = ReadSample(line);
    if (!sample.ok()) return AtLine(line.number, sample.error());
    const TaskKind kind =
        sample.value().item.choices.size() == 1 ? TaskKind::kCloze : TaskKind::kChoice;
    if (samples.empty()) task.kind = kind;
    if (kind != task.kind) {
      return AtLine(line.number, BadInput("/arguments: an item with one continuation among others "
                                          "with several; put them into two files"));
    }
    // What another filter makes of the same answers is logged again.
    if (!samples.empty() && sample.value().filter != samples[0].filter) continue;
    samples.push_back(std::move(sample).value());
  }
  if (task.kind == TaskKind::kChoice) {
    if (samples[0].acc_norm) task.measure = TaskMeasure::kAccNorm;
    FindDelimiter(samples, task);
  }
  for (Sample& sample : samples) task.items.push_back(std::move(sample.item));
  return Ok();
}

}  // namespace bitloss
