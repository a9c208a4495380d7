#include "bitloss/base/file.h"
#include "bitloss/cli/commands.h"
#include "bitloss/report/comparison.h"
#include "bitloss/report/report_data.h"
#include "bitloss/report/tables.h"
#include "bitloss/report/writers.h"

namespace bitloss {
namespace {

struct Options {
  std::vector<std::filesystem::path> studies;
  std::string format;
  std::filesystem::path out;
  bool no_timings = false;
  Timings timings() const { return no_timings ? Timings::kOmit : Timings::kInclude; }
};

Result<std::vector<ReportData>> ReadStudies(const Options& options) {
  ThreadPool threads(DefaultNumThreads());
  std::vector<ReportData> reports;
  for (const std::filesystem::path& study : options.studies) {
    BITLOSS_TRY(const Store store, Store::OpenForReading(study));
    BITLOSS_TRY(ReportData report, MakeReport(store, threads));
    reports.push_back(std::move(report));
  }
  return reports;
}

std::string WriteSeeds(const ReportData& report, Timings timings) {
  std::string text;
  for (size_t lane = 0; lane < report.lanes.size(); ++lane) {
    text += WriteSeed(report, lane, timings);
  }
  return text;
}

std::string WriteOne(const ReportData& report, const std::string& format, Timings timings) {
  if (format == "json") return WriteJson(report, timings);
  if (format == "html") return WriteHtml(report, timings);
  if (format == "md") return WriteMarkdown(report, timings);
  if (format == "csv") return WriteCsv(report, timings);
  if (format == "card") return WriteModelCard(report);
  return WriteSeeds(report, timings);
}

Result<std::string> WriteSeveral(std::span<const ReportData> reports, const Options& options) {
  if (options.format == "csv") return WriteComparisonCsv(reports, options.timings());
  if (options.format.empty() || options.format == "html") return WriteComparison(reports);
  return BadInput("--format {}: several studies are compared as html or csv; give one folder",
                  options.format);
}

Result<int> Report(const Options& options) {
  BITLOSS_TRY(const std::vector<ReportData> reports, ReadStudies(options));
  std::string text;
  if (reports.size() > 1) {
    BITLOSS_TRY(text, WriteSeveral(reports, options));
  } else if (options.format.empty() && options.out.empty()) {
    const std::filesystem::path& study = options.studies[0];
    BITLOSS_DO(WriteReportFiles(reports[0], study, options.timings()));
    fmt::print("{}\nreport: {}\n", TerminalTable(reports[0]), (study / "report.html").string());
    return 0;
  } else {
    text =
        WriteOne(reports[0], options.format.empty() ? "html" : options.format, options.timings());
  }
  if (options.out.empty()) {
    fmt::print("{}", text);
    return 0;
  }
  BITLOSS_DO(WriteFileAtomically(options.out, text));
  fmt::print("report: {}\n", options.out.string());
  return 0;
}

}  // namespace

void AddReportCommand(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "report", "Make a study's reports again from its records, or compare several studies");
  command
      ->add_option("DIR", options->studies,
                   "The study's folder; of several, one page compares all their lanes")
      ->required();
  command
      ->add_option("--format", options->format,
                   "Print one form instead of writing all into DIR: seed prints a JSON object for "
                   "each lane, card a block for a model's card (YAML and Markdown); several "
                   "studies: html or csv")
      ->check(CLI::IsMember({"html", "json", "md", "csv", "seed", "card"}));
  command->add_option("--out", options->out, "Write to this file instead of printing");
  command->add_flag("--no-timings", options->no_timings,
                    "Leave out what may differ between two runs of one study");
  command->callback([options, &action] { action = [options] { return Report(*options); }; });
}

}  // namespace bitloss
