#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <system_error>

#include "bitloss/json/parse.h"
#include "bitloss/model/architecture.h"
#include "bitloss/model/config_readers.h"

namespace bitloss {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

Result<Json> ReadObjectFile(const fs::path& path) {
  BITLOSS_TRY(Json value, ReadJsonFile(path));
  if (!value.is_object()) return BadInput("{}: is not a JSON object", path.string());
  return value;
}

HfConfig RootOf(const fs::path& path, const Json& value) {
  return HfConfig(path.string() + ": ", value);
}

// Models of several kinds of input whose text model stands in "text_config".
struct Wrapper {
  std::string_view model_type;
  std::string_view text_type;  // where text_config does not say
};
constexpr std::array kWrappers = {
    Wrapper{"gemma3", "gemma3_text"},   Wrapper{"gemma3n", "gemma3n_text"},
    Wrapper{"gemma4", "gemma4_text"},   Wrapper{"mistral3", "mistral"},
    Wrapper{"llama4", "llama4_text"},   Wrapper{"muse_glimmer", "muse_glimmer_text"},
    Wrapper{"qwen3_5", "qwen3_5_text"}, Wrapper{"qwen3_5_moe", "qwen3_5_moe_text"},
};

const Wrapper* FindWrapper(std::string_view type) {
  const auto* found = std::ranges::find(kWrappers, type, &Wrapper::model_type);
  return found == kWrappers.end() ? nullptr : found;
}

// The class that transformers would make, and so the names and meanings of the tensors.
Status CheckClass(const HfConfig& config, const Architecture& architecture) {
  if (!config.Has("architectures")) return Ok();
  BITLOSS_TRY(const Json* classes, config.Find("architectures"));
  const bool is_known =
      classes->is_array() && classes->size() == 1 && classes->front().is_string() &&
      std::ranges::find(architecture.classes, classes->front().get_ref<const std::string&>()) !=
          architecture.classes.end();
  if (is_known) return Ok();
  return Unsupported("{}: is {}, not {}", config.Place("architectures"),
                     classes->is_array() && !classes->empty() ? HfConfig::Short(classes->front())
                                                              : HfConfig::Short(*classes),
                     fmt::join(architecture.classes, " or "));
}

Result<const Architecture*> ArchitectureOf(const HfConfig& config, const std::string& type) {
  if (const Architecture* known = FindArchitecture(type)) return known;
  std::vector<std::string_view> names;
  for (const Architecture* known : Architectures()) names.push_back(known->name);
  // As JSON, so that a hostile name stays on one line.
  const std::string quoted = HfConfig::Short(Json(type));
  return Within(config.Place("model_type"),
                UnknownArchitecture(std::string_view(quoted).substr(1, quoted.size() - 2), names));
}

Status ReadHeads(const HfConfig& config, const HfDefaults& defaults, ModelConfig& model) {
  if (defaults.heads > 0) {
    BITLOSS_TRY(model.num_heads,
                config.GetSizeOr("num_attention_heads", defaults.heads, kMaxWidth));
  } else {
    BITLOSS_TRY(model.num_heads, config.GetSize("num_attention_heads", kMaxWidth));
  }
  BITLOSS_TRY(
      model.num_kv_heads,
      config.GetSizeOr("num_key_value_heads",
                       defaults.kv_heads > 0 ? defaults.kv_heads : model.num_heads, kMaxWidth));
  if (model.num_heads % model.num_kv_heads != 0) {
    return BadInput("{}: {} do not divide the {} of /num_attention_heads",
                    config.Place("num_key_value_heads"), model.num_kv_heads, model.num_heads);
  }
  const bool has_size = config.Has("head_dim") || defaults.head_dim > 0;
  if (!has_size && model.hidden_size % model.num_heads != 0) {
    return BadInput("{}: {} do not divide the {} of /hidden_size, and there is no /head_dim",
                    config.Place("num_attention_heads"), model.num_heads, model.hidden_size);
  }
  BITLOSS_TRY(model.head_dim,
              config.GetSizeOr(
                  "head_dim",
                  defaults.head_dim > 0 ? defaults.head_dim : model.hidden_size / model.num_heads,
                  kMaxWidth));
  if (model.head_dim % 2 != 0 || model.head_dim * model.num_heads > kMaxWidth) {
    return BadInput("{}: {} heads of {} elements; the size must be even and all of them at most {}",
                    config.Place(config.Has("head_dim") ? "head_dim" : "num_attention_heads"),
                    model.num_heads, model.head_dim, kMaxWidth);
  }
  return Ok();
}

Status ReadSizes(const HfConfig& config, const HfDefaults& defaults, ModelConfig& model) {
  BITLOSS_TRY(model.hidden_size, config.GetSize("hidden_size", kMaxWidth));
  if (defaults.widths_by_layer && config.IsArray("intermediate_size")) {
    BITLOSS_TRY(const std::vector<double> widths, config.GetNumbers("intermediate_size"));
    if (widths.empty() || widths[0] < 1 || widths[0] > static_cast<double>(kMaxWidth)) {
      return BadInput("{}: holds no width", config.Place("intermediate_size"));
    }
    model.intermediate_size = static_cast<size_t>(widths[0]);
  } else if (defaults.intermediate > 0) {
    BITLOSS_TRY(model.intermediate_size,
                config.GetSizeOr("intermediate_size", defaults.intermediate, kMaxWidth));
  } else {
    BITLOSS_TRY(model.intermediate_size, config.GetSize("intermediate_size", kMaxWidth));
  }
  BITLOSS_TRY(model.num_layers, config.GetSize("num_hidden_layers", kMaxLayers));
  BITLOSS_DO(ReadHeads(config, defaults, model));
  if (defaults.vocab_size > 0) {
    BITLOSS_TRY(model.vocab_size,
                config.GetSizeOr("vocab_size", defaults.vocab_size, kMaxVocabulary));
  } else {
    BITLOSS_TRY(model.vocab_size, config.GetSize("vocab_size", kMaxVocabulary));
  }
  BITLOSS_TRY(model.max_positions,
              config.GetSizeOr("max_position_embeddings", defaults.positions, kMaxPositions));
  return Ok();
}

// Keys that change what a model computes in an architecture that knows them. One that is set where
// nobody asked for it belongs to something that is not run here.
Status RefuseWhatNobodyAskedFor(const HfConfig& config) {
  constexpr std::array<std::string_view, 27> kKeys = {"alibi",
                                                      "attention_chunk_size",
                                                      "attention_multiplier",
                                                      "attn_logit_softcapping",
                                                      "clip_qkv",
                                                      "embedding_multiplier",
                                                      "enable_moe_block",
                                                      "final_logit_softcapping",
                                                      "hidden_size_per_layer_input",
                                                      "kv_lora_rank",
                                                      "layer_types",
                                                      "logit_scale",
                                                      "logits_scaling",
                                                      "n_routed_experts",
                                                      "no_rope_layers",
                                                      "num_experts",
                                                      "num_kv_shared_layers",
                                                      "num_local_experts",
                                                      "partial_rotary_factor",
                                                      "qk_layernorm",
                                                      "residual_multiplier",
                                                      "rope_interleave",
                                                      "sliding_window_pattern",
                                                      "use_bidirectional_attention",
                                                      "use_mup",
                                                      "use_qk_norm",
                                                      "use_sliding_window"};
  for (const std::string_view key : kKeys) {
    if (config.WasAsked(key) || !config.Has(key)) continue;
    BITLOSS_TRY(const Json* value, config.Find(key));
    const bool is_off = *value == Json(false) || *value == Json(0) || *value == Json(1) ||
                        (key.starts_with("num_") && *value == Json(1));
    if (!is_off) {
      return Unsupported("{}: is {}, which this architecture is not known to have",
                         config.Place(key), HfConfig::Short(*value));
    }
  }
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

Result<std::vector<uint32_t>> ReadIds(const HfConfig& object, std::string_view key) {
  BITLOSS_TRY(const Json* value, object.Find(key));
  std::vector<uint32_t> ids;
  for (const Json& id : value->is_array() ? *value : Json::array({*value})) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= kMaxVocabulary) {
      return BadInput("{}: is {}, not a token id", object.Place(key), HfConfig::Short(id));
    }
    ids.push_back(id.get<uint32_t>());
  }
  return ids;
}

