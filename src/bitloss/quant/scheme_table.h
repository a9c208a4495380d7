// Everything that `bitloss schemes` lists, as data.
#ifndef BITLOSS_QUANT_SCHEME_TABLE_H_
#define BITLOSS_QUANT_SCHEME_TABLE_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bitloss {

struct SchemeRow {
  enum class Kind { kFormat, kFit, kExecution, kPreset, kFileType };
  Kind kind = Kind::kFormat;
  std::string name;     // "int4_group", "awq"
  std::string meaning;  // the scheme or format written out: "int4_group:64:asym"; of a fit: "+awq"
  // Everything counted, in a matrix of 4096 x 4096; of a file type, of what no rule names; none for
  // a fit.
  std::optional<double> bits_per_weight;
  std::string summary;
  std::string source;  // where it is defined; empty for what needs no source
  // Of a format: the names of the fits and executions that go with it, and for each of the others,
  // "+hqq" or "@ggml", why not.
  std::vector<std::string> fits = {};
  std::vector<std::string> executions = {};
  std::vector<std::pair<std::string, std::string>> refused = {};
};

// Formats, then fits, executions, presets and file types, each in the order of its list.
std::vector<SchemeRow> SchemeTable();

}  // namespace bitloss

#endif  // BITLOSS_QUANT_SCHEME_TABLE_H_
