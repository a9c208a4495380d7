#include "bitloss/study/sensitivity.h"

#include <chrono>

#include "bitloss/base/sum.h"
#include "bitloss/compute/devices.h"
#include "bitloss/data/embedded.h"
#include "bitloss/model/matrix_formats.h"
#include "bitloss/study/bit_allocation.h"
#include "bitloss/study/lane_identity.h"
#include "bitloss/study/lanes.h"
#include "bitloss/study/model_files.h"
#include "bitloss/study/swap_runner.h"

namespace bitloss {
namespace {

// Of this many neighbouring positions one is scored.
constexpr size_t kStride = 4;

struct Inputs {
  ModelFiles model;
  std::string text_name;
  std::vector<std::vector<int32_t>> sequences;  // that are measured on
  Calibration calibration;                      // of fits that calibrate
};

Result<Inputs> OpenInputs(const SensitivityOptions& options) {
  BITLOSS_TRY(ModelFiles model, OpenModel(options.model));
  BITLOSS_DO(CheckKinds(model.source.config(), "sensitivity"));
  Inputs inputs{std::move(model), {}, {}, {}};
  StudyOptions text;
  text.calibration = options.text;
  if (options.text.empty()) {
    BITLOSS_TRY(const std::filesystem::path shipped, EmbeddedModelFolder());
    text.calibration = shipped / "eval.txt";
  }
  text.calibration_tokens = options.num_tokens;
  BITLOSS_TRY(Calibration read, ReadCalibration(inputs.model, text));
  inputs.text_name = options.text.empty() ? "bitloss-tiny/eval.txt" : read.text_name;
  inputs.sequences = std::move(read.sequences);
  BITLOSS_TRY(inputs.calibration, ReadCalibration(inputs.model, StudyOptions()));
  return inputs;
}

Result<std::vector<Scheme>> ResolveSchemes(const SensitivityOptions& options,
                                           const Inputs& inputs) {
  if (options.schemes.empty()) return BadInput("no scheme to analyse; name one with --scheme");
  std::vector<Scheme> schemes;
  for (const std::string& text : options.schemes) {
    BITLOSS_TRY(Scheme parsed, ParseScheme(text));
    BITLOSS_TRY(Scheme scheme, ResolveForModel(std::move(parsed), inputs.model.source));
    BITLOSS_DO(CheckCalibration(scheme, inputs.calibration));
    if (options.budget && Calibrates(scheme)) {
      return Unsupported("scheme '{}' changes more than its own matrix and cannot be mixed", text);
    }
    schemes.push_back(std::move(scheme));
  }
  return schemes;
}

class Analysis {
 public:
  Analysis(Transformer& transformer, SwapRunner& runner, const ProgressSink& progress)
      : transformer_(transformer), runner_(runner), progress_(progress) {}

  Result<SchemeSensitivity> Run(const Scheme& scheme, LaneWeights& lane) {
    const size_t num_layers = transformer_.config().num_layers;
    SchemeSensitivity result;
    result.scheme = scheme.text;
    BITLOSS_TRY(result.all, runner_.SwapAll(lane));
    // A fit that scales columns leaves its mark on norms that several tensors share.
    const std::vector<LayerSwap> swaps =
        Calibrates(scheme) ? std::vector<LayerSwap>{{{}, true}} : TensorAndLayerSwaps();
    for (size_t layer = 0; layer < num_layers; ++layer) {
      progress_({fmt::format("sensitivity, {}", scheme.text), layer, num_layers, "layers"});
      BITLOSS_TRY(const std::vector<double> kl, runner_.SwapInLayer(layer, swaps, lane));
      result.layers.push_back(kl.back());
      if (kl.size() > 1)
        std::copy_n(kl.begin(), kNumLinearKinds, result.tensors.emplace_back().begin());
    }
    if (!Calibrates(scheme)) {
      for (const Linear linear : kAllLinears) {
        BITLOSS_TRY(result.kinds.emplace_back(), runner_.SwapKind(linear, lane));
      }
    }
    progress_({fmt::format("sensitivity, {}", scheme.text), num_layers, num_layers, "layers"});
    return result;
  }

 private:
  static std::vector<LayerSwap> TensorAndLayerSwaps() {
    std::vector<LayerSwap> swaps;
    for (const Linear linear : kAllLinears) swaps.push_back({{linear}, false});
    swaps.push_back({{}, true});
    return swaps;
  }

