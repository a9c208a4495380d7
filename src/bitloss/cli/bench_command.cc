#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "bitloss/cli/commands.h"
#include "bitloss/cli/compute_options.h"
#include "bitloss/compute/bench.h"
#include "bitloss/compute/devices.h"
#include "bitloss/compute/instruction_set.h"
#include "bitloss/eval/forward_bench.h"
#include "bitloss/metrics/divergence.h"

namespace bitloss {
namespace {

using nlohmann::ordered_json;

// What the kernels see of a model.
struct ModelShape {
  std::string_view name;
  size_t hidden;
  size_t feed_forward;
  size_t vocabulary;
  AttentionShape attention;
  size_t layers;
};

constexpr ModelShape kModels[] = {
    {"smollm2-135m", 576, 1536, 49152, {9, 3, 64}, 30},
    {"qwen2.5-0.5b", 896, 4864, 151936, {14, 2, 64}, 24},
    {"llama-7b", 4096, 11008, 32000, {32, 32, 128}, 32},
};

struct BenchOptions {
  bool json = false;
  bool only_limits = false;
  bool forward = false;
  size_t num_threads = DefaultNumThreads();
  std::string instruction_set;
  Arithmetic arithmetic = Arithmetic::kExact;
  std::vector<std::string> models;
  std::vector<std::string> schemes = {"f16", "int8", "nf4", "int4_group:64", "q4_0", "q8_0"};
  std::vector<size_t> tokens = {1, 4, 16, 96, 512, 2048};
  double seconds = 0.05;  // of each measurement
};

std::string_view LimitName(std::string_view limit) {
  if (limit == "fma") return "FMA peak";
  if (limit == "bytes") return "byte product peak";
  return "read bandwidth";
}

// Prints a line for each measurement, or gathers them for the end.
class Output {
 public:
  explicit Output(bool json) : json_(json) {}

  void Add(std::string_view kernel, std::string_view model, ordered_json record,
           const ShareOfLimit& share) {
    if (!json_) {
      std::string sizes;
      for (const auto& [key, value] : record.items()) {
        if (value.is_number_integer() && key != "weight_bytes") {
          sizes += fmt::format(" {} {}", key, value.get<uint64_t>());
        }
      }
      fmt::print("{:<13} {:<14}{:<36} {:10.3f} ms", model, kernel, sizes,
                 record["seconds"].get<double>() * 1e3);
      PrintRate(record, "tokens_per_second", "tokens/s");
      PrintRate(record, "gflops", "GFLOP/s");
      PrintRate(record, "gigabytes_per_second", "GB/s");
      fmt::print("  {:5.1f} % of {}\n", 100 * share.share, LimitName(share.limit));
      std::fflush(stdout);
      return;
    }
    ordered_json entry = {{"model", model}, {"kernel", kernel}};
    entry.update(record);
    entry["limit"] = share.limit;
    entry["share_of_limit"] = share.share;
    kernels_.push_back(std::move(entry));
  }

  ordered_json Take() { return std::move(kernels_); }

 private:
  static void PrintRate(const ordered_json& record, const char* key, const char* unit) {
    if (record.contains(key)) fmt::print("  {:8.1f} {}", record[key].get<double>(), unit);
  }

