#include "bitloss/report/html_answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bitloss/report/html.h"
#include "bitloss/report/numbers.h"
#include "bitloss/report/tables.h"
#include "bitloss/report/word_diff.h"

namespace bitloss {
namespace {

constexpr size_t kMaxQuestionLine = 160;
constexpr size_t kMaxMissing = 300;

// How an answer stands to the baseline's: the words of the filter.
const char* Status(const AnswerResult& answer) {
  if (answer.outcome == Outcome::kRegression) return "lost";
  if (answer.outcome == Outcome::kRecovery) return "regained";
  return answer.identical ? "same" : "differs";
}

std::string Chip(const char* css_class, std::string_view text) {
  return fmt::format("<span class=\"chip {}\">{}</span>", css_class, EscapeHtml(text));
}

std::string StatusChip(const AnswerResult& answer) {
  const std::string_view status = Status(answer);
  if (status == "same") return Chip("same", "same as the baseline");
  return Chip(Status(answer), status);
}

std::string CheckChip(const AnswerResult& answer) {
  if (!answer.completed()) return Chip("failed", "error");
  if (!answer.answer.check) return {};
  return answer.passed() ? Chip("passed", "passed") : Chip("failed", "not passed");
}

std::string MarkedText(std::string_view baseline, std::string_view text) {
  std::string html;
  bool first = true;
  for (const DiffPiece& piece : DiffWords(baseline, text)) {
    if (!piece.differs) {
      html += EscapeHtml(piece.text);
      continue;
    }
    std::string title;
    if (!piece.missing.empty()) {
      title =
          fmt::format(" title=\"baseline: {}\"", EscapeHtml(Shortened(piece.missing, kMaxMissing)));
    }
    html += piece.text.empty() ? fmt::format("<span class=\"gap\"{}>[...]</span> ", title)
                               : fmt::format("<mark{}{}>{}</mark>", first ? " class=\"first\"" : "",
                                             title, EscapeHtml(piece.text));
    first = false;
  }
  return html;
}

// What failed, from the evidence of the checks.
std::string FailedChecks(const AnswerResult& answer) {
  if (!answer.answer.check || answer.passed()) return {};
  const auto evidence = nlohmann::json::parse(answer.answer.check->evidence, nullptr, false);
  if (!evidence.is_array()) return {};
  std::string items;
  for (const auto& check : evidence) {
    if (!check.is_object() || check.value("passed", true)) continue;
    const std::string id = check.contains("id") && check["id"].is_string() ? check["id"] : "";
    const std::string found =
        check.contains("evidence") && check["evidence"].is_string() ? check["evidence"] : "";
    items += fmt::format("<li>{}{}{}</li>", EscapeHtml(id), found.empty() ? "" : ": ",
                         EscapeHtml(found));
  }
  return items.empty() ? items : "<ul>" + items + "</ul>";
}

std::string MetaLine(const AnswerResult& result) {
  if (!result.completed()) return {};
  std::string meta = fmt::format("{} tokens", result.answer.token_ids.size());
  if (result.answer.finish == FinishReason::kLimit) meta += ", cut at the limit";
  if (result.mean_kl) {
    meta += fmt::format("; KL on the baseline's answer {}", FormatDivergence(*result.mean_kl));
  }
  return fmt::format("<p class=\"meta\">{}</p>", meta);
}

std::string AnswerBox(const LaneRecord& lane, const AnswerResult& result,
                      const AnswerResult* baseline) {
  const bool is_baseline = lane.baseline;
  std::string html = fmt::format("<section class=\"answer{}\" data-lane=\"{}\"><h4>{} {}{}</h4>",
                                 is_baseline ? " base" : "", lane.lane, EscapeHtml(lane.scheme),
                                 CheckChip(result), is_baseline ? "" : StatusChip(result));
  if (!result.completed()) {
    html += fmt::format("<p class=\"error\">{}</p>", EscapeHtml(result.answer.error));
  } else if (is_baseline || baseline == nullptr) {
    html +=
        fmt::format("<div class=\"text\" dir=\"auto\">{}</div>", EscapeHtml(result.answer.text));
  } else if (!result.identical) {
    html += fmt::format("<div class=\"text\" dir=\"auto\">{}</div>",
                        MarkedText(baseline->answer.text, result.answer.text));
  }
  return html + FailedChecks(result) + MetaLine(result) + "</section>\n";
}

const AnswerResult* FindAnswer(const SuiteResult& suite, size_t prompt) {
  const auto found = std::ranges::find(
      suite.answers, prompt, [](const AnswerResult& result) { return result.answer.prompt; });
  return found == suite.answers.end() ? nullptr : &*found;
}

struct PromptHtml {
  std::string chips;
  std::string boxes;
  std::string statuses;  // "1:same 2:lost"
  bool open = false;
};

PromptHtml AllLanes(const ReportData& report, size_t suite, size_t prompt) {
  PromptHtml html;
  const SuiteResult* baseline_suite = FindSuite(report.lanes[0], suite);
  const AnswerResult* baseline = baseline_suite ? FindAnswer(*baseline_suite, prompt) : nullptr;
  for (const LaneResult& lane : report.lanes) {
    const SuiteResult* result = FindSuite(lane, suite);
    const AnswerResult* answer = result ? FindAnswer(*result, prompt) : nullptr;
    if (answer == nullptr) continue;
    html.boxes += AnswerBox(lane.record, *answer, baseline);
    if (lane.record.baseline) continue;
    const char* status = Status(*answer);
    html.chips += fmt::format("<span class=\"chip {}\" title=\"{}\" data-lane=\"{}\">{}</span>",
                              status, status, lane.record.lane, EscapeHtml(lane.record.scheme));
    html.statuses += fmt::format("{}:{} ", lane.record.lane, status);
    html.open = html.open || answer->outcome == Outcome::kRegression ||
                answer->outcome == Outcome::kRecovery;
  }
  return html;
}

std::string Option(std::string_view value, std::string_view text) {
  return fmt::format("<option value=\"{}\">{}</option>", EscapeHtml(value), EscapeHtml(text));
}

std::string Filters(const ReportData& report, const SuiteResult& suite) {
  std::string categories = Option("all", "all categories");
  for (const CategoryResult& category : suite.categories) {
    categories += Option(category.name, category.name);
  }
  std::string lanes = Option("all", "all lanes");
  for (const LaneResult& lane : report.lanes) {
    if (lane.record.baseline) continue;
    lanes += Option(std::to_string(lane.record.lane), lane.record.scheme);
  }
  return fmt::format(
      "<div class=\"filters\" id=\"filters\" hidden>"
      "<label>Category <select name=\"category\">{}</select></label>"
      "<label>Lane <select name=\"lane\">{}</select></label>"
      "<label>Show <select name=\"show\">{}{}{}{}{}</select></label>"
      "<button type=\"button\" id=\"toggle\">open or close all</button>"
      "<span id=\"shown\" role=\"status\" class=\"muted\"></span></div>\n",
      categories, lanes, Option("all", "all"), Option("lost", "lost"),
      Option("regained", "regained"), Option("differs", "different text"),
      Option("same", "same text"));
}

}  // namespace

std::string HtmlAnswers(const ReportData& report, size_t suite) {
  const SuiteResult* baseline = FindSuite(report.lanes[0], suite);
  if (baseline == nullptr) return {};
  // One suite can be filtered: the controls have ids.
  std::string html = suite == 0 ? Filters(report, *baseline) : "";
  for (const PromptRecord& prompt : report.prompts[suite]) {
    const PromptHtml lanes = AllLanes(report, suite, prompt.prompt);
    html += fmt::format(
        "<details class=\"prompt\" data-category=\"{}\" data-lanes=\"{}\"{}>\n"
        "<summary><code>{}</code> <span class=\"question-line\">{}</span> "
        "<span class=\"chips\">{}</span></summary>\n"
        "<p class=\"question\" dir=\"auto\">{}</p>\n<div class=\"answers\">{}</div>\n</details>\n",
        EscapeHtml(prompt.category), lanes.statuses, lanes.open ? " open" : "",
        EscapeHtml(prompt.id), EscapeHtml(Shortened(prompt.text, kMaxQuestionLine)), lanes.chips,
        EscapeHtml(prompt.text), lanes.boxes);
  }
  return html;
}

}  // namespace bitloss
