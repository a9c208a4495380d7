#include <algorithm>
#include <nlohmann/json.hpp>

#include "bitloss/base/file.h"
#include "bitloss/cli/commands.h"
#include "bitloss/cli/compute_options.h"
#include "bitloss/cli/fetch.h"
#include "bitloss/cli/progress.h"
#include "bitloss/study/sensitivity.h"

namespace bitloss {
namespace {

struct SensitivityArguments {
  SensitivityOptions analysis;
  std::filesystem::path mix = "mixed-scheme.json";
  bool json = false;
};

struct NamedKl {
  std::string name;
  double kl;
};

std::vector<NamedKl> TensorsByDamage(const SchemeSensitivity& scheme) {
  std::vector<NamedKl> tensors;
  for (size_t layer = 0; layer < scheme.tensors.size(); ++layer) {
    for (size_t i = 0; i < kNumLinearKinds; ++i) {
      tensors.push_back({fmt::format("layer {} {}", layer, ModuleName(kAllLinears[i])),
                         scheme.tensors[layer][i]});
    }
  }
  std::ranges::stable_sort(tensors, std::ranges::greater(), &NamedKl::kl);
  return tensors;
}

void PrintScheme(const SchemeSensitivity& scheme) {
  fmt::print("\n{}: KL {:.3g} nats/token, all together", scheme.scheme, scheme.all);
  if (const auto ratio = scheme.AdditivityRatio()) {
    fmt::print("; additivity ratio {:.2f} (sum of {} alone / all together)", *ratio,
               scheme.tensors.empty() ? "blocks" : "tensors");
  }
  fmt::print("\n");
  if (scheme.tensors.empty()) {
    fmt::print("blocks only: this fit changes norms that several tensors share\n");
  }
  for (size_t i = 0; i < scheme.kinds.size(); ++i) {
    fmt::print("  {:<20} {:.3g}\n", ModuleName(kAllLinears[i]), scheme.kinds[i]);
  }
  for (size_t layer = 0; layer < scheme.layers.size(); ++layer) {
    fmt::print("  layer {:<14} {:.3g}\n", layer, scheme.layers[layer]);
  }
  constexpr size_t kShown = 10;
  const std::vector<NamedKl> tensors = TensorsByDamage(scheme);
  for (size_t i = 0; i < std::min(kShown, tensors.size()); ++i) {
    fmt::print("  {:<2} {:<30} {:.3g}\n", i + 1, tensors[i].name, tensors[i].kl);
  }
}

void PrintText(const Sensitivity& result, const SensitivityArguments& options) {
  fmt::print("{}: {} tokens, {} scored; KL from the baseline in nats/token, one part at a time\n",
             result.text, result.num_tokens, result.num_scored);
  for (const SchemeSensitivity& scheme : result.schemes) PrintScheme(scheme);
  fmt::print("\ncost: blocks alone {:.1f} passes through the model, everything {:.1f}; {}\n",
             result.layer_sweep_runs, result.all_runs, Duration(result.seconds));
  if (!result.mix) return;
  fmt::print("mix of {:.2f} bits/weight: KL {:.3g} predicted, {:.3g} measured\n",
             result.mix->bits_per_weight, result.mix->predicted_kl, result.mix->measured_kl);
  fmt::print("mixed scheme: {}\n", options.mix.string());
}

nlohmann::ordered_json SchemeJson(const SchemeSensitivity& scheme) {
  nlohmann::ordered_json json = {{"scheme", scheme.scheme}, {"kl", scheme.all}};
  if (const auto ratio = scheme.AdditivityRatio()) json["additivity_ratio"] = *ratio;
  json["layers"] = scheme.layers;
  for (size_t i = 0; i < scheme.kinds.size(); ++i) {
    json["kinds"][std::string(ModuleName(kAllLinears[i]))] = scheme.kinds[i];
  }
  for (const auto& layer : scheme.tensors) {
    nlohmann::ordered_json tensors;
    for (size_t i = 0; i < kNumLinearKinds; ++i) {
      tensors[std::string(ModuleName(kAllLinears[i]))] = layer[i];
    }
    json["tensors"].push_back(std::move(tensors));
  }
  return json;
}

void PrintJson(const Sensitivity& result) {
  nlohmann::ordered_json json = {{"schema", "bitloss.sensitivity/1"},
                                 {"text", result.text},
                                 {"tokens", result.num_tokens},
                                 {"scored", result.num_scored},
                                 {"layer_sweep_runs", result.layer_sweep_runs},
                                 {"all_runs", result.all_runs}};
  for (const SchemeSensitivity& scheme : result.schemes) {
    json["schemes"].push_back(SchemeJson(scheme));
  }
  if (result.mix) {
    json["mix"] = {{"bits_per_weight", result.mix->bits_per_weight},
                   {"predicted_kl", result.mix->predicted_kl},
                   {"measured_kl", result.mix->measured_kl}};
  }
  fmt::print("{}\n", json.dump(1));
}

Result<int> Analyze(const SensitivityArguments& options) {
  Result<Sensitivity> analyzed = [&] {
    ProgressPrinter printer;
    return AnalyzeSensitivity(options.analysis,
                              [&](const Progress& progress) { printer(progress); });
  }();
  BITLOSS_TRY(const Sensitivity result, std::move(analyzed));
  if (result.mix) {
    BITLOSS_DO(WriteFileAtomically(options.mix, WriteMixedScheme(result.mix->mixed)));
  }
  options.json ? PrintJson(result) : PrintText(result, options);
  return 0;
}

}  // namespace

void AddSensitivityCommand(CLI::App& app, Action& action) {
  auto options = std::make_shared<SensitivityArguments>();
  CLI::App* command = app.add_subcommand(
      "sensitivity", "Where a scheme's damage comes from: tensor by tensor, block by block");
  command->add_option("MODEL", options->analysis.model,
                      "Folder, .gguf file or name on a hub; without one, the model that ships");
  command
      ->add_option("--scheme", options->analysis.schemes,
                   "What is swapped in; with --budget several, separated by commas: what a tensor "
                   "may get, beside FP16")
      ->delimiter(',')
      ->required();
  command
      ->add_option("--budget", options->analysis.budget,
                   "Bits per weight of the decoder's linears; writes a mixed scheme within it")
      ->check(CLI::PositiveNumber);
  command->add_option("--out", options->mix, "Where the mixed scheme goes; for run --schemes")
      ->capture_default_str();
  command->add_option("--text", options->analysis.text,
                      "UTF-8 file, or owner/name:FILE, to measure on");
  command->add_option("--tokens", options->analysis.num_tokens, "How much of it")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  AddThreadsOption(*command, options->analysis.num_threads);
  command->add_flag("--json", options->json, "For programs");
  command->callback([options, &action] {
    action = [options]() -> Result<int> {
      BITLOSS_DO(FetchModel(options->analysis.model));
      BITLOSS_DO(FetchText(options->analysis.text));
      return Analyze(*options);
    };
  });
}

}  // namespace bitloss
