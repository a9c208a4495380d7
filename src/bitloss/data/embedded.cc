#include "bitloss/data/embedded.h"

#include <array>
#include <string>
#include <system_error>

namespace bitloss {
namespace {

std::filesystem::path InstalledModel() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return {};
  return program.parent_path().parent_path() / "share/bitloss/models/bitloss-tiny";
}

bool HoldsModel(const std::filesystem::path& folder) {
  std::error_code error;
  return !folder.empty() && std::filesystem::exists(folder / "config.json", error);
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
  const std::array<std::filesystem::path, 2> places = {InstalledModel(),
                                                       BITLOSS_SOURCE_MODELS "/bitloss-tiny"};
  for (const std::filesystem::path& place : places) {
    if (HoldsModel(place)) return place;
  }
  return NotFound(
      "the model bitloss-tiny is neither in '{}' nor in '{}'; name a MODEL, or install it",
      places[0].string(), places[1].string());
}

}  // namespace bitloss
