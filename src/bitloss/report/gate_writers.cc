#include <fmt/format.h>

#include "bitloss/report/gate.h"
#include "bitloss/report/html.h"

namespace bitloss {
namespace {

std::string_view OutcomeText(const GateResult& result) {
  switch (result.exit_code()) {
    case 0:
      return "the policy holds";
    case 1:
      return "harm is shown";
    default:
      return "cannot decide: the data do not settle every rule";
  }
}

// "delta_nll on eval.txt, lines-512-seed".
std::string Subject(const GateCheck& check) {
  return check.place.empty() ? check.metric : check.metric + " on " + check.place;
}

std::string Counts(const GateResult& result) {
  return fmt::format("{} checks: {} hold, {} cannot be decided, {} show harm", result.checks.size(),
                     result.Count(GateState::kHolds), result.Count(GateState::kUndecided),
                     result.Count(GateState::kHarm));
}

// A cell of a Markdown table.
std::string MarkdownCell(std::string_view text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|' || c == '\\' || c == '*' || c == '_' || c == '`' || c == '<') cell += '\\';
    cell += c == '\n' ? ' ' : c;
  }
  return cell;
}

}  // namespace

std::string WriteGateText(const GateResult& result) {
  std::string text;
  for (const GateCheck& check : result.checks) {
    const std::string lane = check.lane.empty() ? "" : check.lane + ", ";
    text +=
        fmt::format("{:<13}  {}{}: {}\n", Name(check.state), lane, Subject(check), check.sentence);
  }
  return text + fmt::format("{}; {}\n", OutcomeText(result), Counts(result));
}

std::string WriteGateMarkdown(const GateResult& result, std::string_view title) {
  std::string text = fmt::format("### {}: {}\n\n{}.\n\n", MarkdownCell(title), OutcomeText(result),
                                 Counts(result));
  text += "| Lane | Rule | State | Evidence |\n|---|---|---|---|\n";
  for (const GateCheck& check : result.checks) {
    text +=
        fmt::format("| {} | {} | {} | {} |\n", MarkdownCell(check.lane),
                    MarkdownCell(Subject(check)), Name(check.state), MarkdownCell(check.sentence));
  }
  return text;
}

std::string WriteGateJunit(const GateResult& result, std::string_view title) {
  std::string text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  text += fmt::format(
      "<testsuites>\n<testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\">\n",
      EscapeHtml(title), result.checks.size(), result.Count(GateState::kHarm),
      result.Count(GateState::kUndecided));
  for (const GateCheck& check : result.checks) {
    const std::string sentence = EscapeHtml(check.sentence);
    text += fmt::format(
        "<testcase classname=\"{}\" name=\"{}\">", EscapeHtml(check.lane),
        EscapeHtml(check.bound.empty() ? Subject(check) : Subject(check) + ": " + check.bound));
    if (check.state == GateState::kHolds) {
      text += fmt::format("<system-out>{}</system-out>", sentence);
    } else {
      const std::string_view element = check.state == GateState::kHarm ? "failure" : "error";
      text +=
          fmt::format("<{0} type=\"{1}\" message=\"{2}\"/>", element, Name(check.state), sentence);
    }
    text += "</testcase>\n";
  }
  return text + "</testsuite>\n</testsuites>\n";
}

}  // namespace bitloss