// `root`: the whole file; `config`: the text model in it.
Result<ModelConfig> ReadModel(const HfConfig& root, const HfConfig& config,
                              const Architecture& architecture) {
  ModelConfig model;
  model.architecture = architecture.name;
  const HfDefaults& defaults = architecture.defaults;
  BITLOSS_DO(CheckClass(root, architecture));
  BITLOSS_DO(ReadSizes(config, defaults, model));
  BITLOSS_TRY(model.activation, ReadActivation(config, {}));
  BITLOSS_TRY(model.rms_norm_eps, config.GetPositiveOr("rms_norm_eps", defaults.eps));
  BITLOSS_TRY(model.ropes[0], ReadRope(config, defaults, model.head_dim));
  BITLOSS_TRY(const bool tied_outside, root.GetBoolOr("tie_word_embeddings", defaults.tied));
  BITLOSS_TRY(model.tied_embeddings, config.GetBoolOr("tie_word_embeddings", tied_outside));
  if (!model.has_gates() && architecture.hf_names.linears[4] != "") {
    return Unsupported("{}: this architecture's MLP has a gate", config.Place("hidden_act"));
  }
  BITLOSS_DO(architecture.read_hf(config, model));
  BITLOSS_DO(RefuseWhatNobodyAskedFor(config));
  return model;
}

}  // namespace

Result<ModelConfig> ReadHfConfig(const fs::path& folder) {
  const fs::path path = folder / "config.json";
  BITLOSS_TRY(const Json json, ReadObjectFile(path));
  const HfConfig root = RootOf(path, json);
  BITLOSS_TRY(std::string type, root.GetString("model_type"));
  const Wrapper* wrapper = FindWrapper(type);
  std::optional<HfConfig> text;
  if (wrapper != nullptr && root.Has("text_config")) {
    BITLOSS_TRY(const HfConfig object, root.GetObject("text_config"));
    text.emplace(object);
    type = wrapper->text_type;
    if (text->Has("model_type")) {
      BITLOSS_TRY(type, text->GetString("model_type"));
    }
  }
  const HfConfig& config = text ? *text : root;
  BITLOSS_TRY(const Architecture* architecture, ArchitectureOf(config, type));
  BITLOSS_TRY(ModelConfig model, ReadModel(root, config, *architecture));
  model.name = NameOf(folder);
  return model;
}

Result<std::vector<uint32_t>> ReadHfEosIds(const fs::path& folder) {
  for (const char* name : {"generation_config.json", "config.json"}) {
    const fs::path path = folder / name;
    std::error_code error;
    if (!fs::exists(path, error)) continue;
    BITLOSS_TRY(const Json json, ReadObjectFile(path));
    const HfConfig object = RootOf(path, json);
    if (object.Has("eos_token_id")) return ReadIds(object, "eos_token_id");
    if (!object.Has("text_config")) continue;
    BITLOSS_TRY(const HfConfig text, object.GetObject("text_config"));
    if (text.Has("eos_token_id")) return ReadIds(text, "eos_token_id");
  }
  return std::vector<uint32_t>();
}

}  // namespace bitloss
