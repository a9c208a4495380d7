#include "bitloss/report/html_answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bitloss/report/fork.h"
#include "bitloss/report/html.h"
#include "bitloss/report/numbers.h"
#include "bitloss/report/suite_results.h"
#include "bitloss/report/tables.h"
#include "bitloss/report/word_diff.h"

namespace bitloss {
namespace {

constexpr size_t kMaxQuestionLine = 160;
constexpr size_t kMaxMissing = 300;

// How an answer stands to the baseline's: the words of the filter.
const char* StatusWord(const AnswerResult& answer) {
  if (answer.outcome == Outcome::kRegression) return "lost";
  if (answer.outcome == Outcome::kRecovery) return "regained";
  return answer.identical ? "same" : "differs";
}

std::string Chip(const char* css_class, std::string_view text) {
  return fmt::format("<span class=\"chip {}\">{}</span>", css_class, EscapeHtml(text));
}

std::string CheckChip(const AnswerResult& answer) {
  if (!answer.completed()) return Chip("failed", "error");
  if (!answer.answer.check) return {};
  if (answer.undecided()) return Chip("undecided", "undecided");
  return answer.passed() ? Chip("passed", "passed") : Chip("failed", "not passed");
}

// The words in marks, the white space after them outside.
std::string Mark(const DiffPiece& piece, const char* css_class) {
  std::string title;
  if (!piece.missing.empty()) {
    title = fmt::format(" title=\"{}\"", EscapeHtml(Shortened(piece.missing, kMaxMissing)));
  }
  if (piece.text.empty()) return fmt::format("<span class=\"gap\"{}>[...]</span> ", title);
  const size_t end = piece.text.find_last_not_of(" \t\r\n\v\f") + 1;
  return fmt::format("<mark{}{}>{}</mark>{}", css_class, title,
                     EscapeHtml(std::string_view(piece.text).substr(0, end)),
                     EscapeHtml(std::string_view(piece.text).substr(end)));
}

std::string MarkedText(std::string_view baseline, std::string_view text) {
  std::string html;
  bool first = true;
  for (const DiffPiece& piece : DiffWords(baseline, text)) {
    html += piece.differs ? Mark(piece, first ? " class=\"first\"" : "") : EscapeHtml(piece.text);
    first = first && !piece.differs;
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

std::string Percent(const std::optional<double>& probability) {
  if (!probability) return "not recorded";
  return fmt::format("{:.{}f}%", 100 * *probability, *probability < 0.1 ? 2 : 1);
}

std::string BranchHtml(const char* who, const Branch& branch) {
  const std::string says =
      branch.token ? fmt::format("<q>{}</q>", EscapeHtml(branch.text)) : std::string("ends here");
  const std::string token = branch.token ? fmt::format(", token {}", *branch.token) : std::string();
  return fmt::format("{} {} (p {} in the baseline, {} here{})", who, says,
                     Percent(branch.baseline_probability), Percent(branch.lane_probability), token);
}

// Where the two part, and whether the baseline was about to say the same.
std::string ForkLine(const AnswerResult& result) {
  if (!result.fork) return {};
  const Fork& fork = *result.fork;
  const std::optional<bool> near = fork.NearTie();
  const char* call = !near   ? ""
                     : *near ? " <b>A near-tie in the baseline.</b>"
                             : " <b>Not a near-tie in the baseline.</b>";
  return fmt::format("<p class=\"fork\">Fork after {} token{}{}: {}; {}.{}</p>", fork.position,
                     fork.position == 1 ? "" : "s",
                     fork.shared.empty() ? "" : " (<q>" + EscapeHtml(fork.shared) + "</q>)",
                     BranchHtml("the baseline", fork.baseline), BranchHtml("this lane", fork.lane),
                     call);
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
  const std::string status = lane.baseline ? "" : Chip(StatusWord(result), StatusWord(result));
  std::string html = fmt::format("<section class=\"answer{}\" data-lane=\"{}\"><h4>{} {}{}</h4>",
                                 lane.baseline ? " base" : "", lane.lane, EscapeHtml(lane.scheme),
                                 CheckChip(result), status);
  if (!result.completed()) {
    html += fmt::format("<p class=\"error\">{}</p>", EscapeHtml(result.answer.error));
  } else {
    const std::string& text = result.answer.text;
    html +=
        fmt::format("<div class=\"text\" dir=\"auto\">{}</div>",
                    lane.baseline || baseline == nullptr ? EscapeHtml(text)
                                                         : MarkedText(baseline->answer.text, text));
  }
  return html + ForkLine(result) + FailedChecks(result) + MetaLine(result) + "</section>\n";
}

// A lane that answered as the baseline did, in a few words.
std::string SameAnswer(const LaneRecord& lane, const AnswerResult& result) {
  const std::string kl =
      result.mean_kl ? fmt::format(" (KL {})", FormatDivergence(*result.mean_kl)) : "";
  return fmt::format("<span class=\"same\" data-lane=\"{}\">{}{}</span> ", lane.lane,
                     EscapeHtml(lane.scheme), kl);
}

struct PromptHtml {
  std::string chips;
  std::string boxes;
  std::string same;
  std::string statuses;  // "1:same 2:lost"
  bool flips = false;    // some lane lost or regained it
};

PromptHtml AllLanes(const ReportData& report, size_t suite, size_t prompt) {
  PromptHtml html;
  const SuiteResult* baseline_suite = FindSuite(report.lanes[0], suite);
  const AnswerResult* baseline = baseline_suite ? FindAnswer(*baseline_suite, prompt) : nullptr;
  for (const LaneResult& lane : report.lanes) {
    const SuiteResult* result = FindSuite(lane, suite);
    const AnswerResult* answer = result ? FindAnswer(*result, prompt) : nullptr;
    if (answer == nullptr) continue;
    if (answer->identical) {
      html.same += SameAnswer(lane.record, *answer);
    } else {
      html.boxes += AnswerBox(lane.record, *answer, baseline);
    }
    if (lane.record.baseline) continue;
    const char* status = StatusWord(*answer);
    html.chips += fmt::format("<span class=\"chip {}\" title=\"{}\" data-lane=\"{}\">{}</span>",
                              status, status, lane.record.lane, EscapeHtml(lane.record.scheme));
    html.statuses += fmt::format("{}:{} ", lane.record.lane, status);
    html.flips = html.flips || answer->outcome == Outcome::kRegression ||
                 answer->outcome == Outcome::kRecovery;
  }
  return html;
}

std::string PromptDetails(const PromptRecord& prompt, size_t suite, const PromptHtml& lanes) {
  const std::string same =
      lanes.same.empty() ? "" : "<p class=\"same-answers\">Same answer: " + lanes.same + "</p>\n";
  return fmt::format(
      "<details class=\"prompt\" id=\"prompt-{}-{}\" data-category=\"{}\" data-lanes=\"{}\">\n"
      "<summary><code>{}</code> <span class=\"question-line\">{}</span> "
      "<span class=\"chips\">{}</span></summary>\n"
      "<p class=\"question\" dir=\"auto\">{}</p>\n<div "
      "class=\"answers\">{}</div>\n{}</details>\n",
      suite, prompt.prompt, EscapeHtml(prompt.category), lanes.statuses, EscapeHtml(prompt.id),
      EscapeHtml(Shortened(prompt.text, kMaxQuestionLine)), lanes.chips, EscapeHtml(prompt.text),
      lanes.boxes, same);
}

constexpr const char* kHowToReadAnswers =
    "<p class=\"muted\">Words that differ from the baseline's answer are <mark>marked</mark>; what "
    "the baseline says instead shows when you point at them. The first difference is <mark "
    "class=\"first\">underlined</mark>: what follows it answers another beginning. A fork is a "
    "near-tie if the baseline gives the lane's token at least half the probability of its "
    "own.</p>\n";

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
      "<div class=\"filters\" role=\"group\" aria-label=\"filter the answers\" hidden>"
      "<label>Category <select name=\"category\">{}</select></label>"
      "<label>Lane <select name=\"lane\">{}</select></label>"
      "<label>Verdict <select name=\"show\">{}{}{}{}{}</select></label>"
      "<button type=\"button\" class=\"toggle\">open or close all</button>"
      "<span class=\"shown muted\" role=\"status\"></span></div>\n",
      categories, lanes, Option("all", "all verdicts"), Option("lost", "lost"),
      Option("regained", "regained"), Option("differs", "different text"),
      Option("same", "same text"));
}

}  // namespace

std::string HtmlAnswers(const ReportData& report, size_t suite) {
  const SuiteResult* baseline = FindSuite(report.lanes[0], suite);
  if (baseline == nullptr) return {};
  std::string changed;
  std::string others;
  size_t num_others = 0;
  for (const PromptRecord& prompt : report.prompts[suite]) {
    const PromptHtml lanes = AllLanes(report, suite, prompt.prompt);
    (lanes.flips ? changed : others) += PromptDetails(prompt, suite, lanes);
    num_others += lanes.flips ? 0 : 1;
  }
  const char* verb = changed.empty() ? "All" : "The other";
  if (!others.empty()) {
    others = fmt::format(
        "<details class=\"rest\"><summary>{} {} prompts, which no lane lost or "
        "regained</summary>\n{}</details>\n",
        verb, num_others, others);
  }
  return "<div class=\"browser\">\n" + std::string(kHowToReadAnswers) + Filters(report, *baseline) +
         changed + others + "</div>\n";
}

}  // namespace bitloss
