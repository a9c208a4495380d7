#include <system_error>

#include "bitloss/checkpoint/json_file.h"
#include "bitloss/model/config_sources.h"

namespace bitloss {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// An object of a JSON file; errors name the file and the pointer to the value.
class JsonObject {
 public:
  // Requires: value.is_object().
  JsonObject(std::string place, const Json& value) : place_(std::move(place)), value_(value) {}

  // Absent and null are the same, as for transformers.
  bool Has(std::string_view key) const {
    const auto found = value_.find(key);
    return found != value_.end() && !found->is_null();
  }

  Result<uint64_t> GetSize(std::string_view key, uint64_t max) const {
    BITLOSS_TRY(const Json* value, Find(key));
    if (!value->is_number_unsigned() || value->get<uint64_t>() == 0 ||
        value->get<uint64_t>() > max) {
      return BadInput("{}: is {}, not an integer in [1, {}]", Place(key), Short(*value), max);
    }
    return value->get<uint64_t>();
  }
  Result<uint64_t> GetSizeOr(std::string_view key, uint64_t absent, uint64_t max) const {
    if (!Has(key)) return absent;
    return GetSize(key, max);
  }

  // A finite number > 0.
  Result<double> GetPositive(std::string_view key) const {
    BITLOSS_TRY(const Json* value, Find(key));
    if (!value->is_number() || !(value->get<double>() > 0)) {
      return BadInput("{}: is {}, not a number > 0", Place(key), Short(*value));
    }
    return value->get<double>();
  }
  Result<double> GetPositiveOr(std::string_view key, double absent) const {
    if (!Has(key)) return absent;
    return GetPositive(key);
  }

  Result<bool> GetBoolOr(std::string_view key, bool absent) const {
    if (!Has(key)) return absent;
    BITLOSS_TRY(const Json* value, Find(key));
    if (!value->is_boolean()) {
      return BadInput("{}: is {}, not true or false", Place(key), Short(*value));
    }
    return value->get<bool>();
  }

  Result<std::string> GetString(std::string_view key) const {
    BITLOSS_TRY(const Json* value, Find(key));
    if (!value->is_string()) return BadInput("{}: is {}, not a string", Place(key), Short(*value));
    return value->get<std::string>();
  }

  Result<JsonObject> GetObject(std::string_view key) const {
    BITLOSS_TRY(const Json* value, Find(key));
    if (!value->is_object()) return BadInput("{}: is {}, not an object", Place(key), Short(*value));
    return JsonObject(Place(key), *value);
  }

  Result<const Json*> Find(std::string_view key) const {
    const auto found = value_.find(key);
    if (found == value_.end()) return BadInput("{}: is missing", Place(key));
    return &*found;
  }

  std::string Place(std::string_view key) const { return fmt::format("{}/{}", place_, key); }

  // A value for a message: one line, not too long.
  static std::string Short(const Json& value) {
    if (value.is_structured()) return value.is_array() ? "an array" : "an object";
    constexpr size_t kMax = 60;
    const std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true);
    return text.size() <= kMax ? text : text.substr(0, kMax) + "...";
  }

 private:
  std::string place_;  // "path/config.json: " + pointer
  const Json& value_;
};

Result<Json> ReadObjectFile(const fs::path& path) {
  BITLOSS_TRY(Json value, ReadJsonFile(path));
  if (!value.is_object()) return BadInput("{}: is not a JSON object", path.string());
  return value;
}

JsonObject RootOf(const fs::path& path, const Json& value) {
  return JsonObject(path.string() + ": ", value);
}

// The class that transformers would make, and so the names and meanings of the tensors.
Status CheckClass(const JsonObject& config, Architecture architecture) {
  if (!config.Has("architectures")) return Ok();
  BITLOSS_TRY(const Json* classes, config.Find("architectures"));
  const std::string_view expected =
      architecture == Architecture::kLlama ? "LlamaForCausalLM" : "Qwen2ForCausalLM";
  if (classes->is_array() && classes->size() == 1 && classes->front() == std::string(expected))
    return Ok();
  return Unsupported("{}: is {}, not {}", config.Place("architectures"),
                     classes->is_array() && !classes->empty() ? JsonObject::Short(classes->front())
                                                              : JsonObject::Short(*classes),
                     expected);
}

Result<Architecture> ReadArchitecture(const JsonObject& config) {
  BITLOSS_TRY(const std::string type, config.GetString("model_type"));
  const std::optional<Architecture> architecture = FindArchitecture(type);
  if (!architecture) {
    // As JSON, so that a hostile name stays on one line.
    const std::string quoted = JsonObject::Short(Json(type));
    return Within(config.Place("model_type"),
                  UnknownArchitecture(std::string_view(quoted).substr(1, quoted.size() - 2)));
  }
  BITLOSS_DO(CheckClass(config, *architecture));
  return *architecture;
}

