#include "bitloss/cli/imatrix_command.h"

#include "bitloss/base/threads.h"
#include "bitloss/cli/calibration_options.h"
#include "bitloss/cli/compute_options.h"
#include "bitloss/cli/fetch.h"
#include "bitloss/cli/progress.h"
#include "bitloss/compute/devices.h"
#include "bitloss/model/measure_importance.h"
#include "bitloss/study/calibration_text.h"

namespace bitloss {
namespace {

struct ImatrixOptions {
  std::filesystem::path out;
  StudyOptions study;
};

Result<MeasuredImportances> MeasureText(const ModelFiles& model, const Calibration& calibration,
                                        size_t num_threads) {
  ThreadPool threads(num_threads);
  BITLOSS_TRY(const std::unique_ptr<Backend> backend, MakeBackend(threads));
  Transformer transformer(model.source.config(), *backend);
  ProgressPrinter printer;
  Progress state{"imatrix", 0, model.source.config().num_layers, "layers"};
  printer(state);
  return MeasureImportances(model.source, transformer, calibration.sequences, [&](size_t done) {
    state.done = done;
    printer(state);
  });
}

Result<int> WriteImatrix(const ImatrixOptions& options) {
  if (std::filesystem::exists(options.out)) {
    return BadInput("'{}' is there already; remove it or choose another name",
                    options.out.string());
  }
  BITLOSS_TRY(const ModelFiles model, OpenModel(options.study.model));
  BITLOSS_TRY(const Calibration calibration, ReadCalibration(model, options.study));
  if (calibration.missing) return *calibration.missing;
  BITLOSS_TRY(MeasuredImportances measured,
              MeasureText(model, calibration, options.study.num_threads));
  measured.text_name = calibration.text_name;
  BITLOSS_DO(WriteImportanceFile(measured, options.out));
  fmt::print("{}: importances of {} matrices, {} tokens of {}\n", options.out.string(),
             measured.entries.size(), calibration.num_tokens(), calibration.text_name);
  return 0;
}

}  // namespace

void AddImatrixCommand(CLI::App& app, Action& action) {
  auto options = std::make_shared<ImatrixOptions>();
  CLI::App* command = app.add_subcommand(
      "imatrix", "Write an importance matrix, for --imatrix here and in llama-quantize");
  command->add_option("MODEL", options->study.model, "As in 'bitloss run'")->required();
  command->add_option("--out", options->out, "GGUF file to write; must not be there yet")
      ->required();
  AddCalibrationOptions(*command, options->study);
  command->remove_option(command->get_option("--imatrix"));  // it is what this makes
  AddThreadsOption(*command, options->study.num_threads);
  command->callback([options, &action] {
    action = [options]() -> Result<int> {
      BITLOSS_DO(FetchInputs(options->study));
      return WriteImatrix(*options);
    };
  });
}

}  // namespace bitloss