  bool json_;
  ordered_json kernels_ = ordered_json::array();
};

// 1, 2, 4, ... and `most`.
std::vector<size_t> ThreadCounts(size_t most) {
  std::vector<size_t> counts;
  for (size_t count = 1; count < most; count *= 2) counts.push_back(count);
  counts.push_back(most);
  return counts;
}

// Returns the limits of `options.num_threads` threads; `json` gets those of fewer as well.
Result<MachineLimits> MeasureLimits(const BenchOptions& options, ordered_json& json) {
  const CacheSizes caches = ReadCacheSizes();
  json["cache_bytes"] = {
      {"level1", caches.level1}, {"level2", caches.level2}, {"level3", caches.level3}};
  if (!options.json) {
    fmt::print("caches: {} KiB, {} KiB, {} KiB\n", caches.level1 / 1024, caches.level2 / 1024,
               caches.level3 / 1024);
  }
  MachineLimits limits;
  for (const size_t count : ThreadCounts(options.num_threads)) {
    ThreadPool threads(count);
    BITLOSS_TRY(limits, MeasureMachineLimits(threads));
    ordered_json entry = {{"threads", count},
                          {"fma_gflops", limits.fma_gflops},
                          {"tile_gflops", limits.tile_gflops},
                          {"read_gigabytes_per_second", limits.read_gigabytes}};
    if (limits.byte_gops > 0) entry["byte_gops"] = limits.byte_gops;
    json["limits"].push_back(entry);
    if (options.json) continue;
    fmt::print("{} thread{}: {:.1f} GFLOP/s of FP32 multiply-adds ({:.1f} from the first cache), ",
               count, count == 1 ? "" : "s", limits.fma_gflops, limits.tile_gflops);
    if (limits.byte_gops > 0) fmt::print("{:.1f} Gop/s of byte products, ", limits.byte_gops);
    fmt::print("{:.1f} GB/s read\n", limits.read_gigabytes);
  }
  return limits;
}

// The limits of the device that computes.
Result<MachineLimits> MeasureLimits(const Backend& backend, const BenchOptions& options,
                                    ordered_json& json) {
  const std::optional<DeviceLimits> device = backend.MeasureLimits();
  if (!device) return MeasureLimits(options, json);
  json["limits"].push_back({{"fma_gflops", device->fma_gflops},
                            {"byte_gops", device->byte_gops},
                            {"copy_gigabytes_per_second", device->copy_gigabytes}});
  if (!options.json) {
    fmt::print(
        "{:.1f} GFLOP/s of FP32 multiply-adds, {:.1f} Gop/s of byte products, {:.1f} GB/s copied "
        "(read and written)\n",
        device->fma_gflops, device->byte_gops, device->copy_gigabytes);
  }
  return LimitsOf(*device);
}

Status BenchmarkProducts(const Backend& backend, const MachineLimits& limits,
                         const BenchOptions& options, const ModelShape& model, Output& output) {
  struct Product {
    std::string_view name;
    size_t in;
    size_t out;
  };
  const size_t keys = model.attention.num_kv_heads * model.attention.head_dim;
  const Product products[] = {{"q_proj", model.hidden, model.hidden},
                              {"k_proj", model.hidden, keys},
                              {"gate_proj", model.hidden, model.feed_forward},
                              {"down_proj", model.feed_forward, model.hidden},
                              {"lm_head", model.hidden, model.vocabulary}};
  for (const std::string& scheme : options.schemes) {
    for (const Product& product : products) {
      if (product.name == "k_proj" && keys == model.hidden) continue;
      if (product.name == "lm_head" && scheme != "f16") continue;  // heads keep FP16
      BITLOSS_TRY(const std::vector<MatMulRecord> records,
                  BenchmarkMatMul(backend, limits, scheme, product.in, product.out, options.tokens,
                                  options.seconds));
      for (const MatMulRecord& r : records) {
        output.Add(fmt::format("{}", scheme), model.name,
                   {{"product", product.name},
                    {"tokens", r.shape.tokens},
                    {"in", r.shape.in},
                    {"out", r.shape.out},
                    {"weight_bytes", r.weight_bytes},
                    {"seconds", r.seconds},
                    {"gflops", r.gflops},
                    {"gigabytes_per_second", r.gigabytes}},
                   r.share);
      }
    }
  }
  return Ok();
}

void BenchmarkAttentions(const Backend& backend, const MachineLimits& limits,
                         const BenchOptions& options, const ModelShape& model, Output& output) {
  for (const size_t tokens : options.tokens) {
    // One token is decoding; the others are prefill.
    const size_t keys = tokens == 1 ? 512 : tokens;
    const AttentionRecord r =
        BenchmarkAttention(backend, limits, model.attention, tokens, keys, options.seconds);
    output.Add("attention", model.name,
               {{"tokens", r.tokens},
                {"keys", r.keys},
                {"seconds", r.seconds},
                {"gflops", r.gflops},
                {"gigabytes_per_second", r.gigabytes}},
               r.share);
  }
}

void BenchmarkRows(const Backend& backend, const MachineLimits& limits, const BenchOptions& options,
                   const ModelShape& model, Output& output) {
  for (const size_t tokens : options.tokens) {
    for (const RowRecord& r : BenchmarkRowOperations(
             backend, limits, model.hidden, model.attention.head_dim, tokens, options.seconds)) {
      output.Add(r.operation, model.name,
                 {{"tokens", r.tokens},
                  {"width", r.width},
                  {"seconds", r.seconds},
                  {"gigabytes_per_second", r.gigabytes}},
                 r.share);
    }
  }
}

// The loss of rows of logits, and their divergence from others.
Status BenchmarkMetrics(const Backend& backend, const MachineLimits& limits,
                        const BenchOptions& options, const ModelShape& model, Output& output) {
  using Clock = std::chrono::steady_clock;
  const size_t rows =
      std::max<size_t>(4 * backend.threads().num_threads(), 64 * (backend.work_sizes().queued - 1));
  Matrix logits(rows + 1, model.vocabulary);
  for (size_t i = 0; i < logits.flat().size(); ++i) {
    logits.flat()[i] = static_cast<float>(i * 2654435761u % 65536) / 4096.0f;
  }
  const Tensor on_device = backend.ToTensor(logits);
  const ConstDeviceView base = on_device.view().Rows(0, rows);
  const ConstDeviceView lane = on_device.view().Rows(1, rows + 1);
  BITLOSS_TRY(const std::vector<RowSummary> summaries, backend.Summarize(base));
  double loss = 1e30;
  double divergence = 1e30;
  const Clock::time_point begin = Clock::now();
  while (std::chrono::duration<double>(Clock::now() - begin).count() < 2 * options.seconds) {
    const Clock::time_point start = Clock::now();
    BITLOSS_DO(backend.Summarize(base));
    loss = std::min(loss, std::chrono::duration<double>(Clock::now() - start).count());
    BITLOSS_TRY(const Backend::Comparison compared, backend.Compare(base, summaries, lane));
    divergence = std::min(divergence, compared.seconds);
  }
  const auto add = [&](std::string_view kernel, double reads, double seconds) {
    const double gigabytes =
        1e-9 * reads * static_cast<double>(rows * model.vocabulary * sizeof(float)) / seconds;
    output.Add(kernel, model.name,
               {{"tokens", rows},
                {"vocabulary", model.vocabulary},
                {"seconds", seconds},
                {"gigabytes_per_second", gigabytes}},
               {"read", gigabytes / limits.read_gigabytes});
  };
  add("loss", 1, loss);
  add("divergence", 2, divergence);
  return Ok();
}

ModelConfig ConfigOf(const ModelShape& shape) {
  ModelConfig config;
  config.name = shape.name;
  config.hidden_size = shape.hidden;
  config.intermediate_size = shape.feed_forward;
  config.num_layers = shape.layers;
  config.num_heads = shape.attention.num_heads;
  config.num_kv_heads = shape.attention.num_kv_heads;
  config.head_dim = shape.attention.head_dim;
  config.vocab_size = shape.vocabulary;
  config.max_positions = 4096;
  config.rms_norm_eps = 1e-6;
  return config;
}

// Whole forward passes: windows of text, one sequence decoding, 96 of them at once.
Status BenchmarkForwards(const Backend& backend, const MachineLimits& limits,
                         const BenchOptions& options, const ModelShape& shape, Output& output) {
  for (const std::string& scheme : options.schemes) {
    BITLOSS_TRY(const BenchModel model, BenchModel::Make(ConfigOf(shape), scheme, backend));
    const auto add = [&](const ForwardRecord& r) {
      output.Add(fmt::format("{} {}", r.work, scheme), shape.name,
                 {{"sequences", r.sequences},
                  {"tokens", r.tokens},
                  {"seconds", r.seconds},
                  {"tokens_per_second", r.tokens_per_second},
                  {"gflops", r.gflops},
                  {"gigabytes_per_second", r.gigabytes}},
                 r.share);
    };
    const size_t windows = backend.work_sizes().group_tokens / 512;
    BITLOSS_TRY(const ForwardRecord text, BenchmarkText(model, backend, limits, windows, 512));
    add(text);
    for (const size_t sequences : {size_t{1}, size_t{96}}) {
      add(BenchmarkDecode(model, backend, limits, sequences, 64, 10 * options.seconds));
    }
  }
  return Ok();
}

Result<std::vector<ModelShape>> ChooseModels(const BenchOptions& options) {
  std::vector<ModelShape> chosen;
  for (const ModelShape& model : kModels) {
    if (options.models.empty() || std::ranges::count(options.models, model.name) > 0) {
      chosen.push_back(model);
    }
  }
  for (const std::string& name : options.models) {
    if (std::ranges::none_of(kModels, [&](const ModelShape& m) { return m.name == name; })) {
      return BadInput("there is no shape '{}': smollm2-135m, qwen2.5-0.5b or llama-7b", name);
    }
  }
  return chosen;
}

Result<int> Bench(const BenchOptions& options) {
  BITLOSS_TRY(std::vector<ModelShape> models, ChooseModels(options));
  BITLOSS_DO(LimitInstructionSet(options.instruction_set));
  ThreadPool threads(options.num_threads);
  BITLOSS_TRY(const std::unique_ptr<Backend> backend, MakeBackend(threads, options.arithmetic));
  ordered_json json = {{"schema", "bitloss.bench/1"},
                       {"backend", backend->Describe()},
                       {"instruction_sets", CpuInstructionSets()}};
  if (!options.json) fmt::print("{}\n", backend->Describe());
  BITLOSS_TRY(const MachineLimits limits, MeasureLimits(*backend, options, json));
  Output output(options.json);
  if (options.only_limits) models.clear();
  for (const ModelShape& model : models) {
    if (options.forward) {
      BITLOSS_DO(BenchmarkForwards(*backend, limits, options, model, output));
      continue;
    }
    BITLOSS_DO(BenchmarkProducts(*backend, limits, options, model, output));
    BenchmarkAttentions(*backend, limits, options, model, output);
    BenchmarkRows(*backend, limits, options, model, output);
    BITLOSS_DO(BenchmarkMetrics(*backend, limits, options, model, output));
  }
  if (options.json) {
    json["kernels"] = output.Take();
    fmt::print("{}\n", json.dump(2));
  }
  return 0;
}

}  // namespace

void AddBenchCommand(CLI::App& app, Action& action) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command =
      app.add_subcommand("bench", "A processor's limits, and how close each kernel comes to them");
  command->add_flag("--json", options->json, "For programs");
  command->add_flag("--limits", options->only_limits, "The machine's limits, no kernels");
  command->add_flag("--forward", options->forward,
                    "Whole forward passes of random weights instead of single kernels");
  command
      ->add_option("--models", options->models,
                   "Shapes to measure: smollm2-135m, qwen2.5-0.5b, llama-7b; by default all")
      ->delimiter(',');
  command->add_option("--schemes", options->schemes, "Forms of the weights")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--tokens", options->tokens, "Rows that are multiplied at once")
      ->delimiter(',')
      ->check(CLI::Range(size_t{1}, size_t{65536}))
      ->capture_default_str();
  command->add_option("--seconds", options->seconds, "Of each measurement, at least three runs")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--threads", options->num_threads, "By default one for each processor")
      ->check(CLI::Range(size_t{1}, size_t{1024}));
  command->add_option("--instruction-set", options->instruction_set,
                      "None better than this one of those that 'bitloss --version' lists");
  AddArithmeticOption(*command, options->arithmetic);
  command->callback([options, &action] { action = [options] { return Bench(*options); }; });
}

}  // namespace bitloss
