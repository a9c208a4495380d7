#include <nlohmann/json.hpp>

#include "bitloss/cli/commands.h"
#include "bitloss/quant/scheme_table.h"

namespace bitloss {
namespace {

std::string_view Title(SchemeRow::Kind kind) {
  switch (kind) {
    case SchemeRow::Kind::kFormat:
      return "formats";
    case SchemeRow::Kind::kFit:
      return "fits";
    case SchemeRow::Kind::kPreset:
      return "presets";
  }
  return "";
}

std::string Bits(const SchemeRow& row) {
  return row.bits_per_weight ? fmt::format("{:.4g}", *row.bits_per_weight) : "";
}

void PrintText(const std::vector<SchemeRow>& rows) {
  fmt::print("A scheme is FORMAT[+FIT][@EXECUTION][+head=FORMAT], or a preset's name.\n");
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
}

void PrintJson(const std::vector<SchemeRow>& rows) {
  nlohmann::ordered_json json;
  for (const SchemeRow& row : rows) {
    nlohmann::ordered_json entry = {{"name", row.name}, {"meaning", row.meaning}};
    if (row.bits_per_weight) entry["bits_per_weight"] = *row.bits_per_weight;
    entry["summary"] = row.summary;
    if (!row.source.empty()) entry["source"] = row.source;
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
