// What a command says of a study on the terminal.
#ifndef BITLOSS_CLI_PRINT_REPORT_H_
#define BITLOSS_CLI_PRINT_REPORT_H_

#include <CLI/CLI.hpp>
#include <filesystem>

#include "bitloss/report/report_data.h"

namespace bitloss {

enum class Detail { kAnswer, kEverything };

// --verbose
void AddDetailOption(CLI::App& command, Detail& detail);

// The answer, after everything else if that is asked for, and where the page lies.
void PrintReport(const ReportData& report, const std::filesystem::path& page, Detail detail);

}  // namespace bitloss

#endif  // BITLOSS_CLI_PRINT_REPORT_H_