Result<RopeScaling> ReadLlama3Scaling(const JsonObject& rope) {
  Llama3RopeScaling scaling;
  BITLOSS_TRY(scaling.factor, rope.GetPositive("factor"));
  BITLOSS_TRY(scaling.low_freq_factor, rope.GetPositive("low_freq_factor"));
  BITLOSS_TRY(scaling.high_freq_factor, rope.GetPositive("high_freq_factor"));
  BITLOSS_TRY(scaling.original_max_positions,
              rope.GetSize("original_max_position_embeddings", kMaxPositions));
  if (scaling.high_freq_factor <= scaling.low_freq_factor) {
    return BadInput("{}: is {}, not above low_freq_factor {}", rope.Place("high_freq_factor"),
                    scaling.high_freq_factor, scaling.low_freq_factor);
  }
  return RopeScaling(scaling);
}

// An object with rope_type (once spelled "type") and that type's parameters.
Result<RopeScaling> ReadScaling(const JsonObject& rope) {
  const char* key = rope.Has("rope_type") ? "rope_type" : "type";
  if (!rope.Has(key) && rope.Has("rope_theta")) return RopeScaling(NoRopeScaling{});
  BITLOSS_TRY(const std::string type, rope.GetString(key));
  if (type == "default") return RopeScaling(NoRopeScaling{});
  if (type == "llama3") return ReadLlama3Scaling(rope);
  if (type == "linear") {
    BITLOSS_TRY(const double factor, rope.GetPositive("factor"));
    return RopeScaling(LinearRopeScaling{factor});
  }
  return Unsupported("{}: rotary scaling {} is not known; known: default, linear, llama3",
                     rope.Place(key), JsonObject::Short(Json(type)));
}

Status CheckWholeHeadsRotate(const JsonObject& object) {
  BITLOSS_TRY(const double partial, object.GetPositiveOr("partial_rotary_factor", 1.0));
  if (partial == 1.0) return Ok();
  return Unsupported("{}: is {}; only whole heads are rotated",
                     object.Place("partial_rotary_factor"), partial);
}

// transformers 4 writes rope_theta and rope_scaling, 5 writes both into rope_parameters.
Result<RopeConfig> ReadRope(const JsonObject& config) {
  constexpr double kDefaultTheta = 10000.0;
  RopeConfig rope;
  BITLOSS_DO(CheckWholeHeadsRotate(config));
  BITLOSS_TRY(rope.theta, config.GetPositiveOr("rope_theta", kDefaultTheta));
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!config.Has(key)) continue;
    BITLOSS_TRY(const JsonObject parameters, config.GetObject(key));
    BITLOSS_DO(CheckWholeHeadsRotate(parameters));
    BITLOSS_TRY(rope.scaling, ReadScaling(parameters));
    BITLOSS_TRY(const double theta, parameters.GetPositiveOr("rope_theta", rope.theta));
    if (config.Has("rope_theta") && theta != rope.theta) {
      return BadInput("{}: is {}, but /rope_theta is {}", parameters.Place("rope_theta"), theta,
                      rope.theta);
    }
    rope.theta = theta;
  }
  return rope;
}

Status CheckSupported(const JsonObject& config) {
  if (config.Has("hidden_act")) {
    BITLOSS_TRY(const std::string activation, config.GetString("hidden_act"));
    if (activation != "silu") {
      return Unsupported("{}: activation {} is not known; known: silu", config.Place("hidden_act"),
                         JsonObject::Short(Json(activation)));
    }
  }
  BITLOSS_TRY(const bool sliding, config.GetBoolOr("use_sliding_window", false));
  if (sliding) {
    return Unsupported("{}: sliding-window attention is not known",
                       config.Place("use_sliding_window"));
  }
  if (!config.Has("layer_types")) return Ok();
  BITLOSS_TRY(const Json* layers, config.Find("layer_types"));
  for (const Json& layer : *layers) {
    if (layer != Json("full_attention")) {
      return Unsupported("{}: {} is not known; known: full_attention", config.Place("layer_types"),
                         JsonObject::Short(layer));
    }
  }
  return Ok();
}

