// The subcommands. Each Add... declares one with its options; when the user asks for it, it leaves
// in `action` what is to be done. Only this folder prints: results to standard output, progress to
// standard error; an Error is printed by main as one line.
#ifndef BITLOSS_CLI_COMMANDS_H_
#define BITLOSS_CLI_COMMANDS_H_

#include <CLI/CLI.hpp>
#include <functional>

#include "bitloss/base/result.h"

namespace bitloss {

// Does the command; returns its exit code.
using Action = std::function<Result<int>()>;

void AddRunCommand(CLI::App& app, Action& action);
void AddReportCommand(CLI::App& app, Action& action);
void AddGateCommand(CLI::App& app, Action& action);
void AddInspectCommand(CLI::App& app, Action& action);
void AddQuantizeCommand(CLI::App& app, Action& action);
void AddSchemesCommand(CLI::App& app, Action& action);
void AddSensitivityCommand(CLI::App& app, Action& action);
void AddTokenizeCommand(CLI::App& app, Action& action);
void AddRenderCommand(CLI::App& app, Action& action);
void AddScoreCommand(CLI::App& app, Action& action);
void AddGenerateCommand(CLI::App& app, Action& action);
void AddCheckCommand(CLI::App& app, Action& action);
void AddPullCommand(CLI::App& app, Action& action);
void AddBenchCommand(CLI::App& app, Action& action);
// help, completion, man: what is said of the others, so they come last.
void AddHelpCommands(CLI::App& app, Action& action);

}  // namespace bitloss

#endif  // BITLOSS_CLI_COMMANDS_H_
