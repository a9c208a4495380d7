#include "bitloss/cli/calibration_options.h"
#include "bitloss/cli/chat_options.h"
#include "bitloss/cli/commands.h"
#include "bitloss/cli/compute_options.h"
#include "bitloss/cli/fetch.h"
#include "bitloss/cli/interruption.h"
#include "bitloss/cli/plan.h"
#include "bitloss/cli/plugins.h"
#include "bitloss/cli/print_report.h"
#include "bitloss/cli/progress.h"
#include "bitloss/compute/instruction_set.h"
#include "bitloss/data/protocol.h"
#include "bitloss/report/report_data.h"
#include "bitloss/report/writers.h"
#include "bitloss/study/run.h"
#include "bitloss/team/team.h"

namespace bitloss {
namespace {

// What is done with a study's options.
enum class RunTask { kRun, kPlan, kPilot, kIdentity };

const CLI::Range kAtLeastOne(size_t{1}, size_t{1} << 40);

Result<int> Run(StudyOptions& options, Detail detail) {
  Result<std::unique_ptr<Team>> joined = JoinTeam(MpiPlugins());
  if (!joined.ok() && !LaunchedFirst()) return 0;  // the first one has the error too, and says it
  BITLOSS_TRY(const std::unique_ptr<Team> team, std::move(joined));
  if (team->leads()) SayWhatIsKeptWhenInterrupted(options.out);
  {
    Status status = FetchInputs(options, *team);
    ProgressPrinter printer;
    if (status.ok()) {
      status = RunStudy(options, *team, [&](const Progress& progress) { printer(progress); });
    }
    if (!team->leads()) return 0;  // rank 0 has the error too, and says it
    BITLOSS_DO(status);
  }
  BITLOSS_TRY(const Store store, Store::OpenForReading(options.out));
  ThreadPool threads(options.num_threads);
  BITLOSS_TRY(const ReportData report, MakeReport(store, threads));
  BITLOSS_DO(WriteReportFiles(report, options.out));
  PrintReport(report, options.out / "report.html", detail);
  for (const LaneResult& lane : report.lanes) {
    if (lane.error) return BadInput("lane '{}': {}", lane.record.scheme, *lane.error);
  }
  return 0;
}

Result<int> PrintIdentity(const StudyOptions& options) {
  BITLOSS_TRY(const std::string identity, StudyIdentity(options));
  fmt::print("{}\n", identity);
  return 0;
}

std::string ProtocolList() {
  std::vector<std::string_view> ids;
  for (const Protocol& protocol : Protocols()) ids.push_back(protocol.id);
  return fmt::format("{}", fmt::join(ids, ", "));
}

void AddTaskOptions(CLI::App& command, StudyOptions& options) {
  command
      .add_option("--task", options.tasks,
                  "Task by likelihood, multiple choice or cloze: JSON lines, samples that "
                  "lm-evaluation-harness logged, or llama-perplexity's files of HellaSwag and "
                  "WinoGrande (docs/tasks.md); a file, or owner/name[@revision]:FILE, a data set's "
                  "on a hub; may be repeated")
      ->allow_extra_args(false);
  command.add_option(
      "--few-shot", options.few_shot,
      "Task's file whose items stand before every context, with their right answers");
  command.add_flag("--task-chat", options.task_chat,
                   "Put every context into the chat template, as what a user says");
  command
      .add_option("--max-items", options.max_items,
                  "Score N of each task's items, spread evenly over it")
      ->check(kAtLeastOne);
}

// Of several, the last one given is done.
void AddTasksOfRun(CLI::App& command, RunTask& task) {
  const auto add = [&](const char* name, RunTask which, const char* what) {
    command.add_flag_callback(
        name, [&task, which] { task = which; }, what);
  };
  add("--plan", RunTask::kPlan,
      "Only say what this study is, what it takes and what its prompts can show; nothing is "
      "fetched, fitted or scored");
  add("--pilot", RunTask::kPilot,
      "Only make the lanes and run a pilot, and say what this study would resolve, how long it "
      "takes, how much memory; nothing is stored");
  add("--print-identity", RunTask::kIdentity,
      "Only print a hash of everything that this study's numbers depend on, files by their bytes: "
      "the key for a cache of studies");
}

}  // namespace

void AddRunCommand(CLI::App& app, Action& action) {
  auto options = std::make_shared<StudyOptions>();
  options->control = "control-bf16";
  auto sample = std::make_shared<bool>(false);
  auto task = std::make_shared<RunTask>(RunTask::kRun);
  auto instruction_set = std::make_shared<std::string>();
  auto detail = std::make_shared<Detail>(Detail::kAnswer);
  CLI::App* command = app.add_subcommand(
      "run", "Evaluate every lane beside the baseline; go on where an earlier run stopped");
  command->add_option(
      "MODEL", options->model,
      "Folder in Hugging Face layout, .gguf file, or owner/name[@revision][:QUANT] "
      "on a Hugging Face hub, fetched if it is not in the local cache ('bitloss pull "
      "--help'); without one, the small model that ships with bitloss");
  command->add_option("--baseline", options->baseline,
                      "What lanes are compared with: fp16, bf16 or f32; without it, the form in "
                      "which the model is stored, nothing rounded");
  command
      ->add_option("--schemes", options->schemes,
                   "Quantized forms, separated by commas; 'bitloss schemes' lists them. "
                   "NAME=SCHEME gives the lane a name")
      ->delimiter(',')
      ->capture_default_str();
  command
      ->add_option("--control", options->control,
                   "The A/A control that joins the lanes if none of them is one: control-bf16, "
                   "control-fp16 or none. It says how large the noise is; without it no divergence "
                   "has a verdict")
      ->capture_default_str();
  command->add_option(
      "--lane", options->lanes,
      "Checkpoint that is quantized already (folder, .gguf file or name on a hub), evaluated as "
      "it is; may be repeated. NAME=PATH gives the lane a name of letters, digits, '.', '_' and "
      "'-'; "
      "a path with '=' is written ./PATH");
  command->add_option(
      "--text", options->texts,
      "UTF-8 file to evaluate on, or owner/name[@revision]:FILE, a data set's on a hub; "
      "may be repeated; none: no text");
  command
      ->add_option("--protocol", options->protocols,
                   "How text becomes scored tokens; may be repeated: " + ProtocolList())
      ->delimiter(',')
      ->capture_default_str();
  command
      ->add_option("--max-samples", options->max_samples,
                   "Keep the first N sequences of every protocol")
      ->check(kAtLeastOne);
  command->add_option("--suite", options->suite, "Prompts: core96, tiny96, none or a JSON file");
  command
      ->add_option("--max-prompts", options->max_prompts,
                   "Ask N of the suite's prompts, spread evenly over it")
      ->check(kAtLeastOne);
  AddTaskOptions(*command, *options);
  command->add_option("--max-new-tokens", options->max_new_tokens, "Cut answers here")
      ->check(kAtLeastOne);
  command->add_flag(
      "--sample", *sample,
      "Sample at temperature 0.7 with the same dice in every lane, instead of greedily");
  command
      ->add_option("--samples", options->num_samples,
                   "Beside that, answers that every lane samples to each prompt at temperature 0.7 "
                   "with the same dice in every lane: 8 is a good number, 0 none")
      ->check(CLI::Range(size_t{0}, size_t{1024}))
      ->capture_default_str();
  AddChatOptions(*command, options->chat_template, options->chat_variables);
  AddCalibrationOptions(*command, *options);
  command
      ->add_option("--int8-threshold", options->int8_threshold,
                   "Activations from here on are outliers of LLM.int8; 0: none are")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--out", options->out, "The study's folder")->capture_default_str();
  command
      ->add_option("--memory", options->memory_bytes,
                   "Stay below this much memory beyond the page cache, as in 6G: what does not fit "
                   "is made when it is needed; no number depends on it")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false));
  command
      ->add_option("--keep-rows", options->keep_rows_bytes,
                   "Of the baseline's hidden rows, keep this much beside the study, as in 512M; "
                   "lanes that are added later then cost themselves alone")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
      ->default_str("1G");
  command
      ->add_option("--keep-fits", options->keep_fits_bytes,
                   "Of what awq, gptq and other fits made, keep this much beside the study, as in "
                   "512M: it is not made again when the study goes on")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
      ->default_str("2G");
  AddThreadsOption(*command, options->num_threads);
  AddInstructionSetOption(*command, *instruction_set);
  AddArithmeticOption(*command, options->arithmetic);
  command->add_option("--seed", options->seed, "Of everything that is drawn")
      ->capture_default_str();
  AddTasksOfRun(*command, *task);
  AddDetailOption(*command, *detail);
  command->callback([options, sample, task, instruction_set, detail, &action] {
    if (*sample) options->temperature = 0.7;
    action = [options, task, instruction_set, detail]() -> Result<int> {
      BITLOSS_DO(LimitInstructionSet(*instruction_set));
      if (*task == RunTask::kRun) return Run(*options, *detail);
      if (*task == RunTask::kPlan) GoOffline();
      BITLOSS_DO(FetchInputs(*options));
      if (*task == RunTask::kPlan) return PrintPlan(*options);
      return *task == RunTask::kPilot ? PrintPilot(*options) : PrintIdentity(*options);
    };
  });
}

}  // namespace bitloss
