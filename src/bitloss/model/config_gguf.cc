#include <cmath>

#include "bitloss/checkpoint/printable.h"
#include "bitloss/model/config_sources.h"

namespace bitloss {
namespace {

// The metadata of one architecture: keys are completed with its prefix, "llama.".
class ArchitectureMetadata {
 public:
  ArchitectureMetadata(const GgufMetadata& metadata, std::string_view architecture)
      : metadata_(metadata), prefix_(fmt::format("{}.", architecture)) {}

  bool Has(std::string_view key) const { return metadata_.Has(Key(key)); }

  Result<uint64_t> GetSize(std::string_view key, uint64_t max) const {
    BITLOSS_TRY(const uint64_t value, metadata_.GetUint(Key(key)));
    if (value == 0 || value > max) {
      return BadInput("metadata key '{}' is {}, not in [1, {}]", Key(key), value, max);
    }
    return value;
  }
  Result<uint64_t> GetSizeOr(std::string_view key, uint64_t absent, uint64_t max) const {
    if (!Has(key)) return absent;
    return GetSize(key, max);
  }

  Result<double> GetPositive(std::string_view key) const {
    BITLOSS_TRY(const double value, metadata_.GetFloat(Key(key)));
    if (!std::isfinite(value) || value <= 0) {
      return BadInput("metadata key '{}' is {}, not a number > 0", Key(key), value);
    }
    return value;
  }

  // kUnsupported if the key is there and not zero.
  Status Refuse(std::string_view key, std::string_view what) const {
    if (!Has(key)) return Ok();
    BITLOSS_TRY(const uint64_t value, metadata_.GetUint(Key(key)));
    if (value == 0) return Ok();
    return Unsupported("metadata key '{}' is {}: {} not known", Key(key), value, what);
  }

  Result<std::string> GetString(std::string_view key) const {
    return metadata_.GetString(Key(key));
  }

  std::string Key(std::string_view key) const { return fmt::format("{}{}", prefix_, key); }

 private:
  const GgufMetadata& metadata_;
  std::string prefix_;
};

Result<uint64_t> VocabularySize(const GgufMetadata& metadata, const ArchitectureMetadata& model) {
  if (model.Has("vocab_size")) return model.GetSize("vocab_size", kMaxVocabulary);
  BITLOSS_TRY(const auto tokens, metadata.GetStrings("tokenizer.ggml.tokens"));
  if (tokens.empty() || tokens.size() > kMaxVocabulary) {
    return BadInput("metadata key 'tokenizer.ggml.tokens' has {} elements", tokens.size());
  }
  return uint64_t{tokens.size()};
}

Status ReadHeads(const ArchitectureMetadata& metadata, ModelConfig& model) {
  BITLOSS_TRY(model.num_heads, metadata.GetSize("attention.head_count", kMaxWidth));
  BITLOSS_TRY(model.num_kv_heads,
              metadata.GetSizeOr("attention.head_count_kv", model.num_heads, kMaxWidth));
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
  for (const char* key : {"attention.value_length", "rope.dimension_count"}) {
    BITLOSS_TRY(const uint64_t size, metadata.GetSizeOr(key, model.head_dim, kMaxWidth));
    if (size != model.head_dim) {
      return Unsupported("metadata key '{}' is {}, but heads have {} elements", metadata.Key(key),
                         size, model.head_dim);
    }
  }
  return Ok();
}

Result<RopeScaling> ReadFactors(const Checkpoint& checkpoint, const ModelConfig& model) {
  BITLOSS_TRY(const TensorInfo info, checkpoint.Info("rope_freqs"));
  if (info.rows != 1 || info.cols != model.head_dim / 2) {
    return BadInput("tensor 'rope_freqs.weight' has shape [{}], not [{}]",
                    fmt::join(info.shape, ", "), model.head_dim / 2);
  }
  FactorsRopeScaling scaling{std::vector<float>(info.cols)};
  BITLOSS_DO(checkpoint.ReadRows("rope_freqs", 0, 1, scaling.factors));
  BITLOSS_DO(CheckFinite("rope_freqs.weight", scaling.factors));
  for (const float factor : scaling.factors) {
    if (factor <= 0) return BadInput("tensor 'rope_freqs.weight': holds {}", factor);
  }
  return RopeScaling(std::move(scaling));
}

Result<RopeConfig> ReadRope(const Checkpoint& checkpoint, const ArchitectureMetadata& metadata,
                            const ModelConfig& model) {
  RopeConfig rope;  // theta: llama.cpp has the same default
  if (metadata.Has("rope.freq_base")) {
    BITLOSS_TRY(rope.theta, metadata.GetPositive("rope.freq_base"));
  }
  if (metadata.Has("rope.scaling.type")) {
    BITLOSS_TRY(const std::string type, metadata.GetString("rope.scaling.type"));
    if (type == "linear") {
      BITLOSS_TRY(const double factor, metadata.GetPositive("rope.scaling.factor"));
      rope.scaling = LinearRopeScaling{factor};
    } else if (type != "none") {
      return Unsupported("metadata key '{}': this rotary scaling is not known; known: none, linear",
                         metadata.Key("rope.scaling.type"));
    }
  }
  if (checkpoint.Has("rope_freqs")) {
    if (!std::holds_alternative<NoRopeScaling>(rope.scaling)) {
      return Unsupported("both '{}' and tensor 'rope_freqs.weight'",
                         metadata.Key("rope.scaling.type"));
    }
    BITLOSS_TRY(rope.scaling, ReadFactors(checkpoint, model));
  }
  return rope;
}

Result<ModelConfig> Read(const Checkpoint& checkpoint) {
  const GgufMetadata& general = checkpoint.gguf()->metadata();
  BITLOSS_TRY(const std::string architecture, general.GetString("general.architecture"));
  const std::optional<Architecture> known = FindArchitecture(architecture);
  if (!known) return UnknownArchitecture(IsPrintable(architecture) ? architecture : "?");
  const ArchitectureMetadata metadata(general, architecture);
  ModelConfig model;
  model.architecture = *known;
  model.name = checkpoint.path().stem().string();
  BITLOSS_TRY(model.hidden_size, metadata.GetSize("embedding_length", kMaxWidth));
  BITLOSS_TRY(model.intermediate_size, metadata.GetSize("feed_forward_length", kMaxWidth));
  BITLOSS_TRY(model.num_layers, metadata.GetSize("block_count", kMaxLayers));
  BITLOSS_TRY(model.max_positions, metadata.GetSize("context_length", kMaxPositions));
  BITLOSS_TRY(model.vocab_size, VocabularySize(general, metadata));
  BITLOSS_TRY(model.rms_norm_eps, metadata.GetPositive("attention.layer_norm_rms_epsilon"));
  BITLOSS_DO(metadata.Refuse("expert_count", "mixtures of experts are"));
  BITLOSS_DO(metadata.Refuse("attention.sliding_window", "sliding-window attention is"));
  BITLOSS_DO(ReadHeads(metadata, model));
  BITLOSS_TRY(model.rope, ReadRope(checkpoint, metadata, model));
  // The format has no keys for these: the tensors are there or not.
  model.tied_embeddings = !checkpoint.Has("lm_head.weight");
  model.qkv_bias = checkpoint.Has("model.layers.0.self_attn.q_proj.bias");
  model.output_bias = checkpoint.Has("model.layers.0.self_attn.o_proj.bias");
  model.mlp_bias = checkpoint.Has("model.layers.0.mlp.up_proj.bias");
  return model;
}

}  // namespace

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
