#include "bitloss/base/file.h"
#include "bitloss/report/page_files.h"
#include "bitloss/report/writers.h"

namespace bitloss {
namespace {

// A scheme as a file name: as it is ("int3_group:64+awq"), but for what would lead elsewhere.
std::string FileName(const std::string& scheme) {
  std::string name = scheme;
  for (char& c : name) {
    if (c == '/' || static_cast<unsigned char>(c) < 0x20) c = '_';
  }
  return name.starts_with('.') ? "_" + name : name;
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
