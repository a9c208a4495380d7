#include "bitloss/cli/print_report.h"

#include <fmt/format.h>

#include "bitloss/report/writers.h"

namespace bitloss {

void AddDetailOption(CLI::App& command, Detail& detail) {
  command.add_flag_function(
      "--verbose", [&detail](int64_t) { detail = Detail::kEverything; },
      "Print every table and every verdict, then the answer");
}

void PrintReport(const ReportData& report, const std::filesystem::path& page, Detail detail) {
  if (detail == Detail::kEverything) fmt::print("{}\n", TerminalDetails(report));
  fmt::print("{}\nreport: {}\n", TerminalAnswer(report), page.string());
}

}  // namespace bitloss