  Transformer& transformer_;
  SwapRunner& runner_;
  const ProgressSink& progress_;
};

// Of all linears of a kind in a layer.
struct KindSize {
  uint64_t bytes = 0;
  uint64_t weights = 0;
};
KindSize SizeOf(const Scheme& scheme, const LayerPlan& plan, size_t kind) {
  KindSize size;
  for (const LinearSpec& linear : plan.linears) {
    if (static_cast<size_t>(linear.kind) != kind) continue;
    size.bytes += scheme.format.num_bytes(scheme.format, linear.shape.out, linear.shape.in);
    size.weights += uint64_t{linear.shape.out} * linear.shape.in;
  }
  return size;
}

// Chooses among the schemes, and the baseline, which does nothing.
Result<MixRecommendation> Recommend(const ModelSource& source, std::span<const Scheme> schemes,
                                    std::span<const SchemeSensitivity> measured, double budget) {
  const ModelConfig& config = source.config();
  MixRecommendation mix;
  mix.mixed.components.assign(schemes.begin(), schemes.end());
  BITLOSS_TRY(mix.mixed.components.emplace_back(), BaselineScheme(source));
  std::vector<std::vector<TensorChoice>> tensors;
  uint64_t num_weights = 0;
  for (size_t layer = 0; layer < config.num_layers; ++layer) {
    const LayerPlan plan = PlanLayer(config, layer);
    for (size_t i = 0; i < kNumLinearKinds; ++i) {
      num_weights += SizeOf(schemes[0], plan, i).weights;
      std::vector<TensorChoice>& choices = tensors.emplace_back();
      for (size_t s = 0; s < schemes.size(); ++s) {
        choices.push_back({SizeOf(schemes[s], plan, i).bytes, measured[s].tensors[layer][i]});
      }
      choices.push_back({SizeOf(mix.mixed.components.back(), plan, i).bytes, 0.0});
    }
  }
  const double max_bytes = budget / 8 * static_cast<double>(num_weights);
  const auto chosen = AllocateBits(tensors, static_cast<uint64_t>(max_bytes));
  if (!chosen) {
    return BadInput("a budget of {} bits per weight is below the smallest of the schemes given",
                    budget);
  }
  Sum kl;
  uint64_t bytes = 0;
  mix.mixed.choices.resize(config.num_layers);
  for (size_t t = 0; t < tensors.size(); ++t) {
    const size_t choice = (*chosen)[t];
    mix.mixed.choices[t / kNumLinearKinds][t % kNumLinearKinds] = choice;
    kl.Add(tensors[t][choice].kl);
    bytes += tensors[t][choice].bytes;
  }
  mix.predicted_kl = kl.Total();
  mix.bits_per_weight = 8 * static_cast<double>(bytes) / static_cast<double>(num_weights);
  return mix;
}

}  // namespace

std::optional<double> SchemeSensitivity::AdditivityRatio() const {
  if (!(all > 0)) return std::nullopt;
  Sum sum;
  for (const auto& layer : tensors) {
    for (const double kl : layer) sum.Add(kl);
  }
  if (tensors.empty()) {
    for (const double kl : layers) sum.Add(kl);
  }
  return sum.Total() / all;
}

Result<Sensitivity> AnalyzeSensitivity(const SensitivityOptions& options,
                                       const ProgressSink& progress) {
  const auto start = std::chrono::steady_clock::now();
  BITLOSS_TRY(const Inputs inputs, OpenInputs(options));
  const ModelConfig& config = inputs.model.source.config();
  BITLOSS_TRY(const std::vector<Scheme> resolved, ResolveSchemes(options, inputs));
  const std::span<const Scheme> schemes(resolved.data(), options.budget ? resolved.size() : 1);

  ThreadPool threads(options.num_threads);
  BITLOSS_TRY(const std::unique_ptr<Backend> backend, MakeBackend(threads));
  Transformer transformer(config, *backend);
  LaneBuilderOptions build;
  build.calibration = inputs.calibration.sequences;
  build.seed = options.seed;
  std::vector<Scheme> lanes_of = {};
  BITLOSS_TRY(lanes_of.emplace_back(), BaselineScheme(inputs.model.source));
  lanes_of.insert(lanes_of.end(), schemes.begin(), schemes.end());
  BITLOSS_TRY(std::vector<BuiltLane> lanes,
              BuildLanes(inputs.model.source, transformer, lanes_of, build));
  BITLOSS_TRY(SwapRunner runner,
              SwapRunner::Create(transformer, lanes[0].weights, inputs.sequences, kStride));

  Sensitivity result;
  result.text = inputs.text_name;
  result.num_tokens = runner.num_tokens();
  result.num_scored = runner.num_scored();
  Analysis analysis(transformer, runner, progress);
  const double full_run = static_cast<double>(config.num_layers * result.num_tokens);
  for (size_t s = 0; s < schemes.size(); ++s) {
    BITLOSS_TRY(result.schemes.emplace_back(), analysis.Run(schemes[s], lanes[s + 1].weights));
    if (s > 0) continue;
    // Swaps of one block all go the same way.
    const double swaps = result.schemes[0].tensors.empty() ? 1 : kNumLinearKinds + 1;
    result.all_runs = static_cast<double>(runner.num_block_tokens()) / full_run;
    const double others = 1 + static_cast<double>(result.schemes[0].kinds.size());
    result.layer_sweep_runs = (result.all_runs - others) / swaps;
  }
  if (options.budget) {
    BITLOSS_TRY(result.mix,
                Recommend(inputs.model.source, schemes, result.schemes, *options.budget));
    std::vector<BuiltLane> components;
    for (size_t s = 0; s < schemes.size(); ++s) components.push_back(std::move(lanes[s + 1]));
    components.push_back(std::move(lanes[0]));
    BuiltLane mixed = AssembleMixedLane(result.mix->mixed, std::move(components));
    BITLOSS_TRY(result.mix->measured_kl, runner.SwapAll(mixed.weights));
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace bitloss
