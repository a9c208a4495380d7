#include "bitloss/convert/gguf_config.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <system_error>

#include "bitloss/checkpoint/gguf_checkpoint.h"
#include "bitloss/convert/config_difference.h"
#include "bitloss/model/architecture.h"
#include "bitloss/model/matrix_rows.h"
#include "bitloss/quant/formats/planes.h"

namespace bitloss {
namespace {

namespace fs = std::filesystem;

// The keys of one architecture.
class ArchitectureKeys {
 public:
  ArchitectureKeys(std::string_view architecture, GgufPairs& pairs)
      : prefix_(fmt::format("{}.", architecture)), pairs_(pairs) {}

  void Number(std::string_view key, size_t value) {
    pairs_.AddUint(prefix_ + std::string(key), static_cast<uint32_t>(value));
  }
  void Float(std::string_view key, double value) {
    pairs_.AddFloat(prefix_ + std::string(key), static_cast<float>(value));
  }
  // Unless it is what readers take where a file says nothing.
  void FloatUnless(double absent, std::string_view key, double value) {
    if (value != absent) Float(key, value);
  }
  void Text(std::string_view key, std::string_view value) {
    pairs_.AddString(prefix_ + std::string(key), value);
  }
  void Flag(std::string_view key) { pairs_.AddBool(prefix_ + std::string(key), true); }
  // One number where layers do not differ, else one for each.
  void ByLayer(std::string_view key, const std::vector<int32_t>& values) {
    const bool differ = std::ranges::adjacent_find(values, std::not_equal_to()) != values.end();
    if (!differ) return Number(key, static_cast<size_t>(values[0]));
    pairs_.AddInts(prefix_ + std::string(key), values);
  }

