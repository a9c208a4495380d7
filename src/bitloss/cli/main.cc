#include <CLI/CLI.hpp>
#include <cstdio>
#include <new>

#include "bitloss/cli/commands.h"

namespace bitloss {
namespace {

// Exit codes: 0 done; a command's own (1 and 2 have meanings of their own in some); 3 and up, an
// error of this kind.
int ExitCode(const Error& error) { return 3 + static_cast<int>(error.kind); }

int Fail(const Error& error) {
  fmt::print(stderr, "bitloss: {}\n", error.message);
  return ExitCode(error);
}

Error UsageError(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  if (app.get_subcommands().empty() && argc > 1 && argv[1][0] != '-') {
    std::vector<std::string> known;
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
      known.push_back(command->get_name());
    }
    return BadInput("'{}' is not a command; there are: {}", argv[1], fmt::join(known, ", "));
  }
  return BadInput("{}; see 'bitloss --help' or 'bitloss COMMAND --help'", error.what());
}

int Main(int argc, char** argv) {
  CLI::App app(
      "What do you lose with those bits? Measures what quantization costs a language model.",
      "bitloss");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string(BITLOSS_VERSION));
  Action action;
  AddRunCommand(app, action);
  AddReportCommand(app, action);
  AddGateCommand(app, action);
  AddInspectCommand(app, action);
  AddQuantizeCommand(app, action);
  AddSchemesCommand(app, action);
  AddSensitivityCommand(app, action);
  AddTokenizeCommand(app, action);
  AddGenerateCommand(app, action);
  AddBenchCommand(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help, --version
    return Fail(UsageError(app, e, argc, argv));
  }
  const Result<int> exit_code = action();
  if (!exit_code.ok()) return Fail(exit_code.error());
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    return Fail(IoError("cannot write to standard output: is the disk full?"));
  }
  return exit_code.value();
}

}  // namespace
}  // namespace bitloss

int main(int argc, char** argv) {
  try {
    return bitloss::Main(argc, argv);
  } catch (const std::bad_alloc&) {
    return bitloss::Fail(bitloss::IoError("not enough memory; fewer lanes at once need less"));
  }
}
