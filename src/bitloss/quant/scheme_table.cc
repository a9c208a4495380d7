#include "bitloss/quant/scheme_table.h"

#include <fmt/format.h>

#include "bitloss/quant/scheme.h"

namespace bitloss {
namespace {

double NominalBitsPerWeight(const Format& format) {
  constexpr size_t kSide = 4096;
  return 8.0 * static_cast<double>(format.num_bytes(format, kSide, kSide)) / (kSide * kSide);
}

SchemeRow FormatRow(const FormatFamily& family) {
  const Format format = family.make({}).value();  // every family has defaults
  return {.kind = SchemeRow::Kind::kFormat,
          .name = std::string(family.name),
          .meaning = format.name,
          .bits_per_weight = NominalBitsPerWeight(format),
          .summary = std::string(family.summary),
          .source = std::string(family.source)};
}

SchemeRow FitRow(const FitInfo& fit) {
  return {.kind = SchemeRow::Kind::kFit,
          .name = std::string(fit.name),
          .meaning = fmt::format("+{}", fit.name),
          .bits_per_weight = std::nullopt,
          .summary = std::string(fit.summary),
          .source = std::string(fit.source)};
}

SchemeRow PresetRow(const Preset& preset) {
  return {.kind = SchemeRow::Kind::kPreset,
          .name = std::string(preset.name),
          .meaning = std::string(preset.meaning),
          .bits_per_weight = NominalBitsPerWeight(ParseScheme(preset.name).value().format),
          .summary = std::string(preset.summary),
          .source = std::string(preset.source)};
}

}  // namespace

std::vector<SchemeRow> SchemeTable() {
  std::vector<SchemeRow> rows;
  for (const FormatFamily& family : FormatFamilies()) rows.push_back(FormatRow(family));
  for (const FitInfo& fit : Fits()) rows.push_back(FitRow(fit));
  for (const Preset& preset : Presets()) rows.push_back(PresetRow(preset));
  return rows;
}

}  // namespace bitloss
