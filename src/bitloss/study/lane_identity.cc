#include "bitloss/study/lane_identity.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bitloss/base/hash.h"
#include "bitloss/model/layer_fit.h"
#include "bitloss/store/manifest.h"

namespace bitloss {
namespace {

using Json = nlohmann::json;

// `calibration`: what stands behind the fit about its text; may be empty.
std::string Describe(const Scheme& scheme, uint64_t seed, const std::string& calibration) {
  std::string text = scheme.format.name + DefinitionOf(scheme.fit, scheme.fit_options, seed);
  text += calibration + DefinitionOf(scheme.execution);
  if (scheme.names_head && scheme.head_format.name != scheme.baseline) {
    text += fmt::format("+head={}", scheme.head_format.name);
  }
  return text + SuffixOf(scheme.execution.kv);
}

Json IdentityJson(const Scheme& scheme, const LaneInputs& inputs) {
  const Calibration& calibration = inputs.calibration;
  Json json = {{"scheme", Describe(scheme, inputs.seed, "")}};
  if (UsesImportanceFile(scheme, calibration)) {
    json["imatrix"] = calibration.importance_hash;
  } else if (Calibrates(scheme)) {
    json["calibration"] = {{"text", calibration.text_hash},
                           {"sequences", calibration.sequences.size()},
                           {"tokens_each", calibration.sequences[0].size()}};
    if (calibration.seed) json["calibration"]["seed"] = *calibration.seed;
  }
  return json;
}

// "/calibration/text" and a hash: "calibration text", "0123456789ab".
std::string Words(std::string pointer) {
  pointer.erase(0, 1);
  std::ranges::replace(pointer, '/', ' ');
  return pointer;
}
std::string Shown(const std::string& value) {
  constexpr size_t kQuotedHash = 66;
  if (value.size() == kQuotedHash && value.front() == '"') return value.substr(1, 12);
  return value;
}

}  // namespace

bool UsesImportanceFile(const Scheme& scheme, const Calibration& calibration) {
  return scheme.fit == FitKind::kImatrix && calibration.importance.has_value();
}

Status CheckCalibration(const Scheme& scheme, const Calibration& calibration) {
  const bool reads_text = Calibrates(scheme) && !UsesImportanceFile(scheme, calibration);
  if (reads_text && calibration.missing) return *calibration.missing;
  return Ok();
}

std::string DefinitionOf(const Scheme& scheme, const LaneInputs& inputs) {
  std::string text;
  if (UsesImportanceFile(scheme, inputs.calibration)) {
    text = fmt::format("(imatrix {})", inputs.calibration.importance_hash.substr(0, 12));
  } else if (Calibrates(scheme)) {
    text = "(" + DefinitionOf(inputs.calibration) + ")";
  }
  return Describe(scheme, inputs.seed, text);
}

std::string IdentityOf(const Scheme& scheme, const LaneInputs& inputs) {
  return IdentityJson(scheme, inputs).dump();
}

std::string IdentityOf(const MixedScheme& mixed, const LaneInputs& inputs) {
  Json layers = Json::array();
  for (const auto& choices : mixed.choices) {
    Json& layer = layers.emplace_back(Json::array());
    for (const size_t choice : choices) {
      layer.push_back(IdentityJson(mixed.components[choice], inputs));
    }
  }
  return Json{{"scheme", "mixed"}, {"layers", Sha256Hex(layers.dump())}}.dump();
}

std::string IdentityOfCheckpoint(const std::string& hash, const std::string& inputs) {
  Json identity = {{"scheme", "checkpoint"}, {"files", hash}};
  // The first two that checkpoints were run with are told by their files alone.
  if (!inputs.empty() && inputs != "@w8a8" && inputs != "@llm.int8") identity["inputs"] = inputs;
  return identity.dump();
}

std::optional<std::pair<std::string, std::string>> DifferenceOf(const std::string& ours,
                                                                const std::string& theirs) {
  const auto scheme_of = [](const std::string& identity) {
    return Json{{"scheme", Json::parse(identity).value("scheme", "")}}.dump();
  };
  auto difference = FirstDifference(scheme_of(ours), scheme_of(theirs));
  if (!difference) difference = FirstDifference(ours, theirs);
  if (!difference) return std::nullopt;
  return std::pair(Words(difference->pointer) + " = " + Shown(difference->ours),
                   Shown(difference->theirs));
}

}  // namespace bitloss
