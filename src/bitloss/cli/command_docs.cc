#include "bitloss/cli/command_docs.h"

#include "bitloss/cli/topics.h"
#include "bitloss/data/protocol.h"
#include "bitloss/quant/scheme_table.h"

namespace bitloss {
namespace {

// Presets and file types, but for what a shell takes for two words.
std::vector<std::string> SchemeNames() {
  std::vector<std::string> names;
  for (const SchemeRow& row : SchemeTable()) {
    const bool whole =
        row.kind == SchemeRow::Kind::kPreset || row.kind == SchemeRow::Kind::kFileType;
    if (whole && row.name.find(':') == std::string::npos) names.push_back(row.name);
  }
  return names;
}

std::vector<std::string> ProtocolIds() {
  std::vector<std::string> ids;
  for (const Protocol& protocol : Protocols()) ids.emplace_back(protocol.id);
  return ids;
}

// Of options that take more than can be listed, what is good to have offered.
std::vector<std::string> KnownWords(const std::string& name) {
  if (name == "--scheme" || name == "--schemes") return SchemeNames();
  if (name == "--protocol") return ProtocolIds();
  if (name == "--suite" || name == "SUITE") return {"core96", "tiny96"};
  if (name == "--device") return {"auto", "cpu", "cuda"};
  return {};
}

// Of "TEXT:{html,json}", what CLI11 makes of a type and its validator, "html" and "json".
std::vector<std::string> Choices(const std::string& type) {
  const size_t begin = type.find('{'), end = type.rfind('}');
  if (begin == std::string::npos || end == std::string::npos || end < begin) return {};
  return CLI::detail::split(type.substr(begin + 1, end - begin - 1), ',');
}

OptionDoc Describe(const CLI::Option& option) {
  OptionDoc doc;
  doc.positional = option.get_positional();
  doc.required = option.get_required();
  if (doc.positional) doc.names = {option.get_name(/*positional=*/true)};
  for (const std::string& name : option.get_snames()) doc.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) doc.names.push_back("--" + name);
  if (option.get_type_size() != 0) {
    const std::string type = option.get_type_name();
    doc.value = type.substr(0, type.find_first_of(" :{"));
    doc.words = Choices(type);
    if (doc.words.empty()) doc.words = KnownWords(doc.names.back());
  }
  doc.list = option.get_delimiter() != '\0';
  doc.description = option.get_description();
  doc.default_value = option.get_default_str();
  return doc;
}

CommandDoc Describe(const CLI::App& app, std::string name) {
  CommandDoc doc{std::move(name), app.get_description(), app.get_footer(), {}};
  for (const CLI::Option* option : app.get_options()) doc.options.push_back(Describe(*option));
  return doc;
}

}  // namespace

std::vector<CommandDoc> DescribeCommands(const CLI::App& app) {
  std::vector<CommandDoc> commands = {Describe(app, "")};
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!command->get_group().empty()) commands.push_back(Describe(*command, command->get_name()));
  }
  return commands;
}

}  // namespace bitloss
