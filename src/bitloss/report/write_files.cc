#include "bitloss/base/file.h"
#include "bitloss/report/page_files.h"
#include "bitloss/report/writers.h"

namespace bitloss {
namespace {

// A scheme as a file name: "int3_group:64+awq" keeps its letters, digits and "._-+"; anything else
// ("/" above all) becomes "_".
std::string FileName(const std::string& scheme) {
  std::string name;
  for (const char c : scheme) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("._-+").find(c) != std::string_view::npos;
    name += plain ? c : '_';
  }
  return name;
}

}  // namespace

Status WriteReportFiles(const ReportData& report, const std::filesystem::path& folder,
                        Timings timings) {
  const std::filesystem::path seed_folder = folder / "seed";
  std::error_code error;
  std::filesystem::create_directories(seed_folder, error);
  if (error) return IoError("cannot create folder '{}': {}", seed_folder.string(), error.message());
  for (size_t lane = 0; lane < report.lanes.size(); ++lane) {
    const std::string name = FileName(report.lanes[lane].record.scheme) + ".json";
    BITLOSS_DO(WriteFileAtomically(seed_folder / name, WriteSeed(report, lane, timings)));
  }
  BITLOSS_DO(WriteFileAtomically(folder / "report.md", WriteMarkdown(report, timings)));
  BITLOSS_DO(WriteFileAtomically(folder / "report.html", WriteHtml(report, timings)));
  return WriteFileAtomically(folder / "report.json", WriteJson(report, timings));
}

std::string_view ReportJsonSchema() { return ReportJsonSchemaFile(); }

}  // namespace bitloss
