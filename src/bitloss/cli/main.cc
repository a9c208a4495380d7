#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <system_error>

#include "bitloss/cli/commands.h"
#include "bitloss/cli/fetch.h"
#include "bitloss/cli/imatrix_command.h"
#include "bitloss/compute/device_error.h"
#include "bitloss/compute/devices.h"

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

// Where the CUDA plugin may lie: where BITLOSS_CUDA_PLUGIN says, or beside the program.
std::vector<std::filesystem::path> CudaPlugins() {
  constexpr const char* kName = "libbitloss_cuda.so";
  if (const char* named = std::getenv("BITLOSS_CUDA_PLUGIN")) return {named};
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return {};
  const std::filesystem::path folder = program.parent_path();
  return {folder / kName, folder.parent_path() / "lib/bitloss" / kName};
}

// The option of every command that runs a model.
void AddDeviceOption(CLI::App& command, DeviceChoice& device) {
  command
      .add_option("--device", device.name,
                  "auto (a GPU if one answers), cpu, cuda or cuda:N; no number depends on it")
      ->capture_default_str();
}

std::string Version() {
  const DeviceChoice device{"auto", CudaPlugins()};
  return fmt::format("{}\n{}", BITLOSS_VERSION, fmt::join(DescribeGpus(device), "\n"));
}

int Main(int argc, char** argv) {
  CLI::App app(
      "What do you lose with those bits? Measures what quantization costs a language model.",
      "bitloss");
  app.require_subcommand(1);
  app.set_version_flag("--version", Version);
  Action action;
  AddRunCommand(app, action);
  AddReportCommand(app, action);
  AddGateCommand(app, action);
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
  DeviceChoice device{"auto", CudaPlugins()};
  for (const char* command :
       {"run", "quantize", "imatrix", "sensitivity", "generate", "score", "bench"}) {
    AddDeviceOption(*app.get_subcommand(command), device);
  }
  for (const char* command : {"run", "quantize", "imatrix", "sensitivity", "generate", "score",
                              "inspect", "tokenize", "render", "pull"}) {
    AddOfflineOption(*app.get_subcommand(command));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help, --version
    return Fail(UsageError(app, e, argc, argv));
  }
  ChooseDevice(std::move(device));
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
