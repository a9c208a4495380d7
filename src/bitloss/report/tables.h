// The tables of a report, before they become text, Markdown or HTML: what the terminal shows and
// what the page shows are the same cells.
#ifndef BITLOSS_REPORT_TABLES_H_
#define BITLOSS_REPORT_TABLES_H_

#include <string>
#include <vector>

#include "bitloss/report/report_data.h"

namespace bitloss {

// What a word stands for, where words have colours.
enum class Tone { kPlain, kGood, kMild, kBad, kOpen };

struct Cell {
  std::string value;  // empty: not measured
  std::string note;   // beside or below it: an interval, a detail
  Tone tone = Tone::kPlain;
};

// A value with its interval beside it; nothing if there is none.
Cell EstimateCell(const std::optional<Estimate>& estimate, std::string (*format)(double));

enum class Align { kLeft, kRight };

struct Column {
  std::string name;  // "KL mean"
  std::string unit;  // "nats/token"; may be empty
  Align align = Align::kRight;
};

struct Table {
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;  // as many cells as columns
  // Columns in which no row has a value are left out.
  void DropEmptyColumns();
};

// One row for each lane: what it weighs, and its numbers under a protocol.
Table TextTable(const ReportData& report, size_t protocol);

// One row for each lane: its answers to a suite.
Table SuiteTable(const ReportData& report, size_t suite, Timings timings);

// One row for each layer with experts, one column for each lane: the share of tokens that go to
// other experts than in the baseline. Empty for a model without.
Table ExpertTable(const ReportData& report, size_t protocol);

// One row for each category, two columns for each lane: passed, and the divergence of answers.
Table CategoryTable(const ReportData& report, size_t suite);

// One row for each lane and part of the model: its format, weights and bytes.
Table CoverageTable(const ReportData& report);

// One row for each lane: tokens per second, seconds to quantize, peak memory.
Table SpeedTable(const ReportData& report);

// The two, side by side: the lane's name and size once.
Table Joined(const Table& left, const Table& right);

// "wikitext2, lines-512-seed": how a protocol's table is called.
std::string ProtocolTitle(const ReportData& report, size_t protocol);

// "500 sequences, 63,398 tokens, 62,898 predictions; 95% intervals, paired, over 12
// articles (7.7 effective)".
std::string ProtocolCaption(const ReportData& report, size_t protocol);

// Why numbers cannot be used: lanes with errors, a study that is not complete.
std::vector<std::string> Failings(const ReportData& report);
// What of a text is not scored or not as it stands in the file, and of a task not asked so.
std::vector<std::string> TextWarnings(const ReportData& report);
// Both: what a reader must know before the numbers.
std::vector<std::string> Warnings(const ReportData& report);

// The result of a lane under a protocol, on a suite, or of a task; null if there is none.
const TextResult* FindText(const LaneResult& lane, size_t protocol);
const SuiteResult* FindSuite(const LaneResult& lane, size_t suite);
const TaskResult* FindTask(const LaneResult& lane, size_t task);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_TABLES_H_
