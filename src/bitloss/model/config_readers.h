// Reading configurations: a JSON object of config.json, the metadata of a GGUF file, and what most
// architectures read in the same way.
#ifndef BITLOSS_MODEL_CONFIG_READERS_H_
#define BITLOSS_MODEL_CONFIG_READERS_H_

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/model/config.h"

namespace bitloss {

// The largest value of each size that is believed; beyond, a file is damaged or hostile.
inline constexpr uint64_t kMaxWidth = uint64_t{1} << 20;
inline constexpr uint64_t kMaxLayers = uint64_t{1} << 12;
inline constexpr uint64_t kMaxExperts = uint64_t{1} << 12;
inline constexpr uint64_t kMaxVocabulary = uint64_t{1} << 24;
inline constexpr uint64_t kMaxPositions = uint64_t{1} << 31;

// What an architecture's class takes where config.json says nothing.
struct HfDefaults {
  size_t kv_heads = 0;    // 0: as many as query heads
  size_t head_dim = 0;    // 0: hidden_size / num_attention_heads
  size_t heads = 0;       // 0: must be said
  size_t vocab_size = 0;  // 0: must be said, as all sizes
  size_t intermediate = 0;
  uint64_t positions = 2048;
  double eps = 1e-6;
  double theta = 10000.0;
  double partial_rotary = 0.0;   // 0: the architecture rotates whole heads only
  bool widths_by_layer = false;  // intermediate_size may be a list, which the architecture reads
  bool tied = false;
};

// An object of a JSON file; errors name the file and the pointer to the value. Remembers which keys
// were asked for, so that what nobody asked for can be refused.
class HfConfig {
 public:
  // Requires: value.is_object(), and it outlives this.
  HfConfig(std::string place, const nlohmann::json& value)
      : place_(std::move(place)), value_(value) {}

  // Absent and null are the same, as for transformers.
  bool Has(std::string_view key) const;
  // There, if only as null: what a class takes where a key is absent it does not take for null.
  bool Mentions(std::string_view key) const;
  bool IsString(std::string_view key) const;
  bool IsArray(std::string_view key) const;
  Result<uint64_t> GetSize(std::string_view key, uint64_t max) const;  // in [1, max]
  Result<uint64_t> GetSizeOr(std::string_view key, uint64_t absent, uint64_t max) const;
  Result<uint64_t> GetCountOr(std::string_view key, uint64_t absent, uint64_t max) const;  // or 0
  Result<double> GetPositive(std::string_view key) const;                                  // finite
  Result<double> GetPositiveOr(std::string_view key, double absent) const;
  Result<double> GetNumberOr(std::string_view key, double absent) const;  // finite, >= 0
  Result<bool> GetBoolOr(std::string_view key, bool absent) const;
  Result<std::string> GetString(std::string_view key) const;
  Result<std::vector<std::string>> GetStrings(std::string_view key) const;
  Result<std::vector<double>> GetNumbers(std::string_view key) const;  // finite, >= 0
  Result<HfConfig> GetObject(std::string_view key) const;
  Result<const nlohmann::json*> Find(std::string_view key) const;

  std::string Place(std::string_view key) const;
  bool WasAsked(std::string_view key) const { return asked_.contains(std::string(key)); }

  // A value for a message: one line, not too long.
  static std::string Short(const nlohmann::json& value);

 private:
  std::string place_;  // "path/config.json: " + pointer
  const nlohmann::json& value_;
  mutable std::set<std::string> asked_;
};

// The metadata of one architecture: keys are completed with its prefix, "llama.".
class GgufConfig {
 public:
  GgufConfig(const Checkpoint& checkpoint, std::string_view architecture)
      : checkpoint_(checkpoint), prefix_(fmt::format("{}.", architecture)) {}

  const Checkpoint& checkpoint() const { return checkpoint_; }
  const GgufMetadata& metadata() const { return checkpoint_.gguf()->metadata(); }

