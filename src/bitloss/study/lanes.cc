#include "bitloss/study/lanes.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "bitloss/base/file.h"
#include "bitloss/base/hash.h"
#include "bitloss/study/stored_lanes.h"

namespace bitloss {
namespace {

bool UsesImportanceFile(const Scheme& scheme, const Calibration& calibration) {
  return scheme.fit == FitKind::kImatrix && calibration.importance.has_value();
}

// ":act:damp=0.01" of +gptq and the like, all that differ between lanes.
std::string FitOptions(const Scheme& scheme) {
  if (scheme.fit == FitKind::kSmoothQuant) return fmt::format(":{}", scheme.smoothing_strength);
  if (scheme.fit != FitKind::kGptq) return "";
  return fmt::format(
      "{}{}:damp={}", scheme.gptq.order == GptqOptions::Order::kByActivation ? ":act" : "",
      scheme.gptq.groups == GptqOptions::Groups::kStatic ? ":static" : "", scheme.gptq.damping);
}

// Everything that the lane's numbers depend on, beyond the manifest.
std::string Definition(const Scheme& scheme, const Calibration& calibration, uint64_t seed) {
  std::string definition = scheme.format.name;
  if (scheme.fit != FitKind::kNearest && scheme.fit != FitKind::kNoise) {
    definition += fmt::format("+{}{}", InfoOf(scheme.fit).name, FitOptions(scheme));
  }
  if (UsesImportanceFile(scheme, calibration)) {
    definition += fmt::format("(imatrix {})", calibration.importance_hash.substr(0, 12));
  } else if (Calibrates(scheme)) {
    definition += "(" + DefinitionOf(calibration) + ")";
  }
  if (scheme.fit == FitKind::kNoise) {
    definition += fmt::format("+noise({}, seed {})", scheme.noise, seed);
  }
  if (scheme.execution.kind == Execution::Kind::kBf16Activations) definition += "@bf16";
  if (scheme.execution.kind == Execution::Kind::kFp16Emulation) definition += "@fp16";
  if (scheme.execution.kind == Execution::Kind::kLlmInt8) {
    definition += fmt::format("@llm.int8({})", scheme.execution.outlier_threshold);
  } else if (scheme.execution.kind == Execution::Kind::kW8A8) {
    definition += scheme.execution.static_activations ? "@w8a8:static" : "@w8a8";
  } else if (scheme.execution.kind == Execution::Kind::kGgml) {
    definition += "@ggml";
  }
  if (scheme.head_format.name != F16Format().name) {
    definition += fmt::format("+head={}", scheme.head_format.name);
  }
  return definition;
}

std::string ImportanceJson(const Calibration& calibration) {
  return nlohmann::ordered_json{{"imatrix", calibration.importance_name},
                                {"hash", calibration.importance_hash}}
      .dump();
}

// The row lengths of the matrices that schemes quantize.
std::vector<size_t> QuantizedWidths(const ModelConfig& config) {
  std::vector<size_t> widths;
  for (const Linear linear : kAllLinears) widths.push_back(ShapeOf(config, linear).in);
  return widths;
}

// Widths whose rows the format stores as another one, and which.
std::map<size_t, std::string> StoredOtherwise(const Format& format, const ModelConfig& config) {
  std::map<size_t, std::string> others;
  if (format.stored_as == nullptr) return others;
  for (const size_t width : QuantizedWidths(config)) {
    const Format& stored = format.stored_as(format, width);
    if (stored.name != format.name) others[width] = stored.name;
  }
  return others;
}

// "nf4:64 x 120, int8_row x 90".
std::string MixedFormats(const MixedScheme& mixed) {
  std::vector<size_t> counts(mixed.components.size());
  for (const auto& layer : mixed.choices) {
    for (const size_t choice : layer) ++counts[choice];
  }
  std::string formats;
  for (size_t i = 0; i < counts.size(); ++i) {
    formats +=
        fmt::format("{}{} x {}", i == 0 ? "" : ", ", mixed.components[i].format.name, counts[i]);
  }
  return formats;
}

Result<LanePlan> PlanMixedLane(const std::string& path, const ModelFiles& model) {
  BITLOSS_TRY(const std::string json, ReadFile(path));
  LanePlan plan;
  BITLOSS_TRY(plan.mixed, ParseMixedScheme(json, path, model.source.config()));
  plan.scheme = plan.mixed->components[0];
  plan.record.scheme = path;
  // What the file says, not where it lies.
  plan.record.definition = "mixed(" + Sha256Hex(WriteMixedScheme(*plan.mixed)).substr(0, 12) + ")";
  return plan;
}

Result<LanePlan> PlanLane(const std::string& text, const ModelFiles& model,
                          const StudyOptions& options, const Calibration& calibration) {
  if (NamesMixedScheme(text)) return PlanMixedLane(text, model);
  BITLOSS_TRY(Scheme parsed, ParseScheme(text, {.int8_threshold = options.int8_threshold}));
  const bool chooses_group = parsed.chooses_group;
  BITLOSS_TRY(const Scheme scheme,
              ResolveForWidths(std::move(parsed), QuantizedWidths(model.source.config())));
  LanePlan plan;
  plan.scheme = scheme;
  plan.record.scheme = text;
  plan.record.definition = Definition(scheme, calibration, options.seed);
  plan.record.control = IsControl(scheme);
  if (scheme.format.group_size > 0) plan.record.group_size = scheme.format.group_size;
  if (chooses_group) {
    plan.record.notes.push_back(
        fmt::format("group size {}: the largest of 128, 64, 32 that divides every quantized width",
                    scheme.format.group_size));
  }
  for (const auto& [width, format] : StoredOtherwise(scheme.format, model.source.config())) {
    plan.record.notes.push_back(
        fmt::format("rows of {} weights are stored as {}, as llama.cpp does", width, format));
  }
  if (UsesImportanceFile(scheme, calibration)) {
    plan.record.calibration = ImportanceJson(calibration);
  } else if (Calibrates(scheme)) {
    plan.record.calibration = CalibrationJson(calibration);
  }
  return plan;
}

}  // namespace

Result<std::vector<LanePlan>> PlanLanes(const ModelFiles& model, const StudyOptions& options,
                                        const Calibration& calibration,
                                        std::span<const LaneRecord> existing) {
  std::vector<LanePlan> plans;
  BITLOSS_TRY(LanePlan baseline, PlanLane("fp16", model, options, calibration));
  baseline.record.baseline = true;
  plans.push_back(std::move(baseline));

  size_t next_lane = std::max<size_t>(1, existing.size());
  const auto add = [&](LanePlan plan) -> Status {
    const std::string& name = plan.record.scheme;
    const bool twice = std::ranges::any_of(
        plans, [&](const LanePlan& other) { return other.record.scheme == name; });
    if (twice) return BadInput("scheme '{}' is asked for twice", name);
    const auto known = std::ranges::find(existing, name, &LaneRecord::scheme);
    plan.record.lane = known != existing.end() ? known->lane : next_lane++;
    plans.push_back(std::move(plan));
    return Ok();
  };
  for (const std::string& text : options.schemes) {
    if (text == "fp16") continue;  // the baseline is always there
    BITLOSS_TRY(LanePlan plan, PlanLane(text, model, options, calibration));
    BITLOSS_DO(add(std::move(plan)));
  }
  for (const std::string& path : options.lanes) {
    LanePlan plan;
    BITLOSS_TRY(plan.stored, OpenStoredLane(model, path));
    BITLOSS_TRY(plan.record, PlanStoredLane(*plan.stored));
    BITLOSS_DO(add(std::move(plan)));
  }
  return plans;
}

void DescribeBuiltLane(const ModelSource& source, const LaneWeights& weights, LanePlan& plan) {
  LaneRecord& record = plan.record;
  record.weight_bytes = weights.size.total_bytes();
  record.bits_per_weight =
      8.0 * static_cast<double>(record.weight_bytes) / static_cast<double>(source.num_parameters());
  if (!record.baseline) record.quantized_bits_per_weight = weights.size.linear_bits_per_weight();

  const uint64_t num_other = source.num_parameters() - weights.size.linear_weights;
  nlohmann::ordered_json coverage = nlohmann::ordered_json::array();
  coverage.push_back({{"tensors", "decoder linears (q, k, v, o, gate, up, down)"},
                      {"format", plan.mixed ? MixedFormats(*plan.mixed) : plan.scheme.format.name},
                      {"weights", weights.size.linear_weights},
                      {"bytes", weights.size.linear_bytes}});
  coverage.push_back({{"tensors", source.tied_head() ? "embedding tied with lm_head, norms, biases"
                                                     : "embedding, lm_head, norms, biases"},
                      {"format", plan.scheme.head_format.name},
                      {"weights", num_other},
                      {"bytes", weights.size.other_bytes}});
  record.coverage = nlohmann::ordered_json{{"parts", coverage}}.dump();
}

}  // namespace bitloss
