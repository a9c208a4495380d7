#include "bitloss/base/file.h"
#include "bitloss/cli/commands.h"
#include "bitloss/report/report_data.h"
#include "bitloss/report/writers.h"

namespace bitloss {
namespace {

struct Options {
  std::filesystem::path study;
  std::string format;
  bool no_timings = false;
};

Result<int> Report(const Options& options) {
  BITLOSS_TRY(const Store store, Store::OpenForReading(options.study));
  ThreadPool threads(DefaultNumThreads());
  BITLOSS_TRY(const ReportData report, MakeReport(store, threads));
  const Timings timings = options.no_timings ? Timings::kOmit : Timings::kInclude;
  if (options.format.empty()) {
    BITLOSS_DO(WriteReportFiles(report, options.study, timings));
    fmt::print("{}\nreport: {}\n", TerminalTable(report), (options.study / "report.html").string());
  } else if (options.format == "json") {
    fmt::print("{}", WriteJson(report, timings));
  } else if (options.format == "html") {
    fmt::print("{}", WriteHtml(report, timings));
  } else if (options.format == "md") {
    fmt::print("{}", WriteMarkdown(report, timings));
  } else if (options.format == "csv") {
    fmt::print("{}", WriteCsv(report, timings));
  } else {
    for (size_t lane = 0; lane < report.lanes.size(); ++lane) {
      fmt::print("{}", WriteSeed(report, lane, timings));
    }
  }
  return 0;
}

}  // namespace

void AddReportCommand(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "report", "Make a study's reports again from its records, with no model at hand");
  command->add_option("DIR", options->study, "The study's folder")->required();
  command
      ->add_option("--format", options->format,
                   "Print one form instead of writing all into DIR; seed prints a JSON object for "
                   "each lane")
      ->check(CLI::IsMember({"html", "json", "md", "csv", "seed"}));
  command->add_flag("--no-timings", options->no_timings,
                    "Leave out what may differ between two runs of one study");
  command->callback([options, &action] { action = [options] { return Report(*options); }; });
}

}  // namespace bitloss
