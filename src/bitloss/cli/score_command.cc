#include <algorithm>
#include <fstream>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>

#include "bitloss/base/file.h"
#include "bitloss/cli/calibration_options.h"
#include "bitloss/cli/commands.h"
#include "bitloss/cli/compute_options.h"
#include "bitloss/cli/fetch.h"
#include "bitloss/compute/devices.h"
#include "bitloss/eval/sequence_losses.h"
#include "bitloss/model/lane_builder.h"
#include "bitloss/model/matrix_formats.h"
#include "bitloss/study/calibration_text.h"
#include "bitloss/study/model_files.h"

namespace bitloss {
namespace {

struct ScoreOptions {
  std::string model;
  std::string scheme = {};  // empty: the model as it is stored
  std::string ids;
  std::filesystem::path text;
  size_t num_logits = 0;
  bool token_by_token = false;
  bool json = false;
  StudyOptions study;
};

struct IdSequence {
  std::string place;  // for errors
  std::vector<int32_t> tokens;
};

Result<std::vector<int32_t>> ParseIds(std::string_view line) {
  const nlohmann::json array = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!array.is_array()) return BadInput("not a JSON array of token ids");
  std::vector<int32_t> ids;
  for (const nlohmann::json& id : array) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > std::numeric_limits<int32_t>::max()) {
      return BadInput("element {} is not a token id", ids.size());
    }
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

Result<std::vector<IdSequence>> ReadIds(const std::string& path) {
  const bool is_standard_input = path == "-";
  std::ifstream file;
  if (!is_standard_input) {
    file.open(path);
    if (!file) return NotFound("--ids {}: cannot be opened", path);
  }
  std::istream& in = is_standard_input ? std::cin : file;
  const std::string name = is_standard_input ? "standard input" : path;
  std::vector<IdSequence> sequences;
  std::string line;
  for (size_t number = 1; std::getline(in, line); ++number) {
    IdSequence sequence{fmt::format("{}, line {}", name, number), {}};
    auto ids = ParseIds(line);
    if (!ids.ok()) return Within(sequence.place, ids.error());
    sequence.tokens = std::move(ids).value();
    sequences.push_back(std::move(sequence));
  }
  if (sequences.empty()) return BadInput("{}: holds no line of token ids", name);
  return sequences;
}

Result<std::vector<IdSequence>> EncodeText(const ScoreOptions& options) {
  BITLOSS_TRY(const Tokenizer tokenizer, OpenTokenizer(options.model));
  BITLOSS_TRY(const std::string text, ReadFile(options.text));
  auto ids = tokenizer.Encode(text, Tokenizer::Special::kParse, Tokenizer::AddTokens::kModel);
  if (!ids.ok()) return Within(options.text.string(), ids.error());
  return std::vector<IdSequence>{{options.text.string(), {ids.value().begin(), ids.value().end()}}};
}

Status CheckTokens(const IdSequence& sequence, const ModelConfig& config) {
  const size_t count = sequence.tokens.size();
  if (count == 0 || count > config.max_positions) {
    return BadInput("{}: {} tokens; the model takes 1 to {}", sequence.place, count,
                    config.max_positions);
  }
  for (const int32_t id : sequence.tokens) {
    if (static_cast<size_t>(id) >= config.vocab_size) {
      return BadInput("{}: token id {} is not in the vocabulary of {}", sequence.place, id,
                      config.vocab_size);
    }
  }
  return Ok();
}

// The lane, which needs a tokenizer only if its fit looks at a text.
Result<BuiltLane> BuildLane(const ModelSource& source, Transformer& transformer,
                            const ScoreOptions& options) {
  const std::string text =
      options.scheme.empty() ? std::string(NameOf(source.baseline())) : options.scheme;
  BITLOSS_TRY(Scheme parsed, ParseScheme(text, {.int8_threshold = options.study.int8_threshold}));
  Calibration calibration;
  if (Calibrates(parsed)) {
    BITLOSS_TRY(const ModelFiles model, OpenModel(options.model));
    BITLOSS_TRY(calibration, ReadCalibration(model, options.study));
  }
  const ImportanceFile* importance = calibration.importance ? &*calibration.importance : nullptr;
  BITLOSS_TRY(const Scheme scheme, ResolveForModel(std::move(parsed), source, importance));
  LaneBuilderOptions build;
  build.calibration = calibration.sequences;
  build.seed = options.study.seed;
  build.importance = importance;
  BITLOSS_TRY(std::vector<BuiltLane> lanes, BuildLanes(source, transformer, {&scheme, 1}, build));
  return std::move(lanes[0]);
}

void Print(const SequenceLosses& losses, const ScoreOptions& options) {
  if (!options.json) {
    double sum = 0;
    for (const double nll : losses.nll) sum += nll;
    fmt::print("{} tokens, {} losses, sum {:.6f}, mean {:.6f} nats\n", losses.top1.size(),
               losses.nll.size(), sum,
               losses.nll.empty() ? 0.0 : sum / static_cast<double>(losses.nll.size()));
    return;
  }
  nlohmann::ordered_json line = {
      {"tokens", losses.top1.size()}, {"nll", losses.nll}, {"top1", losses.top1}};
  if (options.num_logits > 0) {
    line["logits"] = nlohmann::ordered_json::array();
    line["logit_ids"] = nlohmann::ordered_json::array();
    for (const ScoredToken& token : losses.last_logits) {
      line["logits"].push_back(token.logit);
      line["logit_ids"].push_back(token.id);
    }
  }
  fmt::print("{}\n", line.dump());
}

Result<int> Score(const ScoreOptions& options) {
  if (options.ids.empty() == options.text.empty()) {
    return BadInput("give the tokens with --ids, or a text with --text: one of the two");
  }
  BITLOSS_TRY(const ModelSource source, OpenModelSource(options.model));
  BITLOSS_TRY(const std::vector<IdSequence> sequences,
              options.text.empty() ? ReadIds(options.ids) : EncodeText(options));
  for (const IdSequence& sequence : sequences) BITLOSS_DO(CheckTokens(sequence, source.config()));

  ThreadPool threads(options.study.num_threads);
  BITLOSS_TRY(const std::unique_ptr<Backend> backend, MakeBackend(threads));
  Transformer transformer(source.config(), *backend);
  BITLOSS_TRY(const BuiltLane lane, BuildLane(source, transformer, options));
  for (const IdSequence& sequence : sequences) {
    const auto losses = LossesOf(transformer, lane.weights, sequence.tokens,
                                 options.token_by_token ? Feeding::kTokenByToken : Feeding::kWhole,
                                 options.num_logits);
    if (!losses.ok()) return Within(sequence.place, losses.error());
    Print(losses.value(), options);
  }
  return 0;
}

}  // namespace

