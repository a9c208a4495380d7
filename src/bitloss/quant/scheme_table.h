// Everything that `bitloss schemes` lists, as data.
#ifndef BITLOSS_QUANT_SCHEME_TABLE_H_
#define BITLOSS_QUANT_SCHEME_TABLE_H_

#include <optional>
#include <string>
#include <vector>

namespace bitloss {

struct SchemeRow {
  enum class Kind { kFormat, kFit, kPreset };
  Kind kind = Kind::kFormat;
  std::string name;     // "int4_group", "awq"
  std::string meaning;  // the scheme or format written out: "int4_group:64:asym"; of a fit: "+awq"
  // Everything counted, in a matrix of 4096 x 4096; none for a fit.
  std::optional<double> bits_per_weight;
  std::string summary;
  std::string source;  // where it is defined; empty for what needs no source
};

// Formats, then fits, then presets, each in the order of its list.
std::vector<SchemeRow> SchemeTable();

}  // namespace bitloss

#endif  // BITLOSS_QUANT_SCHEME_TABLE_H_