 private:
  std::string prefix_;
  GgufPairs& pairs_;
};

void AddSizes(const ModelConfig& config, ArchitectureKeys& keys) {
  keys.Number("block_count", config.num_layers);
  keys.Number("context_length", config.max_positions);
  keys.Number("embedding_length", config.hidden_size);
  keys.Number("vocab_size", config.vocab_size);
  keys.Number("attention.head_count", config.num_heads);
  std::vector<int32_t> widths, kv_heads;
  for (size_t i = 0; i < config.num_layers; ++i) {
    const bool has_keys = config.layer(i).mixer == Mixer::kAttention;
    widths.push_back(static_cast<int32_t>(config.mlp_width(i)));
    kv_heads.push_back(has_keys ? static_cast<int32_t>(config.kv_heads_of(i)) : 0);
  }
  keys.ByLayer("feed_forward_length", widths);
  keys.ByLayer("attention.head_count_kv", kv_heads);
  if (config.head_dim * config.num_heads != config.hidden_size) {
    keys.Number("attention.key_length", config.head_dim);
    keys.Number("attention.value_length", config.head_dim);
  }
  const bool centres = config.norm_kind == NormKind::kLayerNorm;
  keys.Float(centres ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon",
             config.rms_norm_eps);
}

void AddRope(const RopeConfig& rope, size_t head_dim, ArchitectureKeys& keys) {
  keys.Number("rope.dimension_count", rope.rotated > 0 ? rope.rotated : head_dim);
  keys.Float("rope.freq_base", rope.theta);
  if (const auto* linear = std::get_if<LinearRopeScaling>(&rope.scaling)) {
    keys.Text("rope.scaling.type", "linear");
    keys.Float("rope.scaling.factor", linear->factor);
  }
  if (const auto* yarn = std::get_if<YarnRopeScaling>(&rope.scaling)) {
    keys.Text("rope.scaling.type", "yarn");
    keys.Float("rope.scaling.factor", yarn->factor);
    keys.Number("rope.scaling.original_context_length", yarn->original_max_positions);
    keys.FloatUnless(32.0, "rope.scaling.yarn_beta_fast", yarn->beta_fast);
    keys.FloatUnless(1.0, "rope.scaling.yarn_beta_slow", yarn->beta_slow);
  }
}

void AddExperts(const ModelConfig& config, ArchitectureKeys& keys) {
  const ExpertsSpec& experts = *config.experts;
  const RouterSpec& router = experts.router;
  keys.Number("expert_count", experts.count);
  keys.Number("expert_used_count", experts.chosen);
  keys.Number("expert_feed_forward_length", experts.width);
  if (experts.shared == ExpertsSpec::Shared::kAdded) {
    keys.Number("expert_shared_count", experts.shared_width / experts.width);
  }
  if (experts.shared != ExpertsSpec::Shared::kNone) {
    keys.Number("expert_shared_feed_forward_length", experts.shared_width);
  }
  if (router.score == RouterSpec::Score::kSigmoid) keys.Number("expert_gating_func", 2);
  if (router.weights == RouterSpec::Weights::kNormalized) keys.Flag("expert_weights_norm");
  keys.FloatUnless(1.0, "expert_weights_scale", router.scale);
  if (router.groups > 1) {
    keys.Number("expert_group_count", router.groups);
    keys.Number("expert_group_used_count", router.groups_kept);
  }
  size_t dense = 0;
  while (dense < config.num_layers && !config.layer(dense).has_experts) ++dense;
  if (dense > 0) keys.Number("leading_dense_block_count", dense);
}

void AddScales(const ModelConfig& config, ArchitectureKeys& keys) {
  keys.FloatUnless(1.0, "embedding_scale", config.embedding_scale);
  keys.FloatUnless(1.0, "residual_scale", config.residual_scale);
  keys.FloatUnless(0.0, "attention.scale", config.attention_scale);
  const bool divides = config.architecture.starts_with("granite");
  keys.FloatUnless(1.0, "logit_scale", divides ? 1.0 / config.logit_scale : config.logit_scale);
}

// The tensors of a file of the model by name, and how many rows (of a vector: elements) each has.
std::map<std::string, uint64_t> RowsOfTensors(const ModelSource& there) {
  std::map<std::string, uint64_t> rows = {
      {there.EmbeddingName(), 1}, {there.HeadName(), 1}, {there.FinalNormName(), 1}};
  for (size_t layer = 0; layer < there.config().num_layers; ++layer) {
    for (const KeptSpec& kept : there.plan(layer).kept) rows[there.PlaceOf(layer, kept).name] = 1;
    for (size_t i = 0; i < there.plan(layer).linears.size(); ++i) {
      const TensorPart place = there.PlaceOf(layer, i);
      rows[place.name] = RowsOfWhole(place);
      if (!there.plan(layer).linears[i].has_bias) continue;
      rows[there.PlaceOfBias(layer, i)->name] = RowsOfWhole(place);
    }
  }
  return rows;
}

// A file of the model whose tensors have one column.
Status WriteWithoutNumbers(const ModelSource& there, const fs::path& path) {
  std::vector<GgufTensor> tensors;
  for (const auto& [name, rows] : RowsOfTensors(there)) {
    if (name.find("..") != name.npos || name.ends_with('.')) {
      return Unsupported("a tensor of architecture {} has no name in GGUF here",
                         there.config().architecture);
    }
    tensors.push_back({GgufTensorName(name).value_or(name),
                       FindGgmlType("F32"),
                       {rows},
                       OwnPlane(std::vector<float>(rows, 1.0f))});
  }
  if (auto factors = GgufRopeFactors(there.config())) tensors.push_back(std::move(*factors));
  GgufPairs pairs;
  AddGgufConfig(there.config(), pairs);
  return WriteGguf(path, pairs, tensors);
}

// What such a file is read as.
Result<ModelConfig> ReadBack(const ModelSource& model) {
  std::string pattern = (fs::temp_directory_path() / "bitloss-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    return IoError("cannot make a folder in '{}'", fs::temp_directory_path().string());
  }
  const fs::path folder = pattern;
  Status done = WriteWithoutNumbers(model.AsInGguf(), folder / "model.gguf");
  std::optional<Result<ModelConfig>> config;
  if (done.ok()) {
    auto opened = OpenGgufCheckpoint(folder / "model.gguf");
    if (opened.ok()) {
      config = ReadModelConfig(*opened.value());
    } else {
      done = opened.error();
    }
  }
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  if (!done.ok()) return done.error();
  return *std::move(config);
}

}  // namespace

void AddGgufConfig(const ModelConfig& config, GgufPairs& pairs) {
  const std::string_view architecture = FindArchitecture(config.architecture)->gguf_name;
  pairs.AddString("general.architecture", architecture);
  ArchitectureKeys keys(architecture, pairs);
  AddSizes(config, keys);
  AddRope(config.ropes[0], config.head_dim, keys);
  if (config.experts) AddExperts(config, keys);
  AddScales(config, keys);
  for (size_t i = 0; i < config.num_layers; ++i) {
    if (config.layer(i).window == 0) continue;
    keys.Number("attention.sliding_window", config.layer(i).window);
    break;
  }
  if (config.conv_kernel > 0) keys.Number("shortconv.l_cache", config.conv_kernel);
}

std::optional<GgufTensor> GgufRopeFactors(const ModelConfig& config) {
  const bool scaled = std::holds_alternative<Llama3RopeScaling>(config.ropes[0].scaling) ||
                      std::holds_alternative<FactorsRopeScaling>(config.ropes[0].scaling);
  if (!scaled) return std::nullopt;
  RopeConfig plain = config.ropes[0];
  plain.scaling = NoRopeScaling{};
  const std::vector<double> from = RopeInverseFrequencies(plain, config.head_dim);
  const std::vector<double> to = RopeInverseFrequencies(config.ropes[0], config.head_dim);
  std::vector<float> factors(from.size());
  for (size_t i = 0; i < factors.size(); ++i) factors[i] = static_cast<float>(from[i] / to[i]);
  return GgufTensor{
      "rope_freqs.weight", FindGgmlType("F32"), {factors.size()}, OwnPlane(std::move(factors))};
}

Status CheckSaidInGguf(const ModelSource& model) {
  const ModelConfig& config = model.config();
  const Architecture* architecture = FindArchitecture(config.architecture);
  if (architecture == nullptr || architecture->gguf_name.empty()) {
    return Unsupported("gguf: architecture {} is not known there", config.architecture);
  }
  const auto read = ReadBack(model);
  std::optional<std::string_view> difference;
  if (read.ok()) difference = DifferenceOf(config, read.value());
  if (read.ok() && !difference) return Ok();
  return Unsupported(
      "gguf: no file is made of this folder of architecture {}: {} would be read otherwise; give "
      "the "
      "model as a GGUF file, or write it in another layout",
      config.architecture, difference.value_or("its configuration"));
}

}  // namespace bitloss
