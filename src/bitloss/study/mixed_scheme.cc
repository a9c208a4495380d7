#include "bitloss/study/mixed_scheme.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bitloss/json/parse.h"
#include "bitloss/model/lane_size.h"
#include "bitloss/model/matrix_formats.h"

namespace bitloss {
namespace {

constexpr std::string_view kSchema = "bitloss.mixed-scheme/1";

template <class... Args>
Error Bad(std::string_view path, fmt::format_string<Args...> format, Args&&... args) {
  return BadInput("mixed scheme '{}': {}", path, fmt::format(format, std::forward<Args>(args)...));
}

// The place of `text` among the components, added if it is new.
Result<size_t> FindOrAdd(const std::string& text, const ModelSource& source,
                         const SchemeOptions& options, MixedScheme& mixed) {
  const auto found = std::ranges::find(mixed.components, text, &Scheme::text);
  if (found != mixed.components.end()) {
    return static_cast<size_t>(found - mixed.components.begin());
  }
  BITLOSS_TRY(Scheme parsed, ParseScheme(text, options));
  if (Calibrates(parsed)) {
    return Unsupported("'{}' changes more than its own matrix and cannot be mixed", text);
  }
  BITLOSS_TRY(Scheme scheme, ResolveForModel(std::move(parsed), source));
  mixed.components.push_back(std::move(scheme));
  return mixed.components.size() - 1;
}

Status ReadLayer(const nlohmann::json& layer, const std::string& pointer, std::string_view path,
                 const ModelSource& source, const SchemeOptions& options, MixedScheme& mixed) {
  if (!layer.is_object()) return Bad(path, "{} is not an object", pointer);
  std::array<size_t, kNumLinearKinds> choices{};
  for (size_t i = 0; i < kNumLinearKinds; ++i) {
    const std::string name(ModuleName(kAllLinears[i]));
    const auto found = layer.find(name);
    if (found == layer.end() || !found->is_string()) {
      return Bad(path, "{}/{} is not a scheme's name", pointer, name);
    }
    const auto choice = FindOrAdd(found->get<std::string>(), source, options, mixed);
    if (!choice.ok()) {
      return Within(fmt::format("mixed scheme '{}': {}/{}", path, pointer, name), choice.error());
    }
    choices[i] = choice.value();
  }
  mixed.choices.push_back(choices);
  return Ok();
}

}  // namespace

bool NamesMixedScheme(std::string_view text) { return text.ends_with(".json"); }

Result<MixedScheme> ParseMixedScheme(std::string_view text, std::string_view path,
                                     const ModelSource& source, const SchemeOptions& options) {
  const ModelConfig& config = source.config();
  BITLOSS_DO(CheckKinds(config, "mixed schemes"));
  const Result<Json> parsed = ParseJson(text);
  if (!parsed.ok()) return Bad(path, "{}", parsed.error().message);
  const Json& json = parsed.value();
  if (!json.is_object()) return Bad(path, "not a JSON object");
  if (!json.contains("schema") || json["schema"] != kSchema) {
    return Bad(path, "/schema is not \"{}\"", kSchema);
  }
  if (!json.contains("layers") || !json["layers"].is_array()) {
    return Bad(path, "/layers is not an array");
  }
  const nlohmann::json& layers = json["layers"];
  if (layers.size() != config.num_layers) {
    return Bad(path, "/layers has {} entries, but the model has {} layers", layers.size(),
               config.num_layers);
  }
  MixedScheme mixed;
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    BITLOSS_DO(
        ReadLayer(layers[layer], fmt::format("/layers/{}", layer), path, source, options, mixed));
  }
  return mixed;
}

std::string WriteMixedScheme(const MixedScheme& mixed) {
  nlohmann::ordered_json json = {{"schema", kSchema}, {"layers", nlohmann::ordered_json::array()}};
  for (const auto& choices : mixed.choices) {
    nlohmann::ordered_json layer;
    for (size_t i = 0; i < kNumLinearKinds; ++i) {
      layer[std::string(ModuleName(kAllLinears[i]))] = mixed.components[choices[i]].text;
    }
    json["layers"].push_back(std::move(layer));
  }
  return json.dump(1) + "\n";
}

LaneSize SizeOf(const MixedScheme& mixed, const ModelSource& source) {
  LaneSize size;
  for (size_t layer = 0; layer < mixed.choices.size(); ++layer) {
    for (const LinearSpec& linear : source.plan(layer).linears) {
      const size_t choice = mixed.choices[layer][static_cast<size_t>(linear.kind)];
      AddLinear(linear, mixed.components[choice].format, size);
    }
  }
  size.other_bytes = OtherBytes(mixed.components[0], source);
  return size;
}

BuiltLane AssembleMixedLane(const MixedScheme& mixed, std::vector<BuiltLane> built) {
  BITLOSS_CHECK(!built.empty() && built.size() == mixed.components.size());
  LaneSize size;
  for (size_t layer = 0; layer < mixed.choices.size(); ++layer) {
    LayerWeights& to = built[0].weights.layers[layer];
    const std::vector<LinearSpec>& linears = to.plan->linears;
    for (size_t i = 0; i < linears.size(); ++i) {
      const size_t choice = mixed.choices[layer][static_cast<size_t>(linears[i].kind)];
      // Swapped, so that a linear of the first component stays in place.
      std::swap(to.linears[i], built[choice].weights.layers[layer].linears[i]);
      AddLinear(linears[i], mixed.components[choice].format, size);
    }
  }
  BuiltLane lane = std::move(built[0]);
  for (size_t i = 1; i < built.size(); ++i) lane.seconds += built[i].seconds;
  size.other_bytes = lane.weights.size.other_bytes;
  lane.weights.size = size;
  return lane;
}

}  // namespace bitloss
