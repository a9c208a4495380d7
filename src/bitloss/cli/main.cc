#include <CLI/CLI.hpp>
#include <cstdio>
#include <new>

#include "bitloss/cli/commands.h"
#include "bitloss/cli/exit_codes.h"
#include "bitloss/cli/fetch.h"
#include "bitloss/cli/imatrix_command.h"
#include "bitloss/cli/plugins.h"
#include "bitloss/cli/progress.h"
#include "bitloss/cli/recommend_command.h"
#include "bitloss/cli/topics.h"
#include "bitloss/cli/version.h"
#include "bitloss/compute/device_error.h"
#include "bitloss/compute/devices.h"

namespace bitloss {
namespace {

int Fail(const Error& error) {
  fmt::print(stderr, "bitloss: {}\n", error.message);
  return ExitCode(error);
}

Error UsageError(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  if (app.get_subcommands().empty() && argc > 1 && argv[1][0] != '-') {
    std::vector<std::string> known;
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
      if (!command->get_group().empty()) known.push_back(command->get_name());
    }
    return BadInput("'{}' is not a command; there are: {}", argv[1], fmt::join(known, ", "));
  }
  return BadInput("{}; see 'bitloss --help' or 'bitloss COMMAND --help'", error.what());
}

// What many commands do in the same way: where they compute, and what they say meanwhile.
struct Manner {
  DeviceChoice device{"auto", CudaPlugins()};
  bool quiet = false;
};

// The options of commands that run a model, of those that take long, and of those that name one.
void AddMannerOptions(CLI::App& app, Manner& manner) {
  for (const char* command :
       {"run", "quantize", "imatrix", "sensitivity", "generate", "score", "bench"}) {
    app.get_subcommand(command)
        ->add_option("--device", manner.device.name,
                     "auto (a GPU if one answers), cpu, cuda or cuda:N; no number depends on it")
        ->capture_default_str();
    app.get_subcommand(command)
        ->add_option("--device-memory", manner.device.memory_bytes,
                     "Use no more of the GPU's memory than this, as in 8G; lanes that do not fit "
                     "are made when they are needed; no number depends on it")
        ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false));
  }
  for (const char* command : {"run", "quantize", "imatrix", "sensitivity", "generate"}) {
    app.get_subcommand(command)->add_flag("--quiet", manner.quiet,
                                          "Nothing on standard error but errors: no progress");
  }
  for (const char* command : {"run", "quantize", "imatrix", "sensitivity", "generate", "score",
                              "inspect", "tokenize", "render", "pull"}) {
    AddOfflineOption(*app.get_subcommand(command));
  }
}

std::string TopicsLine() {
  std::string line = "Topics of 'bitloss help':";
  for (const Topic& topic : Topics()) line += fmt::format(" {}", topic.name);
  return line;
}

void AddCommands(CLI::App& app, Action& action) {
  app.require_subcommand(1);
  app.footer(ExitCodesLine());  // of every command that says none of its own
  AddRunCommand(app, action);
  AddReportCommand(app, action);
  AddGateCommand(app, action);
  AddRecommendCommand(app, action);
  AddInspectCommand(app, action);
  AddQuantizeCommand(app, action);
  AddImatrixCommand(app, action);
  AddSchemesCommand(app, action);
  AddSensitivityCommand(app, action);
  AddTokenizeCommand(app, action);
  AddRenderCommand(app, action);
  AddScoreCommand(app, action);
  AddGenerateCommand(app, action);
  AddCheckCommand(app, action);
  AddPullCommand(app, action);
  AddBenchCommand(app, action);
  AddHelpCommands(app, action);
  app.footer(TopicsLine() + "\n" + ExitCodesLine());
}

int Main(int argc, char** argv) {
  CLI::App app(
      "What do you lose with those bits? Measures what quantization costs a language model.",
      "bitloss");
  Action action;
  Manner manner;
  AddCommands(app, action);
  AddMannerOptions(app, manner);
  app.set_version_flag("--version", [&manner] { return VersionText(manner.device); });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help, --version
    return Fail(UsageError(app, e, argc, argv));
  }
  ChooseDevice(std::move(manner.device));
  ChooseNotes(manner.quiet ? Notes::kLeaveOut : Notes::kShow);
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
  } catch (const bitloss::DeviceError& e) {
    return bitloss::Fail(bitloss::IoError("{}; what was stored stays", e.what()));
  } catch (const std::bad_alloc&) {
    return bitloss::Fail(bitloss::IoError("not enough memory; fewer lanes at once need less"));
  }
}
