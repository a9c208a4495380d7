#include <map>
#include <nlohmann/json.hpp>

#include "bitloss/cli/commands.h"
#include "bitloss/cli/topics.h"
#include "bitloss/quant/scheme_table.h"

namespace bitloss {
namespace {

std::string_view Title(SchemeRow::Kind kind) {
  switch (kind) {
    case SchemeRow::Kind::kFormat:
      return "formats";
    case SchemeRow::Kind::kFit:
      return "fits";
    case SchemeRow::Kind::kExecution:
      return "executions";
    case SchemeRow::Kind::kPreset:
      return "presets";
    case SchemeRow::Kind::kFileType:
      return "file types";
  }
  return "";
}

std::string Bits(const SchemeRow& row) {
  return row.bits_per_weight ? fmt::format("{:.4g}", *row.bits_per_weight) : "";
}

// Which fits and executions go with which formats, and why the others do not.
void PrintMatrix(const std::vector<SchemeRow>& rows) {
  fmt::print("\n{:<14} {}\n", "format", "goes with");
  std::map<std::string, std::vector<std::string>> refused;  // reasons, in order
  for (const SchemeRow& row : rows) {
    if (row.kind != SchemeRow::Kind::kFormat) continue;
    std::string with;
    for (const std::string& fit : row.fits) with += " +" + fit;
    for (const std::string& execution : row.executions) with += " @" + execution;
    fmt::print("{:<14}{}\n", row.name, with);
    for (const auto& [suffix, reason] : row.refused) refused[suffix].push_back(reason);
  }
  fmt::print("\nThe others are refused, for example:\n");
  for (const auto& [suffix, reasons] : refused) fmt::print("  {}\n", reasons.front());
}

void PrintText(const std::vector<SchemeRow>& rows) {
  fmt::print("{}\n", SchemeGrammar());
  const SchemeRow* previous = nullptr;
  for (const SchemeRow& row : rows) {
    if (previous == nullptr || previous->kind != row.kind) {
      fmt::print("\n{:<14} {:<28} {:>11}  {}\n", Title(row.kind), "written out", "bits/weight",
                 "what it is (source)");
    }
    fmt::print("{:<14} {:<28} {:>11}  {}{}\n", row.name, row.meaning, Bits(row), row.summary,
               row.source.empty() ? "" : fmt::format(" ({})", row.source));
    previous = &row;
  }
  PrintMatrix(rows);
}

void PrintJson(const std::vector<SchemeRow>& rows) {
  nlohmann::ordered_json json;
  for (const SchemeRow& row : rows) {
    nlohmann::ordered_json entry = {{"name", row.name}, {"meaning", row.meaning}};
    if (row.bits_per_weight) entry["bits_per_weight"] = *row.bits_per_weight;
    entry["summary"] = row.summary;
    if (!row.source.empty()) entry["source"] = row.source;
    if (row.kind == SchemeRow::Kind::kFormat) {
      entry["fits"] = row.fits;
      entry["executions"] = row.executions;
      for (const auto& [suffix, reason] : row.refused) entry["refused"][suffix] = reason;
    }
    json[std::string(Title(row.kind))].push_back(entry);
  }
  fmt::print("{}\n", json.dump(2));
}

}  // namespace

void AddSchemesCommand(CLI::App& app, Action& action) {
  auto json = std::make_shared<bool>(false);
  CLI::App* command =
      app.add_subcommand("schemes", "Every format, fit and preset: bits per weight, what it is");
  command->add_flag("--json", *json, "For programs");
  command->callback([json, &action] {
    action = [json]() -> Result<int> {
      *json ? PrintJson(SchemeTable()) : PrintText(SchemeTable());
      return 0;
    };
  });
}

}  // namespace bitloss
