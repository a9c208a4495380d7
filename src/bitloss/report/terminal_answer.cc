// The answer for a terminal: what a command ends with, never more than a screen.
#include <fmt/format.h>

#include <algorithm>

#include "bitloss/report/numbers.h"
#include "bitloss/report/scoreboard.h"
#include "bitloss/report/summary.h"
#include "bitloss/report/text_table.h"
#include "bitloss/report/writers.h"

namespace bitloss {
namespace {

using Lines = std::vector<std::string>;

// With the line that names the report and an empty one before it: 25.
constexpr size_t kMaxLines = 23;
constexpr size_t kMaxRemarks = 6;
constexpr size_t kLinesOfNames = 2;

Lines Split(const std::string& text) {
  Lines lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

// The first ones, and how many more there are.
void Cut(Lines& lines, size_t room, std::string_view what) {
  if (lines.size() <= room) return;
  const size_t more = lines.size() - (room - 1);
  lines.resize(room - 1);
  lines.push_back(fmt::format("and {} more {}: --verbose", more, what));
}

Lines Remarks(const ReportData& report) {
  Lines remarks;
  for (const std::string& warning : Warnings(report)) remarks.push_back("warning: " + warning);
  for (const std::string& note : ScoreboardNotes(report, Timings::kInclude)) {
    remarks.push_back(note);
  }
  Cut(remarks, kMaxRemarks, "remarks");
  return remarks;
}

Lines SentenceLines(const ReportData& report) {
  Lines lines;
  for (const LaneSummary& summary : Summarize(report)) {
    lines.push_back(fmt::format("{} {}: {}", report.lanes[summary.lane].record.scheme,
                                summary.sentence, summary.verdict));
  }
  return lines;
}

// A row for each lane, the intervals of all but the change in perplexity left to the page.
Lines Board(const ReportData& report) {
  return Split(RenderTable(
      WithoutNotes(Scoreboard(report, Timings::kInclude),
                   {"Lane", "KL", "Same top-1", "Lost", "Accuracy", "Speed", "Verdict"})));
}

}  // namespace

std::string TerminalAnswer(const ReportData& report) {
  const ModelRecord& model = report.manifest.model;
  Lines remarks = Remarks(report);
  Lines board = Board(report);
  // Names of the model and empty lines between the parts.
  size_t room = kMaxLines - remarks.size() - 4;
  Cut(board, std::max(room, kLinesOfNames + 2), "lanes");
  room -= std::min(room, board.size());
  Lines sentences = SentenceLines(report);
  if (sentences.size() > room) sentences.clear();  // the board has every verdict

  std::string text = fmt::format("{} ({}, {} parameters)\n", model.name, model.architecture,
                                 FormatCount(model.num_parameters));
  for (const Lines& part : {remarks, board, sentences}) {
    if (part.empty()) continue;
    text += '\n';
    for (const std::string& line : part) text += line + "\n";
  }
  return text;
}

}  // namespace bitloss
