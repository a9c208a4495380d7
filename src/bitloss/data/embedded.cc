#include "bitloss/data/embedded.h"

#include <array>
#include <string>
#include <system_error>

namespace bitloss {
namespace {

constexpr std::string_view kModel = "share/bitloss/models/bitloss-tiny";

std::filesystem::path ProgramFolder() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
}

bool HoldsModel(const std::filesystem::path& folder) {
  std::error_code error;
  return std::filesystem::exists(folder / "config.json", error);
}

}  // namespace

Result<Suite> OpenSuite(std::string_view name_or_path) {
  std::string names;
  for (const EmbeddedSuite& suite : EmbeddedSuites()) {
    if (suite.name == name_or_path) return ParseSuite(suite.json, suite.name);
    names += (names.empty() ? "" : ", ") + std::string(suite.name);
  }
  Result<Suite> suite = LoadSuite(name_or_path);
  if (!suite.ok() && suite.error().kind == ErrorKind::kNotFound) {
    return NotFound("suite '{}' is neither a file nor one of: {}", name_or_path, names);
  }
  return suite;
}

Result<std::filesystem::path> EmbeddedModelFolder() {
  const std::filesystem::path program = ProgramFolder();
  const std::array<std::filesystem::path, 2> places = {program.parent_path() / kModel,
                                                       program / kModel};
  for (const std::filesystem::path& place : places) {
    if (HoldsModel(place)) return place;
  }
  return NotFound(
      "the model and the texts that ship with bitloss are neither in '{}' nor in '{}'; name a "
      "MODEL, --text and --calibration, or install bitloss with its share folder",
      places[0].string(), places[1].string());
}

}  // namespace bitloss
