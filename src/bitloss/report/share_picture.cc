// The scoreboard as a picture.
#include <fmt/format.h>

#include <algorithm>

#include "bitloss/report/html.h"
#include "bitloss/report/scoreboard.h"
#include "bitloss/report/svg.h"
#include "bitloss/report/writers.h"

namespace bitloss {
namespace {

constexpr double kMargin = 32;
constexpr double kGap = 26;           // between columns
constexpr double kFirstRowTop = 118;  // of the first row
constexpr double kRowHeight = 46;
constexpr double kValueWidth = 8.4;  // of a character of 15 units, on average
constexpr double kNoteWidth = 6.2;   // of one of 11 units
constexpr double kChipPadding = 8;
constexpr size_t kMaxNote = 44;

constexpr const char* kStyle =
    "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,Arial,sans-serif;fill:#1b1c1e}"
    ".title{font-size:22px;font-weight:600}.name{font-size:13px;font-weight:600}"
    ".value{font-size:15px}.lane{font-size:15px;font-weight:600}"
    ".note,.sub{font-size:11px;fill:#63666c}.sub{font-size:13px}"
    ".line{stroke:#dfdfda}.chip{font-size:13px;font-weight:600}"
    ".good{fill:#1d6b3c}.mild{fill:#7a5200}.bad{fill:#ad2a1c}.open{fill:#4d5059}"
    ".good-bg{fill:#e4f3e8}.mild-bg{fill:#fdf0d2}.bad-bg{fill:#fbe9e6}.open-bg{fill:#e9e9ee}";

const char* ClassOf(Tone tone) {
  switch (tone) {
    case Tone::kGood:
      return "good";
    case Tone::kMild:
      return "mild";
    case Tone::kBad:
      return "bad";
    case Tone::kOpen:
      return "open";
    case Tone::kPlain:
      break;
  }
  return "plain";
}

// Characters, not bytes.
double Length(std::string_view text) {
  return static_cast<double>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// Where each column begins and ends.
struct Span {
  double left, right;
  double Anchor(Align align) const { return align == Align::kLeft ? left : right; }
};

const char* AnchorName(Align align) { return align == Align::kLeft ? "start" : "end"; }

std::vector<Span> LayOut(const Table& table) {
  std::vector<Span> spans;
  double x = kMargin;
  for (size_t c = 0; c < table.columns.size(); ++c) {
    const Column& column = table.columns[c];
    double width = std::max(kValueWidth * Length(column.name), kNoteWidth * Length(column.unit));
    for (const std::vector<Cell>& row : table.rows) {
      width = std::max({width, kValueWidth * Length(row[c].value) + 2 * kChipPadding,
                        kNoteWidth * Length(row[c].note)});
    }
    spans.push_back({x, x + width});
    x += width + kGap;
  }
  return spans;
}

std::string DrawHead(const Column& column, const Span& span) {
  const double x = span.Anchor(column.align);
  return SvgText(x, kFirstRowTop - 26, AnchorName(column.align), "name", column.name) +
         SvgText(x, kFirstRowTop - 11, AnchorName(column.align), "note", column.unit);
}

std::string DrawChip(const Cell& cell, double x, double y) {
  const char* css_class = ClassOf(cell.tone);
  return fmt::format(
             "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"21\" rx=\"4\" "
             "class=\"{}-bg\"/>\n",
             x, y - 15.5, kValueWidth * Length(cell.value) + 2 * kChipPadding - 4, css_class) +
         SvgText(x + kChipPadding, y, "start", fmt::format("chip {}", css_class).c_str(),
                 cell.value);
}

std::string DrawCell(const Cell& cell, const Column& column, const Span& span, double y) {
  const double x = span.Anchor(column.align);
  std::string svg;
  if (cell.tone != Tone::kPlain) {
    svg = DrawChip(cell, x, y);
  } else {
    svg = SvgText(x, y, AnchorName(column.align), column.name == "Lane" ? "lane" : "value",
                  cell.value.empty() ? "\u2013" : cell.value);
  }
  return svg +
         (cell.note.empty() ? "" : SvgText(x, y + 15, AnchorName(column.align), "note", cell.note));
}

std::string Title(const ReportData& report) {
  const ModelRecord& model = report.manifest.model;
  return SvgText(kMargin, 42, "start", "title", "What quantization changed: " + model.name);
}

std::string Subtitle(const ReportData& report) {
  std::string text;
  for (size_t p = 0; p < std::min<size_t>(1, report.manifest.protocols.size()); ++p) {
    text = ProtocolTitle(report, p) + "; ";
  }
  return text + "95% intervals, paired with " + report.lanes[0].record.scheme + "; bitloss " +
         report.manifest.bitloss_version;
}

}  // namespace

std::string WriteSharePicture(const ReportData& report, Timings timings) {
  Table table = Scoreboard(report, timings);
  for (std::vector<Cell>& row : table.rows) {
    for (Cell& cell : row) cell.note = Shortened(cell.note, kMaxNote);
  }
  const std::vector<Span> spans = LayOut(table);
  const double right = spans.back().right;
  double y = kFirstRowTop + 14;
  std::string rows;
  for (const std::vector<Cell>& row : table.rows) {
    rows += SvgLine(kMargin, y - 21, right, y - 21, "line");
    for (size_t c = 0; c < row.size(); ++c) rows += DrawCell(row[c], table.columns[c], spans[c], y);
    y += kRowHeight;
  }
  const std::string subtitle = Subtitle(report);
  const double width = std::max(right, kMargin + 7.2 * Length(subtitle)) + kMargin;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
      "height=\"{1:.0f}\" role=\"img\" aria-label=\"scoreboard of {2}\">\n<style>{3}</style>\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"#fdfdfc\"/>\n",
      width, y, EscapeHtml(report.manifest.model.name), kStyle);
  svg += Title(report) + SvgText(kMargin, 64, "start", "sub", subtitle);
  for (size_t c = 0; c < spans.size(); ++c) svg += DrawHead(table.columns[c], spans[c]);
  return svg + rows + "</svg>\n";
}

}  // namespace bitloss
