#include "bitloss/cli/calibration_options.h"
#include "bitloss/cli/chat_options.h"
#include "bitloss/cli/commands.h"
#include "bitloss/cli/compute_options.h"
#include "bitloss/cli/fetch.h"
#include "bitloss/cli/progress.h"
#include "bitloss/compute/devices.h"
#include "bitloss/eval/generation.h"
#include "bitloss/model/lane_builder.h"
#include "bitloss/model/stored_lane.h"
#include "bitloss/study/chat_choice.h"
#include "bitloss/study/lanes.h"
#include "bitloss/study/model_files.h"

namespace bitloss {
namespace {

// So few that copying FP16 weights into the kernels' order takes longer than it saves.
constexpr size_t kFewTokens = 32;

struct GenerateOptions {
  std::string prompt;
  std::string scheme = {};  // empty: the model as it is stored
  bool raw = false;
  bool sample = false;
  size_t max_new_tokens = 100;
  StudyOptions study;
};

Result<std::vector<TokenId>> EncodePrompt(const ModelFiles& model, const GenerateOptions& options) {
  std::optional<ChatTemplate> chat;
  if (!options.raw) {
    BITLOSS_TRY(chat, ChooseChatTemplate(model.tokenizer, options.study.chat_template));
  }
  if (!chat) {
    return model.tokenizer.Encode(options.prompt, Tokenizer::Special::kParse,
                                  Tokenizer::AddTokens::kModel);
  }
  BITLOSS_TRY(const ChatVariables variables, ParseChatVariables(options.study.chat_variables));
  const ChatMessage message{"user", options.prompt};
  BITLOSS_TRY(const std::string text,
              chat->With(variables).Render({&message, 1}, ChatTemplate::GenerationPrompt::kAdd));
  return model.tokenizer.Encode(text, Tokenizer::Special::kParse, Tokenizer::AddTokens::kNone);
}

// The last lane of a plan: a checkpoint as it is, or a form of `source`.
Result<BuiltLane> BuildLane(const ModelSource& source, Transformer& transformer,
                            const LanePlan& plan, const Calibration& calibration, Packing packing) {
  if (plan.stored) {
    return BuildStoredLane(plan.stored->source, transformer.backend(), plan.stored_inputs, {});
  }
  const std::span<const Scheme> schemes =
      plan.mixed ? std::span<const Scheme>(plan.mixed->components) : std::span(&plan.scheme, 1);
  BITLOSS_TRY(std::vector<BuiltLane> lanes,
              BuildLanes(source, transformer, schemes,
                         {.calibration = calibration.sequences,
                          .importance = calibration.importance ? &*calibration.importance : nullptr,
                          .packing = packing,
                          .layer_done = {}}));
  if (plan.mixed) return AssembleMixedLane(*plan.mixed, std::move(lanes));
  return std::move(lanes[0]);
}

Result<int> GenerateAnswer(const GenerateOptions& options) {
  BITLOSS_TRY(const ModelFiles model, OpenModel(options.study.model));
  BITLOSS_TRY(const std::vector<TokenId> tokens, EncodePrompt(model, options));
  const size_t max_positions = model.source.config().max_positions;
  if (tokens.empty() || tokens.size() >= max_positions) {
    return BadInput("the prompt has {} tokens; the model takes 1 to {}", tokens.size(),
                    max_positions - 1);
  }
  BITLOSS_TRY(const Calibration calibration, ReadCalibration(model, options.study));
  StudyOptions study = options.study;
  study.schemes.clear();
  if (!options.scheme.empty()) study.schemes = {options.scheme};
  BITLOSS_TRY(const std::vector<LanePlan> plans, PlanLanes(model, study, calibration, {}));

  ThreadPool threads(options.study.num_threads);
  BITLOSS_TRY(const std::unique_ptr<Backend> backend, MakeBackend(threads));
  Transformer transformer(model.source.config(), *backend);
  const Packing packing = options.max_new_tokens <= kFewTokens ? Packing::kInPlace : Packing::kCopy;
  BITLOSS_TRY(const BuiltLane lane,
              BuildLane(model.source, transformer, plans.back(), calibration, packing));

  GenerationOptions generation;
  generation.end_tokens = model.end_tokens;
  generation.num_top_positions = 0;
  if (options.sample) generation.sampling = Sampling{.seed = options.study.seed};
  const GenerationPrompt prompt{tokens, options.max_new_tokens, "generate"};
  const AnswerDone done = [&](size_t, const Generated& answer) -> Status {
    fmt::print("{}\n", model.tokenizer.Decode(answer.tokens, Tokenizer::SpecialOut::kSkip));
    return Ok();
  };
  BITLOSS_TRY(const GenerationSpeed speed,
              Generate(transformer, lane.weights, {&prompt, 1}, generation, done));
  if (speed.decode_tokens > 0) {
    PrintNote(fmt::format("{} prompt tokens in {:.2f} s, {} tokens at {:.1f} tokens/s",
                          speed.prefill_tokens, speed.prefill_seconds, speed.decode_tokens,
                          static_cast<double>(speed.decode_tokens) / speed.decode_seconds));
  }
  return 0;
}

}  // namespace

void AddGenerateCommand(CLI::App& app, Action& action) {
  auto options = std::make_shared<GenerateOptions>();
  CLI::App* command = app.add_subcommand("generate", "Answer one prompt, to try a lane by hand");
  command->add_option("MODEL", options->study.model, "As in 'bitloss run'")->required();
  command->add_option("PROMPT", options->prompt, "What a user would type")->required();
  command->add_option("--scheme", options->scheme,
                      "Which form of the model answers; without it, the one in which it is stored");
  command
      ->add_option("--lane", options->study.lanes,
                   "Instead, a checkpoint of it that is quantized already, as in 'bitloss run'")
      ->expected(1)
      ->excludes("--scheme");
  command->add_flag("--raw", options->raw, "Without the chat template");
  command->add_flag("--sample", options->sample, "Sample at temperature 0.7 instead of greedily");
  command->add_option("--max-new-tokens", options->max_new_tokens, "Cut the answer here")
      ->check(CLI::Range(size_t{1}, size_t{1} << 40))
      ->capture_default_str();
  AddChatOptions(*command, options->study.chat_template, options->study.chat_variables);
  AddCalibrationOptions(*command, options->study);
  AddThreadsOption(*command, options->study.num_threads);
  command->add_option("--seed", options->study.seed, "Of the dice")->capture_default_str();
  command->callback([options, &action] {
    action = [options]() -> Result<int> {
      BITLOSS_DO(FetchInputs(options->study));
      return GenerateAnswer(*options);
    };
  });
}

}  // namespace bitloss
