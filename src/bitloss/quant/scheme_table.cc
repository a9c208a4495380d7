#include "bitloss/quant/scheme_table.h"

#include <fmt/format.h>


#include "bitloss/quant/formats/ggml/ggml_format.h"
#include "bitloss/quant/scheme.h"
#include "bitloss/quant/scheme_file_type.h"

namespace bitloss {
namespace {

double NominalBitsPerWeight(const Format& format) {
  constexpr size_t kSide = 4096;
  return 8.0 * static_cast<double>(format.num_bytes(format, kSide, kSide)) / (kSide * kSide);
}

// The family's format that a fit is for; its usual one where it takes no such parameters.
Format FormatFor(const FormatFamily& family, const FitInfo& fit) {
  const auto made = family.make(fit.format_parameters);
  return made.ok() ? made.value() : family.make({}).value();
}

SchemeRow FormatRow(const FormatFamily& family) {
  const Format format = family.make({}).value();  // every family has defaults
  SchemeRow row{.kind = SchemeRow::Kind::kFormat,
                .name = std::string(family.name),
                .meaning = format.name,
                .bits_per_weight = NominalBitsPerWeight(format),
                .summary = std::string(family.summary),
                .source = std::string(family.source)};
  for (const FitInfo& fit : Fits()) {
    const Status status = CheckFit(FormatFor(family, fit), fit.kind);
    if (status.ok()) {
      row.fits.emplace_back(fit.name);
    } else {
      row.refused.emplace_back(fmt::format("+{}", fit.name), status.error().message);
    }
  }
  for (const ExecutionInfo& execution : Executions()) {
    if (execution.name.empty()) continue;
    const Status status = CheckExecution(format, execution);
    if (status.ok()) {
      row.executions.emplace_back(execution.name);
    } else {
      row.refused.emplace_back(fmt::format("@{}", execution.name), status.error().message);
    }
  }
  return row;
}

SchemeRow ExecutionRow(const ExecutionInfo& execution) {
  return {.kind = SchemeRow::Kind::kExecution,
          .name = std::string(execution.name),
          .meaning = fmt::format("@{}", execution.name),
          .bits_per_weight = std::nullopt,
          .summary = std::string(execution.summary),
          .source = std::string(execution.source)};
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

SchemeRow FileTypeRow(const FileType& file_type, const std::string& name) {
  const GgmlType& base = *FindGgmlType(file_type.base);
  return {.kind = SchemeRow::Kind::kFileType,
          .name = name,
          .meaning = ParseScheme(name).value().format.name,
          .bits_per_weight = NominalBitsPerWeight(GgmlFormat(base)),
          .summary = fmt::format("llama-quantize's {}: {} where none of its rules says otherwise",
                                 file_type.name, GgmlFormat(base).name),
          .source = "llama.cpp llama-quant.cpp"};
}

}  // namespace

std::vector<SchemeRow> SchemeTable() {
  std::vector<SchemeRow> rows;
  for (const FormatFamily& family : FormatFamilies()) rows.push_back(FormatRow(family));
  for (const FitInfo& fit : Fits()) rows.push_back(FitRow(fit));
  for (const ExecutionInfo& execution : Executions()) {
    if (!execution.name.empty()) rows.push_back(ExecutionRow(execution));
  }
  for (const Preset& preset : Presets()) rows.push_back(PresetRow(preset));
  for (size_t i = 0; i < FileTypes().size(); ++i) {
    rows.push_back(FileTypeRow(FileTypes()[i], FileTypeNames()[i]));
  }
  return rows;
}

}  // namespace bitloss