void AddScoreCommand(CLI::App& app, Action& action) {
  auto options = std::make_shared<ScoreOptions>();
  CLI::App* command = app.add_subcommand(
      "score", "Losses of given tokens, one by one: for scripts that check a model");
  command
      ->add_option("MODEL", options->model,
                   "As in 'bitloss run'; with --ids it needs no tokenizer, unless the scheme "
                   "calibrates")
      ->required();
  command->add_option("--scheme", options->scheme, "Which form of the model")
      ->capture_default_str();
  command->add_option("--ids", options->ids,
                      "File, or - for standard input: each line a JSON array of token ids, a "
                      "sequence of its own");
  command->add_option("--text", options->text, "UTF-8 file, or owner/name:FILE, as one sequence");
  command->add_flag("--json", options->json,
                    "One line a sequence: {\"tokens\": n, \"nll\": [n-1 numbers], \"top1\": [n "
                    "ids]}");
  command
      ->add_option("--logits", options->num_logits,
                   "With --json: also this many of the largest logits of the last position, and "
                   "their ids (\"logits\", \"logit_ids\")")
      ->check(CLI::Range(size_t{0}, size_t{1} << 24));
  command->add_flag("--token-by-token", options->token_by_token,
                    "Through a cache, as answers are made; no number depends on it");
  AddCalibrationOptions(*command, options->study);
  AddThreadsOption(*command, options->study.num_threads);
  command->callback([options, &action] {
    action = [options]() -> Result<int> {
      BITLOSS_DO(FetchModel(options->model));
      BITLOSS_DO(FetchText(options->text));
      BITLOSS_DO(FetchText(options->study.calibration));
      return Score(*options);
    };
  });
}

}  // namespace bitloss
