#include <algorithm>
#include <cmath>

#include "bitloss/checkpoint/printable.h"
#include "bitloss/model/architecture.h"
#include "bitloss/model/config_readers.h"

namespace bitloss {

bool GgufConfig::Has(std::string_view key) const { return metadata().Has(Key(key)); }

Result<uint64_t> GgufConfig::GetSize(std::string_view key, uint64_t max) const {
  BITLOSS_TRY(const uint64_t value, metadata().GetUint(Key(key)));
  if (value == 0 || value > max) {
    return BadInput("metadata key '{}' is {}, not in [1, {}]", Key(key), value, max);
  }
  return value;
}

Result<uint64_t> GgufConfig::GetSizeOr(std::string_view key, uint64_t absent, uint64_t max) const {
  if (!Has(key)) return absent;
  return GetSize(key, max);
}

Result<uint64_t> GgufConfig::GetCountOr(std::string_view key, uint64_t absent, uint64_t max) const {
  if (!Has(key)) return absent;
  BITLOSS_TRY(const uint64_t value, metadata().GetUint(Key(key)));
  if (value > max) return BadInput("metadata key '{}' is {}, above {}", Key(key), value, max);
  return value;
}

Result<double> GgufConfig::GetPositive(std::string_view key) const {
  BITLOSS_TRY(const double value, metadata().GetFloat(Key(key)));
  if (!std::isfinite(value) || value <= 0) {
    return BadInput("metadata key '{}' is {}, not a number > 0", Key(key), value);
  }
  return value;
}

Result<double> GgufConfig::GetPositiveOr(std::string_view key, double absent) const {
  if (!Has(key)) return absent;
  return GetPositive(key);
}

Result<bool> GgufConfig::GetBoolOr(std::string_view key, bool absent) const {
  if (!Has(key)) return absent;
  return metadata().GetBool(Key(key));
}

Result<std::string> GgufConfig::GetString(std::string_view key) const {
  return metadata().GetString(Key(key));
}

Result<std::vector<double>> GgufConfig::GetFloats(std::string_view key) const {
  return metadata().GetFloats(Key(key));
}

Result<std::vector<uint64_t>> GgufConfig::GetCounts(std::string_view key, size_t layers,
                                                    uint64_t max) const {
  if (const auto one = metadata().GetUint(Key(key)); one.ok() && one.value() <= max) {
    return std::vector<uint64_t>(layers, one.value());
  }
  BITLOSS_TRY(const std::vector<int64_t> numbers, metadata().GetInts(Key(key)));
  if (numbers.size() < layers) {
    return BadInput("metadata key '{}' has {} elements for {} layers", Key(key), numbers.size(),
                    layers);
  }
  std::vector<uint64_t> counts;
  for (size_t i = 0; i < layers; ++i) {
    if (numbers[i] < 0 || static_cast<uint64_t>(numbers[i]) > max) {
      return BadInput("metadata key '{}' holds {}, not an integer in [0, {}]", Key(key), numbers[i],
                      max);
    }
    counts.push_back(static_cast<uint64_t>(numbers[i]));
  }
  return counts;
}

namespace {

Result<uint64_t> VocabularySize(const GgufMetadata& metadata, const GgufConfig& model) {
  if (model.Has("vocab_size")) return model.GetSize("vocab_size", kMaxVocabulary);
  BITLOSS_TRY(const auto tokens, metadata.GetStrings("tokenizer.ggml.tokens"));
  if (tokens.empty() || tokens.size() > kMaxVocabulary) {
    return BadInput("metadata key 'tokenizer.ggml.tokens' has {} elements", tokens.size());
  }
  return uint64_t{tokens.size()};
}

Status ReadHeads(const GgufConfig& metadata, ModelConfig& model) {
  BITLOSS_TRY(model.num_heads, metadata.GetSize("attention.head_count", kMaxWidth));
  // Keys and values of all heads come out of a narrow form, of which the architecture reads the
  // sizes.
  if (metadata.Has("attention.kv_lora_rank")) {
    model.num_kv_heads = model.num_heads;
    BITLOSS_TRY(model.head_dim, metadata.GetSize(metadata.Has("attention.key_length_mla")
                                                     ? "attention.key_length_mla"
                                                     : "attention.key_length",
                                                 kMaxWidth));
    return Ok();
  }
  model.num_kv_heads = model.num_heads;
  if (metadata.Has("attention.head_count_kv")) {
    // Layers without keys have none of them.
    BITLOSS_TRY(const std::vector<uint64_t> counts,
                metadata.GetCounts("attention.head_count_kv", model.num_layers, kMaxWidth));
    model.num_kv_heads = *std::ranges::max_element(counts);
  }
  if (model.num_kv_heads == 0) {
    return BadInput("metadata key '{}' is 0", metadata.Key("attention.head_count_kv"));
  }
  if (model.num_heads % model.num_kv_heads != 0) {
    return BadInput("metadata key '{}': {} do not divide {} heads",
                    metadata.Key("attention.head_count_kv"), model.num_kv_heads, model.num_heads);
  }
  if (!metadata.Has("attention.key_length") && model.hidden_size % model.num_heads != 0) {
    return BadInput("metadata key '{}': {} do not divide the embedding of {}",
                    metadata.Key("attention.head_count"), model.num_heads, model.hidden_size);
  }
  BITLOSS_TRY(model.head_dim, metadata.GetSizeOr("attention.key_length",
                                                 model.hidden_size / model.num_heads, kMaxWidth));
  if (model.head_dim % 2 != 0 || model.head_dim * model.num_heads > kMaxWidth) {
    return BadInput("{} heads of {} elements; the size must be even and all of them at most {}",
                    model.num_heads, model.head_dim, kMaxWidth);
  }
  BITLOSS_TRY(const uint64_t values,
              metadata.GetSizeOr("attention.value_length", model.head_dim, kMaxWidth));
  if (values != model.head_dim) {
    return Unsupported("metadata key '{}' is {}, but heads have {} elements",
                       metadata.Key("attention.value_length"), values, model.head_dim);
  }
  return Ok();
}

Result<std::vector<float>> ReadFactors(const Checkpoint& checkpoint, std::string_view name,
                                       size_t count) {
  BITLOSS_TRY(const TensorInfo info, checkpoint.Info(name));
  if (info.rows != 1 || info.cols != count) {
    return BadInput("tensor '{}' has shape [{}], not [{}]",
                    name == "rope_freqs" ? "rope_freqs.weight" : name, fmt::join(info.shape, ", "),
                    count);
  }
  const std::string shown = name == "rope_freqs" ? "rope_freqs.weight" : std::string(name);
  std::vector<float> factors(info.cols);
  BITLOSS_DO(checkpoint.ReadRows(name, 0, 1, factors));
  BITLOSS_DO(CheckFinite(shown, factors));
  for (const float factor : factors) {
    if (factor <= 0) return BadInput("tensor '{}': holds {}", shown, factor);
  }
  return factors;
}

Status ReadYarn(const GgufConfig& metadata, RopeConfig& rope) {
  YarnRopeScaling scaling;
  BITLOSS_TRY(scaling.factor, metadata.GetPositive("rope.scaling.factor"));
  BITLOSS_TRY(scaling.original_max_positions,
              metadata.GetSize("rope.scaling.original_context_length", kMaxPositions));
  BITLOSS_TRY(scaling.beta_fast, metadata.GetPositiveOr("rope.scaling.yarn_beta_fast", 32.0));
  BITLOSS_TRY(scaling.beta_slow, metadata.GetPositiveOr("rope.scaling.yarn_beta_slow", 1.0));
  // mscale_all_dim, which files write only where it equals mscale: then the two cancel.
  const bool cancels = metadata.Has("rope.scaling.yarn_log_multiplier");
  const double magnitude =
      cancels || scaling.factor <= 1.0 ? 1.0 : 0.1 * std::log(scaling.factor) + 1.0;
  BITLOSS_TRY(rope.magnitude, metadata.GetPositiveOr("rope.scaling.yarn_attn_factor", magnitude));
  rope.scaling = scaling;
  return Ok();
}

Status ReadLongRope(const GgufConfig& metadata, RopeConfig& rope) {
  LongRopeScaling scaling;
  const Checkpoint& checkpoint = metadata.checkpoint();
  BITLOSS_TRY(scaling.short_factors,
              ReadFactors(checkpoint, "rope_factors_short.weight", rope.rotated / 2));
  BITLOSS_TRY(scaling.long_factors,
              ReadFactors(checkpoint, "rope_factors_long.weight", rope.rotated / 2));
  BITLOSS_TRY(scaling.original_max_positions,
              metadata.GetSize("rope.scaling.original_context_length", kMaxPositions));
  BITLOSS_TRY(rope.magnitude, metadata.GetPositiveOr("rope.scaling.attn_factor", 1.0));
  rope.scaling = std::move(scaling);
  return Ok();
}

Result<RopeConfig> ReadRope(const GgufConfig& metadata, const HfDefaults& defaults,
                            const ModelConfig& model) {
  RopeConfig rope;  // theta: llama.cpp has the same default
  const Checkpoint& checkpoint = metadata.checkpoint();
  BITLOSS_TRY(rope.rotated, metadata.GetSizeOr("rope.dimension_count", model.head_dim, kMaxWidth));
  const bool knows_partial = defaults.partial_rotary != 0;
  if (rope.rotated != model.head_dim && (!knows_partial || rope.rotated > model.head_dim)) {
    return Unsupported("metadata key '{}' is {}, but heads have {} elements",
                       metadata.Key("rope.dimension_count"), rope.rotated, model.head_dim);
  }
  if (rope.rotated % 2 != 0) {
    return BadInput("metadata key '{}' is {}, not even", metadata.Key("rope.dimension_count"),
                    rope.rotated);
  }
  BITLOSS_TRY(rope.theta, metadata.GetPositiveOr("rope.freq_base", rope.theta));
  std::string type = "none";
  if (metadata.Has("rope.scaling.type")) {
    BITLOSS_TRY(type, metadata.GetString("rope.scaling.type"));
  }
  if (type == "linear") {
    BITLOSS_TRY(const double factor, metadata.GetPositive("rope.scaling.factor"));
    rope.scaling = LinearRopeScaling{factor};
  } else if (type == "yarn") {
    BITLOSS_DO(ReadYarn(metadata, rope));
  } else if (checkpoint.Has("rope_factors_long.weight")) {
    BITLOSS_DO(ReadLongRope(metadata, rope));
  } else if (type != "none") {
    return Unsupported(
        "metadata key '{}': this rotary scaling is not known; known: none, linear, yarn",
        metadata.Key("rope.scaling.type"));
  }
  if (checkpoint.Has("rope_freqs")) {
    if (!std::holds_alternative<NoRopeScaling>(rope.scaling)) {
      return Unsupported("both '{}' and tensor 'rope_freqs.weight'",
                         metadata.Key("rope.scaling.type"));
    }
    FactorsRopeScaling factors;
    BITLOSS_TRY(factors.factors, ReadFactors(checkpoint, "rope_freqs", rope.rotated / 2));
    rope.scaling = std::move(factors);
  }
  return rope;
}

// One width, or one for each layer.
Status ReadMlpWidths(const GgufConfig& metadata, ModelConfig& model) {
  const std::string_view key =
      metadata.Has("feed_forward_length") ? "feed_forward_length" : "expert_feed_forward_length";
  BITLOSS_TRY(const std::vector<uint64_t> widths,
              metadata.GetCounts(key, model.num_layers, kMaxWidth));
  if (std::ranges::find(widths, 0u) != widths.end()) {
    return BadInput("metadata key '{}' holds 0", metadata.Key(key));
  }
  model.intermediate_size = widths[0];
  for (size_t layer = 0; layer < widths.size(); ++layer) {
    if (widths[layer] != widths[0]) LayersOf(model)[layer].mlp_width = widths[layer];
  }
  return Ok();
}

Status ReadSizes(const GgufConfig& metadata, ModelConfig& model) {
  BITLOSS_TRY(model.hidden_size, metadata.GetSize("embedding_length", kMaxWidth));
  BITLOSS_TRY(model.num_layers, metadata.GetSize("block_count", kMaxLayers));
  BITLOSS_TRY(const uint64_t extra, metadata.GetCountOr("nextn_predict_layers", 0, kMaxLayers));
  if (extra >= model.num_layers) {
    return BadInput("metadata key '{}' is {} of {} blocks", metadata.Key("nextn_predict_layers"),
                    extra, model.num_layers);
  }
  model.num_layers -= extra;
  BITLOSS_DO(ReadMlpWidths(metadata, model));
  BITLOSS_TRY(model.max_positions, metadata.GetSize("context_length", kMaxPositions));
  BITLOSS_TRY(model.vocab_size, VocabularySize(metadata.metadata(), metadata));
  const bool centres = !metadata.Has("attention.layer_norm_rms_epsilon") &&
                       metadata.Has("attention.layer_norm_epsilon");
  BITLOSS_TRY(model.rms_norm_eps,
              metadata.GetPositive(centres ? "attention.layer_norm_epsilon"
                                           : "attention.layer_norm_rms_epsilon"));
  return ReadHeads(metadata, model);
}

// The format has no keys for these: the tensors are there or not.
void AskTheTensors(const Checkpoint& checkpoint, ModelConfig& model) {
  model.tied_embeddings = !checkpoint.Has("lm_head.weight");
  model.qkv_bias = checkpoint.Has("model.layers.0.self_attn.q_proj.bias") ||
                   checkpoint.Has("blk.0.attn_qkv.bias");
  model.output_bias = checkpoint.Has("model.layers.0.self_attn.o_proj.bias");
  model.mlp_bias = checkpoint.Has("model.layers.0.mlp.up_proj.bias");
}

Status RefuseWhatNobodyReads(const GgufConfig& metadata, const Architecture& architecture,
                             const ModelConfig& model) {
  BITLOSS_TRY(const uint64_t experts, metadata.GetCountOr("expert_count", 0, kMaxExperts));
  if (experts > 0 && !model.experts) {
    return Unsupported("metadata key '{}' is {}: mixtures of experts are not known in {}",
                       metadata.Key("expert_count"), experts, architecture.gguf_name);
  }
  BITLOSS_TRY(const uint64_t window,
              metadata.GetCountOr("attention.sliding_window", 0, kMaxPositions));
  if (window > 0 && model.layers.empty()) {
    return Unsupported("metadata key '{}' is {}: sliding-window attention is not known in {}",
                       metadata.Key("attention.sliding_window"), window, architecture.gguf_name);
  }
  return Ok();
}

Result<ModelConfig> Read(const Checkpoint& checkpoint) {
  const GgufMetadata& general = checkpoint.gguf()->metadata();
  BITLOSS_TRY(const std::string name, general.GetString("general.architecture"));
  const Architecture* architecture = FindGgufArchitecture(name, general);
  if (architecture == nullptr) {
    std::vector<std::string_view> known;
    for (const Architecture* a : Architectures()) {
      const bool named = std::ranges::find(known, a->gguf_name) != known.end();
      if (!a->gguf_name.empty() && !named) known.push_back(a->gguf_name);
    }
    return UnknownArchitecture(IsPrintable(name) ? name : "?", known);
  }
  const GgufConfig metadata(checkpoint, name);
  ModelConfig model;
  model.architecture = architecture->name;
  model.name = checkpoint.path().stem().string();
  BITLOSS_DO(ReadSizes(metadata, model));
  BITLOSS_TRY(model.ropes[0], ReadRope(metadata, architecture->defaults, model));
  AskTheTensors(checkpoint, model);
  BITLOSS_DO(architecture->read_gguf(metadata, model));
  BITLOSS_DO(RefuseWhatNobodyReads(metadata, *architecture, model));
  return model;
}

}  // namespace

Status ReadGgufWindows(const GgufConfig& config, size_t period, ModelConfig& model) {
  constexpr std::string_view kPattern = "attention.sliding_window_pattern";
  BITLOSS_TRY(const uint64_t window,
              config.GetCountOr("attention.sliding_window", 0, kMaxPositions));
  if (window == 0) return Ok();
  std::vector<LayerSpec>& layers = LayersOf(model);
  if (config.Has(kPattern)) {
    const GgufValue& value = config.metadata().values().find(config.Key(kPattern))->second;
    if (const auto* windowed = std::get_if<std::vector<bool>>(&value)) {
      if (windowed->size() < layers.size()) {
        return BadInput("metadata key '{}' has {} elements for {} layers", config.Key(kPattern),
                        windowed->size(), layers.size());
      }
      for (size_t layer = 0; layer < layers.size(); ++layer) {
        if ((*windowed)[layer]) layers[layer].window = window;
      }
      return Ok();
    }
    BITLOSS_TRY(period, config.GetSize(kPattern, kMaxLayers));
  }
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    if ((layer + 1) % period != 0) layers[layer].window = window;
  }
  return Ok();
}

Result<ExpertsSpec> ReadGgufExperts(const GgufConfig& config) {
  ExpertsSpec experts;
  BITLOSS_TRY(experts.count, config.GetSize("expert_count", kMaxExperts));
  BITLOSS_TRY(experts.chosen, config.GetSize("expert_used_count", experts.count));
  BITLOSS_TRY(experts.width,
              config.GetSize(config.Has("expert_feed_forward_length") ? "expert_feed_forward_length"
                                                                      : "feed_forward_length",
                             kMaxWidth));
  return experts;
}

Result<ModelConfig> ReadGgufConfig(const Checkpoint& checkpoint) {
  auto model = Read(checkpoint);
  if (!model.ok()) return Within(checkpoint.path().string(), model.error());
  return model;
}

Result<std::vector<uint32_t>> ReadGgufEosIds(const GgufMetadata& metadata) {
  std::vector<uint32_t> ids;
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
    if (!metadata.Has(key)) continue;
    BITLOSS_TRY(const uint64_t id, metadata.GetUint(key));
    if (id >= kMaxVocabulary) return BadInput("metadata key '{}' is {}", key, id);
    ids.push_back(static_cast<uint32_t>(id));
  }
  return ids;
}

}  // namespace bitloss
