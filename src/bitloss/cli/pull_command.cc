#include "bitloss/cli/commands.h"
#include "bitloss/cli/exit_codes.h"
#include "bitloss/cli/fetch.h"

namespace bitloss {
namespace {

struct PullOptions {
  std::string name;
  bool text = false;
  bool tokenizer = false;
};

Result<int> PullNamed(const PullOptions& options) {
  const auto name = ParseHubName(options.text ? HubKind::kDataSet : HubKind::kModel, options.name);
  if (!name.ok()) return Within(fmt::format("'{}'", options.name), name.error());
  BITLOSS_TRY(const HubSettings settings, HubSettingsFromEnvironment());
  const ModelNeed need = options.tokenizer ? ModelNeed::kTokenizer : ModelNeed::kEverything;
  BITLOSS_TRY(const Pulled pulled, PullWithProgress(name.value(), need, settings));
  fmt::print("{}\n", pulled.path.string());
  return 0;
}

}  // namespace

void AddPullCommand(CLI::App& app, Action& action) {
  auto options = std::make_shared<PullOptions>();
  CLI::App* command = app.add_subcommand(
      "pull", "Fetch a model from a Hugging Face hub into its cache; print where it lies");
  command
      ->add_option("NAME", options->name,
                   "owner/name[@revision][:QUANT], where QUANT chooses a GGUF file: Q4_K_M, f16, "
                   "in any letter case; only what bitloss reads is fetched, and what is there is "
                   "not fetched again")
      ->required();
  command->add_flag("--text", options->text,
                    "NAME is owner/name[@revision]:FILE, a text file of a data set");
  command->add_flag("--tokenizer", options->tokenizer, "Leave out the weights of a folder's model");
  command->footer(
      "HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE are read as huggingface_hub "
      "reads them.\n" +
      ExitCodesLine("0 it is there"));
  command->callback([options, &action] { action = [options] { return PullNamed(*options); }; });
}

}  // namespace bitloss
