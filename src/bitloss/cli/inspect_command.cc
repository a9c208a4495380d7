#include <map>
#include <nlohmann/json.hpp>

#include "bitloss/checkpoint/checkpoint.h"
#include "bitloss/cli/commands.h"
#include "bitloss/cli/fetch.h"
#include "bitloss/cli/tensor_errors_output.h"
#include "bitloss/model/config.h"
#include "bitloss/report/writers.h"
#include "bitloss/store/store.h"
#include "bitloss/study/model_files.h"
#include "bitloss/study/stored_lanes.h"
#include "bitloss/study/tensor_errors.h"

namespace bitloss {
namespace {

namespace fs = std::filesystem;

struct InspectOptions {
  std::string path;
  std::string against;
  bool json = false;
};

void Print(const nlohmann::ordered_json& json, bool as_json) {
  if (as_json) {
    fmt::print("{}\n", json.dump(2));
    return;
  }
  for (const auto& [key, value] : json.items()) {
    if (!value.is_array()) {
      fmt::print("{:<24} {}\n", key, value.is_string() ? value.get<std::string>() : value.dump());
    }
  }
  for (const nlohmann::ordered_json& tensor :
       json.value("tensors", nlohmann::ordered_json::array())) {
    fmt::print("{:<52} {:<6} {}\n", tensor["name"].get<std::string>(),
               tensor["type"].get<std::string>(), tensor["shape"].dump());
  }
}

Result<nlohmann::ordered_json> InspectCheckpoint(const fs::path& path) {
  BITLOSS_TRY(const std::unique_ptr<Checkpoint> checkpoint, Checkpoint::Open(path));
  BITLOSS_TRY(const ModelConfig config, ReadModelConfig(*checkpoint));
  nlohmann::ordered_json json = {{"kind", "checkpoint"},
                                 {"architecture", config.architecture},
                                 {"layers", config.num_layers},
                                 {"hidden_size", config.hidden_size},
                                 {"intermediate_size", config.intermediate_size},
                                 {"heads", config.num_heads},
                                 {"kv_heads", config.num_kv_heads},
                                 {"head_dim", config.head_dim},
                                 {"vocab_size", config.vocab_size},
                                 {"max_positions", config.max_positions},
                                 {"tied_embeddings", config.tied_embeddings}};
  if (checkpoint->gguf() != nullptr) json["parts"] = checkpoint->gguf()->headers().size();
  BITLOSS_TRY(json["identity"], checkpoint->Identity());
  uint64_t num_bytes = 0;
  nlohmann::ordered_json tensors = nlohmann::ordered_json::array();
  for (const std::string& name : checkpoint->TensorNames()) {
    BITLOSS_TRY(const TensorInfo info, checkpoint->Info(name));
    tensors.push_back({{"name", name}, {"type", info.stored_type}, {"shape", info.shape}});
    num_bytes += info.num_bytes;
  }
  json["tensor_bytes"] = num_bytes;
  json["tensors"] = tensors;
  return json;
}

Result<nlohmann::ordered_json> InspectTokenizer(const fs::path& path) {
  BITLOSS_TRY(const Tokenizer tokenizer, OpenTokenizer(path.string()));
  nlohmann::ordered_json json = {{"kind", "tokenizer"},
                                 {"tokens", tokenizer.num_tokens()},
                                 {"identity", tokenizer.identity()},
                                 {"adds_bos", tokenizer.adds_bos()}};
  if (tokenizer.bos()) json["bos"] = *tokenizer.bos();
  if (tokenizer.eos()) json["eos"] = *tokenizer.eos();
  return json;
}

Result<int> InspectStudy(const fs::path& path, bool as_json) {
  BITLOSS_TRY(const Store store, Store::OpenForReading(path));
  ThreadPool threads(DefaultNumThreads());
  BITLOSS_TRY(const ReportData report, MakeReport(store, threads));
  fmt::print("{}\n", as_json ? WriteJson(report) : TerminalDetails(report));
  return 0;
}

Result<int> InspectErrors(const InspectOptions& options) {
  BITLOSS_TRY(const ModelFiles base, OpenAnyModel(options.against));
  BITLOSS_TRY(const std::shared_ptr<const ModelFiles> quantized,
              OpenStoredLane(base, options.path));
  ThreadPool threads(DefaultNumThreads());
  BITLOSS_TRY(const TensorErrors errors, CompareTensors(base, *quantized, threads));
  fmt::print("{}", options.json ? TensorErrorsJson(errors) : TensorErrorsTable(errors));
  return 0;
}

Result<int> Inspect(const InspectOptions& options) {
  BITLOSS_DO(FetchModel(options.path));
  BITLOSS_DO(FetchModel(options.against));
  const fs::path path = options.path;
  if (!options.against.empty()) return InspectErrors(options);
  if (fs::exists(path / "study.db")) return InspectStudy(path, options.json);
  const bool tokenizer_only =
      fs::exists(path / "tokenizer.json") && !fs::exists(path / "config.json");
  BITLOSS_TRY(const fs::path found, FindModel(options.path));
  BITLOSS_TRY(const nlohmann::ordered_json json,
              tokenizer_only ? InspectTokenizer(found) : InspectCheckpoint(found));
  Print(json, options.json);
  return 0;
}

}  // namespace

void AddInspectCommand(CLI::App& app, Action& action) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* command =
      app.add_subcommand("inspect", "What is in a checkpoint, a study or a tokenizer");
  command->add_option("PATH", options->path, "Folder, .gguf file or name on a hub")->required();
  command->add_option(
      "--against", options->against,
      "The model that PATH was quantized from: print the error of every matrix, the "
      "largest first");
  command->add_flag("--json", options->json, "For programs");
  command->callback([options, &action] { action = [options] { return Inspect(*options); }; });
}

}  // namespace bitloss