  bool Has(std::string_view key) const;
  Result<uint64_t> GetSize(std::string_view key, uint64_t max) const;
  Result<uint64_t> GetSizeOr(std::string_view key, uint64_t absent, uint64_t max) const;
  Result<uint64_t> GetCountOr(std::string_view key, uint64_t absent, uint64_t max) const;
  Result<double> GetPositive(std::string_view key) const;
  Result<double> GetPositiveOr(std::string_view key, double absent) const;
  Result<bool> GetBoolOr(std::string_view key, bool absent) const;
  Result<std::string> GetString(std::string_view key) const;
  Result<std::vector<double>> GetFloats(std::string_view key) const;
  // One number for all layers, or one for each.
  Result<std::vector<uint64_t>> GetCounts(std::string_view key, size_t layers, uint64_t max) const;
  std::string Key(std::string_view key) const { return fmt::format("{}{}", prefix_, key); }

 private:
  const Checkpoint& checkpoint_;
  std::string prefix_;
};

// ---- What several architectures share

// Windows by layer. From "layer_types" where it is there, whose kinds must be `full` or `windowed`
// (or also "chunked_attention"); else windowed where `by_default(layer)` says so.
struct LayerKinds {
  std::vector<std::string> kinds;  // by layer
  bool Is(size_t layer, std::string_view kind) const { return kinds[layer] == kind; }
};
inline constexpr std::string_view kFullAttention = "full_attention";
inline constexpr std::string_view kSlidingAttention = "sliding_attention";
inline constexpr std::string_view kChunkedAttention = "chunked_attention";
inline constexpr std::string_view kLinearAttention = "linear_attention";
inline constexpr std::string_view kConvolutionLayer = "conv";
Result<LayerKinds> ReadLayerKinds(const HfConfig& config, const ModelConfig& model,
                                  std::span<const std::string_view> known,
                                  std::string_view (*by_default)(size_t layer, size_t period),
                                  size_t period);

// Gives every layer of the kind sliding_attention this window.
void SetWindows(const LayerKinds& kinds, size_t window, ModelConfig& model);
// Makes model.layers as many as there are layers, if they are not yet.
std::vector<LayerSpec>& LayersOf(ModelConfig& model);

// The rope that `parameters` and theta say. `config`: the whole object, for lengths.
Result<RopeConfig> ReadRope(const HfConfig& config, const HfDefaults& defaults, size_t head_dim);
// Of rope_parameters nested by kind of layer; none if they are not.
Result<std::optional<RopeConfig>> ReadNestedRope(const HfConfig& config, std::string_view kind,
                                                 const HfDefaults& defaults, size_t head_dim);

// hidden_act or hidden_activation. kUnsupported for one that is not known.
Result<GatedUnit> ReadActivation(const HfConfig& config, GatedUnit absent);

// attention_bias (q, k, v; with `output` o too) and mlp_bias.
enum class BiasOfOutput { kNo, kAsOthers };
Status ReadBiases(const HfConfig& config, bool absent, BiasOfOutput output, ModelConfig& model);

// The whole of config.json and of the metadata.
Result<ModelConfig> ReadHfConfig(const std::filesystem::path& folder);
Result<std::vector<uint32_t>> ReadHfEosIds(const std::filesystem::path& folder);
Result<ModelConfig> ReadGgufConfig(const Checkpoint& checkpoint);
Result<std::vector<uint32_t>> ReadGgufEosIds(const GgufMetadata& metadata);

// Of GGUF: which layers have a window, by "attention.sliding_window_pattern" (a number n: every
// n-th is full; or booleans), or by `period` where the file does not say.
Status ReadGgufWindows(const GgufConfig& config, size_t period, ModelConfig& model);
// expert_count and the keys beside it.
Result<ExpertsSpec> ReadGgufExperts(const GgufConfig& config);

// num_experts, num_local_experts or n_routed_experts, the number chosen, and the width `width_key`.
Result<ExpertsSpec> ReadHfExperts(const HfConfig& config, std::string_view width_key,
                                  size_t default_count, size_t default_chosen,
                                  size_t default_width);
Status CheckExperts(const ExpertsSpec& experts);

}  // namespace bitloss

#endif  // BITLOSS_MODEL_CONFIG_READERS_H_