Status ReadSizes(const JsonObject& config, ModelConfig& model) {
  BITLOSS_TRY(model.hidden_size, config.GetSize("hidden_size", kMaxWidth));
  BITLOSS_TRY(model.intermediate_size, config.GetSize("intermediate_size", kMaxWidth));
  BITLOSS_TRY(model.num_layers, config.GetSize("num_hidden_layers", kMaxLayers));
  BITLOSS_TRY(model.num_heads, config.GetSize("num_attention_heads", kMaxWidth));
  BITLOSS_TRY(model.num_kv_heads,
              config.GetSizeOr("num_key_value_heads", model.num_heads, kMaxWidth));
  BITLOSS_TRY(model.vocab_size, config.GetSize("vocab_size", kMaxVocabulary));
  const uint64_t default_positions = model.architecture == Architecture::kLlama ? 2048 : 32768;
  BITLOSS_TRY(model.max_positions,
              config.GetSizeOr("max_position_embeddings", default_positions, kMaxPositions));
  if (model.num_heads % model.num_kv_heads != 0) {
    return BadInput("{}: {} do not divide the {} of /num_attention_heads",
                    config.Place("num_key_value_heads"), model.num_kv_heads, model.num_heads);
  }
  if (!config.Has("head_dim") && model.hidden_size % model.num_heads != 0) {
    return BadInput("{}: {} do not divide the {} of /hidden_size, and there is no /head_dim",
                    config.Place("num_attention_heads"), model.num_heads, model.hidden_size);
  }
  BITLOSS_TRY(model.head_dim,
              config.GetSizeOr("head_dim", model.hidden_size / model.num_heads, kMaxWidth));
  if (model.head_dim % 2 != 0 || model.head_dim * model.num_heads > kMaxWidth) {
    return BadInput("{}: {} heads of {} elements; the size must be even and all of them at most {}",
                    config.Place(config.Has("head_dim") ? "head_dim" : "num_attention_heads"),
                    model.num_heads, model.head_dim, kMaxWidth);
  }
  return Ok();
}

Status ReadBiases(const JsonObject& config, ModelConfig& model) {
  if (model.architecture == Architecture::kQwen2) {
    model.qkv_bias = true;
    return Ok();
  }
  BITLOSS_TRY(model.qkv_bias, config.GetBoolOr("attention_bias", false));
  model.output_bias = model.qkv_bias;
  BITLOSS_TRY(model.mlp_bias, config.GetBoolOr("mlp_bias", false));
  return Ok();
}

// The folder's name; in a hub cache (models--owner--name/snapshots/<hash>) the model's.
std::string NameOf(const fs::path& folder) {
  std::error_code error;
  fs::path path = fs::weakly_canonical(folder, error);
  if (path.filename().empty()) path = path.parent_path();
  constexpr std::string_view kPrefix = "models--";
  const std::string cache = path.parent_path().parent_path().filename().string();
  if (path.parent_path().filename() == "snapshots" && cache.starts_with(kPrefix)) {
    return cache.substr(cache.rfind("--") + 2);
  }
  return path.filename().string();
}

Result<std::vector<uint32_t>> ReadIds(const JsonObject& object, std::string_view key) {
  BITLOSS_TRY(const Json* value, object.Find(key));
  std::vector<uint32_t> ids;
  for (const Json& id : value->is_array() ? *value : Json::array({*value})) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= kMaxVocabulary) {
      return BadInput("{}: is {}, not a token id", object.Place(key), JsonObject::Short(id));
    }
    ids.push_back(id.get<uint32_t>());
  }
  return ids;
}

}  // namespace

Result<ModelConfig> ReadHfConfig(const fs::path& folder) {
  const fs::path path = folder / "config.json";
  BITLOSS_TRY(const Json json, ReadObjectFile(path));
  const JsonObject config = RootOf(path, json);
  ModelConfig model;
  model.name = NameOf(folder);
  BITLOSS_TRY(model.architecture, ReadArchitecture(config));
  BITLOSS_DO(ReadSizes(config, model));
  BITLOSS_DO(CheckSupported(config));
  constexpr double kDefaultEps = 1e-6;
  BITLOSS_TRY(model.rms_norm_eps, config.GetPositiveOr("rms_norm_eps", kDefaultEps));
  BITLOSS_TRY(model.rope, ReadRope(config));
  BITLOSS_TRY(model.tied_embeddings, config.GetBoolOr("tie_word_embeddings", false));
  BITLOSS_DO(ReadBiases(config, model));
  return model;
}

Result<std::vector<uint32_t>> ReadHfEosIds(const fs::path& folder) {
  for (const char* name : {"generation_config.json", "config.json"}) {
    const fs::path path = folder / name;
    std::error_code error;
    if (!fs::exists(path, error)) continue;
    BITLOSS_TRY(const Json json, ReadObjectFile(path));
    const JsonObject object = RootOf(path, json);
    if (object.Has("eos_token_id")) return ReadIds(object, "eos_token_id");
  }
  return std::vector<uint32_t>();
}

}  // namespace bitloss
