#include "bitloss/base/file.h"
#include "bitloss/cli/commands.h"
#include "bitloss/cli/exit_codes.h"
#include "bitloss/report/gate.h"

namespace bitloss {
namespace {

struct GateOptions {
  std::filesystem::path study;
  std::filesystem::path policy;
  std::filesystem::path junit;
  std::filesystem::path markdown;
};

Result<int> Gate(const GateOptions& options) {
  BITLOSS_TRY(const std::string toml, ReadFile(options.policy));
  BITLOSS_TRY(const GatePolicy policy, ParseGatePolicy(toml, options.policy.string()));
  BITLOSS_TRY(const Store store, Store::OpenForReading(options.study));
  ThreadPool threads(DefaultNumThreads());
  BITLOSS_TRY(const ReportData report, MakeReport(store, threads));
  BITLOSS_TRY(const GateResult result, CheckGate(report, policy, threads));
  const std::string title =
      fmt::format("{}: {}", report.manifest.model.name, options.policy.filename().string());
  if (!options.junit.empty()) {
    BITLOSS_DO(WriteFileAtomically(options.junit, WriteGateJunit(result, title)));
  }
  if (!options.markdown.empty()) {
    BITLOSS_DO(WriteFileAtomically(options.markdown, WriteGateMarkdown(result, title)));
  }
  fmt::print("{}", WriteGateText(result));
  return result.exit_code();
}

}  // namespace

void AddGateCommand(CLI::App& app, Action& action) {
  auto options = std::make_shared<GateOptions>();
  CLI::App* command = app.add_subcommand(
      "gate",
      "Hold a study against a policy: exit code 0 holds, 1 harm shown, 2 cannot decide, 3 and up "
      "error");
  command->footer(ExitCodesLine("0 holds, 1 harm shown, 2 cannot decide"));
  command->add_option("DIR", options->study, "The study's folder")->required();
  command
      ->add_option("--policy", options->policy,
                   "TOML file of rules: metrics, bounds, confidence (docs/gate.md)")
      ->required();
  command->add_option("--junit", options->junit, "Write the checks as JUnit XML here");
  command->add_option("--markdown", options->markdown, "Write them as a Markdown table here");
  command->callback([options, &action] { action = [options] { return Gate(*options); }; });
}

}  // namespace bitloss
