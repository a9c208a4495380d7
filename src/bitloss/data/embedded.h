// What ships with the program: the suites `core96` and `tiny96`, which are part of the binary, and
// the model bitloss-tiny, which is a folder beside it.
#ifndef BITLOSS_DATA_EMBEDDED_H_
#define BITLOSS_DATA_EMBEDDED_H_

#include <filesystem>
#include <span>
#include <string_view>

#include "bitloss/base/result.h"
#include "bitloss/data/suite.h"

namespace bitloss {

struct EmbeddedSuite {
  std::string_view name;
  std::string_view json;
};
std::span<const EmbeddedSuite> EmbeddedSuites();

// The embedded suite of that name, else the file at that path.
// kNotFound with the names of the embedded ones; the errors of LoadSuite.
Result<Suite> OpenSuite(std::string_view name_or_path);

// The folder of bitloss-tiny (config.json, model.safetensors, eval.txt, calibration.txt, ...): the
// first that is there of <bin>/../share/bitloss/models/bitloss-tiny (an installed program) and
// <bin>/share/bitloss/models/bitloss-tiny (a build folder), where <bin> holds the running program.
// kNotFound names both.
Result<std::filesystem::path> EmbeddedModelFolder();

}  // namespace bitloss

#endif  // BITLOSS_DATA_EMBEDDED_H_
