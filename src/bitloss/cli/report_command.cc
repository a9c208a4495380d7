#include "bitloss/base/file.h"
#include "bitloss/cli/commands.h"
#include "bitloss/cli/print_report.h"
#include "bitloss/report/comparison.h"
#include "bitloss/report/llama_report.h"
#include "bitloss/report/report_data.h"
#include "bitloss/report/tables.h"
#include "bitloss/report/writers.h"

namespace bitloss {
namespace {

struct ReportOptions {
  std::vector<std::filesystem::path> studies;
  std::string format;
  std::filesystem::path out;
  bool no_timings = false;
  Detail detail = Detail::kAnswer;
  Timings timings() const { return no_timings ? Timings::kOmit : Timings::kInclude; }
};

// The folder as it was named, one name for "a", "a/" and "./a".
std::string NameOf(const std::filesystem::path& study) {
  const std::string name = (study / ".").lexically_normal().parent_path().string();
  return name.empty() ? study.string() : name;
}

Result<std::vector<ReportData>> ReadStudies(const ReportOptions& options) {
  ThreadPool threads(DefaultNumThreads());
  std::vector<ReportData> reports;
  std::vector<std::string> folders;
  for (const std::filesystem::path& study : options.studies) {
    folders.push_back(NameOf(study));
    if (std::ranges::count(folders, folders.back()) > 1) {
      return BadInput("report: study '{}' is named twice", study.string());
    }
    BITLOSS_TRY(const Store store, Store::OpenForReading(study));
    BITLOSS_TRY(ReportData report, MakeReport(store, threads));
    reports.push_back(std::move(report));
  }
  TellApart(reports, folders);
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
  if (format == "svg") return WriteSharePicture(report, timings);
  return WriteSeeds(report, timings);
}

Result<std::string> WriteSeveral(std::span<const ReportData> reports,
                                 const ReportOptions& options) {
  if (options.format == "csv") return WriteComparisonCsv(reports, options.timings());
  if (options.format.empty() || options.format == "html") return WriteComparison(reports);
  return BadInput("--format {}: several studies are compared as html or csv; give one folder",
                  options.format);
}

// To the file that was named, or to standard output.
Result<int> Deliver(const std::string& text, const ReportOptions& options) {
  if (options.out.empty()) {
    fmt::print("{}", text);
    return 0;
  }
  BITLOSS_DO(WriteFileAtomically(options.out, text));
  fmt::print("report: {}\n", options.out.string());
  return 0;
}

Result<int> Compare(std::span<const ReportData> reports, ReportOptions options) {
  BITLOSS_TRY(const std::string text, WriteSeveral(reports, options));
  if (options.format.empty()) {
    for (const std::string& warning : ComparisonWarnings(reports)) {
      fmt::print("warning: {}\n", warning);
    }
    if (options.out.empty()) options.out = "comparison.html";
  }
  return Deliver(text, options);
}

// Of the tokens themselves, which only the store has.
Result<int> AsLlamaPerplexity(const ReportOptions& options) {
  BITLOSS_TRY(const Store store, Store::OpenForReading(options.studies[0]));
  BITLOSS_TRY(const std::string text, WriteLlamaReport(store));
  return Deliver(text, options);
}

Result<int> Report(const ReportOptions& options) {
  if (options.format == "llama" && options.studies.size() == 1) return AsLlamaPerplexity(options);
  BITLOSS_TRY(const std::vector<ReportData> reports, ReadStudies(options));
  if (reports.size() > 1) return Compare(reports, options);
  const ReportData& report = reports[0];
  if (options.format.empty() && options.out.empty()) {
    const std::filesystem::path& study = options.studies[0];
    BITLOSS_DO(WriteReportFiles(report, study, options.timings()));
    PrintReport(report, study / "report.html", options.detail);
    return 0;
  }
  const std::string format = options.format.empty() ? "html" : options.format;
  return Deliver(WriteOne(report, format, options.timings()), options);
}

}  // namespace

void AddReportCommand(CLI::App& app, Action& action) {
  auto options = std::make_shared<ReportOptions>();
  CLI::App* command = app.add_subcommand(
      "report", "Make a study's reports again from its records, or compare several studies");
  command
      ->add_option("DIR", options->studies,
                   "The study's folder; of several, one page compares all their lanes: "
                   "comparison.html, or where --out says")
      ->required();
  command
      ->add_option(
          "--format", options->format,
          "Print one form instead of writing all into DIR: seed prints a JSON object for "
          "each lane, card a block for a model's card (YAML and Markdown), svg a picture of the "
          "scoreboard, llama what llama-perplexity prints of the same losses; several studies: "
          "html "
          "or csv")
      ->check(CLI::IsMember({"html", "json", "md", "csv", "seed", "card", "svg", "llama"}));
  command->add_option("--out", options->out, "Write to this file instead of printing");
  command->add_flag("--no-timings", options->no_timings,
                    "Leave out what may differ between two runs of one study");
  AddDetailOption(*command, options->detail);
  command->callback([options, &action] { action = [options] { return Report(*options); }; });
}

}  // namespace bitloss
