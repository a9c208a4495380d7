#include "bitloss/base/threads.h"
#include "bitloss/checkpoint/layouts/layout.h"
#include "bitloss/cli/calibration_options.h"
#include "bitloss/cli/commands.h"
#include "bitloss/cli/compute_options.h"
#include "bitloss/cli/fetch.h"
#include "bitloss/cli/interruption.h"
#include "bitloss/cli/progress.h"
#include "bitloss/convert/parts_folder.h"
#include "bitloss/convert/quantize.h"

namespace bitloss {
namespace {

Result<int> Quantize(const QuantizeOptions& options) {
  SayWhatIsKeptWhenInterrupted(PartsFolder::PathFor(options.out));
  const auto quantize = [&] {
    ProgressPrinter printer;
    return QuantizeModel(options, [&](const Progress& progress) { printer(progress); });
  };
  BITLOSS_TRY(const QuantizeResult result, quantize());
  if (result.num_layers_resumed > 0) {
    PrintNote(fmt::format("{} layers were finished already", result.num_layers_resumed));
  }
  fmt::print("{}: {} ({}), {:.1f} MB of weights, quantized in {:.2f} s\n", options.out.string(),
             options.scheme, result.layout, static_cast<double>(result.num_bytes) / 1e6,
             result.seconds);
  return 0;
}

std::string LayoutList() {
  std::vector<std::string_view> names;
  for (const Layout& layout : Layouts()) {
    if (layout.write != nullptr) names.push_back(layout.name);
  }
  return fmt::format("{}, gguf", fmt::join(names, ", "));
}

}  // namespace

void AddQuantizeCommand(CLI::App& app, Action& action) {
  auto options = std::make_shared<QuantizeOptions>();
  auto shard_gigabytes = std::make_shared<double>(5.0);
  CLI::App* command = app.add_subcommand(
      "quantize",
      "Write a quantized checkpoint that others load; goes on where it was interrupted");
  command->add_option("MODEL", options->study.model, "As in 'bitloss run'")->required();
  command->add_option("--scheme", options->scheme, "One of 'bitloss schemes'")->required();
  command
      ->add_option("--out", options->out,
                   "Folder to make (GGUF: model.gguf in it), or NAME.gguf: that file; must not be "
                   "there yet")
      ->required();
  command->add_option("--layout", options->layout,
                      "Instead of the scheme's own layout: " + LayoutList());
  command
      ->add_option("--shard-gb", *shard_gigabytes,
                   "Cut the weights into files of at most this size (GGUF is one)")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  AddCalibrationOptions(*command, options->study);
  command
      ->add_option("--int8-threshold", options->study.int8_threshold,
                   "Activations from here on are outliers of LLM.int8; 0: none are")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  AddThreadsOption(*command, options->study.num_threads);
  command->callback([options, shard_gigabytes, &action] {
    options->max_shard_bytes = static_cast<uint64_t>(*shard_gigabytes * 1e9);
    action = [options]() -> Result<int> {
      BITLOSS_DO(FetchInputs(options->study));
      return Quantize(*options);
    };
  });
}

}  // namespace bitloss
