#include "bitloss/study/lanes.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "bitloss/base/file.h"
#include "bitloss/base/hash.h"
#include "bitloss/base/text.h"
#include "bitloss/model/cast_effect.h"
#include "bitloss/model/lane_size.h"
#include "bitloss/model/matrix_formats.h"
#include "bitloss/quant/scheme_file_type.h"
#include "bitloss/study/cache_size.h"
#include "bitloss/study/lane_identity.h"
#include "bitloss/study/lane_request.h"
#include "bitloss/study/stored_lanes.h"

namespace bitloss {
namespace {

std::string ImportanceJson(const Calibration& calibration) {
  return nlohmann::ordered_json{{"imatrix", calibration.importance_name},
                                {"hash", calibration.importance_hash}}
      .dump();
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

// Of a file type as of a mixed lane.
std::string LinearFormats(const Scheme& scheme, const ModelSource& source) {
  const auto of_tensors = FileTypeFormatsOf(scheme, source);
  if (!of_tensors) return scheme.format.name;
  std::vector<std::pair<const Format*, size_t>> counts;  // in the order in which they come
  for (const auto& layer : of_tensors->linears) {
    for (const Format* format : layer) {
      auto known = std::ranges::find(counts, format, &std::pair<const Format*, size_t>::first);
      if (known == counts.end()) known = counts.insert(counts.end(), {format, 0});
      ++known->second;
    }
  }
  std::string formats;
  for (const auto& [format, count] : counts) {
    formats += fmt::format("{}{} x {}", formats.empty() ? "" : ", ", format->name, count);
  }
  return formats;
}

// Of embedding, head and what is beside them.
std::string OtherFormats(const Scheme& scheme, const ModelSource& source) {
  const auto of_tensors = FileTypeFormatsOf(scheme, source);
  if (!of_tensors) return scheme.head_format.name;
  const Format& embedding = *of_tensors->embedding;
  const Format& head = *of_tensors->head;
  return fmt::format("{}{}, the rest {}", embedding.name,
                     &head == &embedding ? "" : ", " + head.name, F16Format().name);
}

Result<LanePlan> PlanMixedLane(const std::string& path, const ModelFiles& model,
                               const LaneInputs& inputs, const SchemeOptions& options) {
  BITLOSS_TRY(const std::string json, ReadFile(path));
  LanePlan plan;
  BITLOSS_TRY(plan.mixed, ParseMixedScheme(json, path, model.source, options));
  for (const Scheme& component : plan.mixed->components) {
    BITLOSS_DO(CheckCalibration(component, inputs.calibration));
  }
  plan.scheme = plan.mixed->components[0];
  plan.record.scheme = path;
  // What the file says, not where it lies.
  plan.record.definition = "mixed(" + Sha256Hex(WriteMixedScheme(*plan.mixed)).substr(0, 12) + ")";
  plan.record.identity = IdentityOf(*plan.mixed, inputs);
  for (const Scheme& component : plan.mixed->components) {
    plan.fits.push_back(IdentityOf(component, inputs));
  }
  return plan;
}

// A lane named after what it is.
Result<LanePlan> PlanLane(const std::string& text, const ModelFiles& model,
                          const StudyOptions& options, const Calibration& calibration) {
  const SchemeOptions scheme_options = {.int8_threshold = options.int8_threshold};
  const LaneInputs inputs = {calibration, options.seed};
  if (NamesMixedScheme(text)) return PlanMixedLane(text, model, inputs, scheme_options);
  BITLOSS_TRY(Scheme parsed, ParseScheme(text, scheme_options));
  const bool chooses_group = parsed.chooses_group;
  BITLOSS_TRY(const Scheme scheme,
              ResolveForModel(std::move(parsed), model.source,
                              calibration.importance ? &*calibration.importance : nullptr));
  BITLOSS_DO(CheckCalibration(scheme, calibration));
  LanePlan plan;
  plan.scheme = scheme;
  plan.record.scheme = InLowerCase(text);  // one lane, in whichever case it is asked for
  plan.record.definition = DefinitionOf(scheme, inputs);
  plan.record.identity = IdentityOf(scheme, inputs);
  plan.fits = {plan.record.identity};
  plan.record.control = IsControl(scheme);
  if (scheme.format.group_size > 0) plan.record.group_size = scheme.format.group_size;
  if (chooses_group) {
    plan.record.notes.push_back(
        fmt::format("group size {}: the largest of 128, 64, 32 that divides every quantized width",
                    scheme.format.group_size));
  }
  if (scheme.execution.kv.any()) {
    plan.record.notes.push_back(NoteOfCache(scheme.execution.kv, model.source.config()));
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

Result<LanePlan> PlanCheckpoint(const CheckpointRequest& checkpoint, const std::string& text,
                                const ModelFiles& model) {
  const LaneRequest& request = checkpoint.lane;
  LanePlan plan;
  if (checkpoint.weights_alone) plan.stored_inputs = StoredInputs::kUnrounded;
  Result<std::shared_ptr<const ModelFiles>> opened = OpenStoredLane(model, request.what);
  if (!opened.ok() && !request.name.empty() && std::filesystem::exists(text)) {
    return BadInput(
        "--lane {0}: what stands before '=' is the lane's name; to give a path with '=' "
        "write ./{0}",
        text);
  }
  BITLOSS_TRY(plan.stored, std::move(opened));
  BITLOSS_TRY(plan.record, PlanStoredLane(*plan.stored, plan.stored_inputs, request.name));
  return plan;
}

// Lanes in the order in which they are asked for, each under a name of its own.
class LaneList {
 public:
  // After the baseline, which is there.
  LaneList(std::vector<LanePlan>& plans, std::span<const LaneRecord> existing)
      : plans_(plans),
        existing_(existing),
        next_(std::max<size_t>(1, existing.size())),
        asked_({{plans[0].record.scheme, plans[0].record.scheme}}) {}

  // `text` is what asks for it, after `option`.
  Status Add(LanePlan plan, std::string_view option, const LaneRequest& request) {
    const std::string& name = plan.record.scheme;
    if (const auto first = asked_.find(name); first != asked_.end()) {
      if (first->second == request.what) return BadInput("lane '{}' is asked for twice", name);
      return BadInput("two lanes are called '{}', '{}' and '{}'; name one: {} NAME={}", name,
                      first->second, request.what, option, request.what);
    }
    asked_[name] = request.what;
    const auto known = std::ranges::find(existing_, name, &LaneRecord::scheme);
    if (known == existing_.end()) {
      plan.record.lane = next_++;
    } else {
      plan.record.lane = known->lane;
      if (const auto difference = DifferenceOf(known->identity, plan.record.identity)) {
        return BadInput(
            "lane '{}' of this study was measured with {}, and is now asked for with {}; to have "
            "both, name this one ({} NAME={}), or use another folder",
            name, difference->first, difference->second, option, request.what);
      }
    }
    plans_.push_back(std::move(plan));
    return Ok();
  }

 private:
  std::vector<LanePlan>& plans_;
  std::span<const LaneRecord> existing_;
  size_t next_ = 1;
  std::map<std::string, std::string> asked_;
};

// The control that joins the lanes, where there are some and none of them, nor of those that the
// study has already, is one.
Result<std::optional<LanePlan>> PlanControl(const ModelFiles& model, const StudyOptions& options,
                                            const Calibration& calibration,
                                            std::span<const LanePlan> plans,
                                            std::span<const LaneRecord> existing) {
  std::optional<LanePlan> none;
  const std::string name = InLowerCase(options.control);
  if (name.empty() || name == "none" || plans.size() < 2) return none;
  const bool asked = std::ranges::any_of(plans, &LaneRecord::control, &LanePlan::record);
  const bool has_another = std::ranges::any_of(
      existing, [&](const LaneRecord& lane) { return lane.control && lane.scheme != name; });
  if (asked || has_another) return none;
  Result<LanePlan> plan = PlanLane(name, model, options, calibration);
  if (!plan.ok()) return Within("--control", plan.error());
  if (!plan.value().record.control) {
    return BadInput("--control {}: no A/A control; give control-bf16, control-fp16 or none", name);
  }
  return std::optional(std::move(plan).value());
}

}  // namespace

Result<std::vector<LanePlan>> PlanLanes(const ModelFiles& model, const StudyOptions& options,
                                        const Calibration& calibration,
                                        std::span<const LaneRecord> existing) {
  std::vector<LanePlan> plans;
  const std::string baseline_name(NameOf(model.source.baseline()));
  if (!existing.empty() && existing[0].scheme != baseline_name) {
    return BadInput(
        "this study's baseline is {}, and is now asked for as {}; give --baseline {}, or "
        "use another folder",
        existing[0].scheme, baseline_name, existing[0].scheme);
  }
  BITLOSS_TRY(LanePlan baseline, PlanLane(baseline_name, model, options, calibration));
  baseline.record.baseline = true;
  plans.push_back(std::move(baseline));

  LaneList list(plans, existing);
  for (const std::string& text : options.schemes) {
    if (InLowerCase(text) == baseline_name) continue;  // the baseline is always there
    BITLOSS_TRY(const LaneRequest request, ParseLaneRequest(text));
    BITLOSS_TRY(LanePlan plan, PlanLane(request.what, model, options, calibration));
    if (!request.name.empty()) plan.record.scheme = request.name;
    BITLOSS_DO(list.Add(std::move(plan), "--schemes", request));
  }
  for (const std::string& text : options.lanes) {
    BITLOSS_TRY(const CheckpointRequest request, ParseCheckpointRequest(text));
    BITLOSS_TRY(LanePlan plan, PlanCheckpoint(request, text, model));
    BITLOSS_DO(list.Add(std::move(plan), "--lane", request.lane));
  }
  BITLOSS_TRY(std::optional<LanePlan> control,
              PlanControl(model, options, calibration, plans, existing));
  if (control) {
    BITLOSS_DO(list.Add(*std::move(control), "--control", {"", options.control}));
  }
  return plans;
}

namespace {

// "1,234 of 134,515,008 weights changed when rounded to FP16, ..."; none for a lane that is no cast
// of numbers that a checkpoint holds plainly.
Result<std::optional<std::string>> NoteOfCast(const ModelSource& source, const LanePlan& plan) {
  const Precision precision = source.PrecisionFor(plan.scheme.format);
  if (plan.mixed || !IsPlain(plan.scheme.format) || precision == Precision::kStored ||
      !source.OwnForm()) {
    return std::optional<std::string>();
  }
  const std::string_view name = precision == Precision::kFp16 ? "FP16" : "BF16";
  BITLOSS_TRY(const CastEffect effect, EffectOfCast(source, precision));
  if (effect.num_changed == 0) {
    return std::optional(fmt::format("{} holds all {} weights exactly", name, effect.num_weights));
  }
  return std::optional(fmt::format(
      "{} of {} weights changed when rounded to {}: {} became 0, the others by at most {:.2g} of "
      "their size",
      effect.num_changed, effect.num_weights, name, effect.num_zeroed, effect.largest_change));
}

// What of a lane's linears are experts; none for a model without them, and where the sizes that the
// scheme gives do not add up to `whole`: a checkpoint kept some matrix in another type.
std::optional<LaneSize> SizeOfExperts(const ModelSource& source, const LanePlan& plan,
                                      const LaneSize& whole) {
  const ModelConfig& config = source.config();
  if (!config.experts) return std::nullopt;
  LaneSize all, experts;
  for (size_t layer = 0; layer < config.num_layers; ++layer) {
    const BlockFormats formats(plan.scheme, config, layer);
    const std::vector<LinearSpec>& linears = source.plan(layer).linears;
    for (size_t i = 0; i < linears.size(); ++i) {
      const LinearSpec& linear = linears[i];
      const Format& format =
          plan.mixed
              ? plan.mixed->components[plan.mixed->choices[layer][static_cast<size_t>(linear.kind)]]
                    .format
              : formats[i];
      AddLinear(linear, format, all);
      if (linear.unit == Unit::kExpert) AddLinear(linear, format, experts);
    }
  }
  const bool adds_up =
      all.linear_weights == whole.linear_weights && all.linear_bytes == whole.linear_bytes;
  return adds_up ? std::optional(experts) : std::nullopt;
}

nlohmann::ordered_json LinearsPart(std::string tensors, std::string format, uint64_t weights,
                                   uint64_t bytes) {
  return {{"tensors", std::move(tensors)},
          {"format", std::move(format)},
          {"weights", weights},
          {"bytes", bytes}};
}

// The decoder linears, experts by themselves.
void AddLinears(const ModelSource& source, const LanePlan& plan, const LaneSize& size,
                nlohmann::ordered_json& coverage) {
  const std::string format =
      plan.mixed ? MixedFormats(*plan.mixed) : LinearFormats(plan.scheme, source);
  const std::optional<LaneSize> experts = SizeOfExperts(source, plan, size);
  if (!experts) {
    coverage.push_back(
        LinearsPart(fmt::format("decoder linears ({})", LinearsInWords(source.config())), format,
                    size.linear_weights, size.linear_bytes));
    return;
  }
  coverage.push_back(LinearsPart("decoder linears but the experts'", format,
                                 size.linear_weights - experts->linear_weights,
                                 size.linear_bytes - experts->linear_bytes));
  coverage.push_back(
      LinearsPart("experts", format, experts->linear_weights, experts->linear_bytes));
}

}  // namespace

Status DescribeBuiltLane(const ModelSource& source, const LaneWeights& weights, LanePlan& plan) {
  LaneRecord& record = plan.record;
  record.weight_bytes = weights.size.total_bytes();
  record.bits_per_weight =
      8.0 * static_cast<double>(record.weight_bytes) / static_cast<double>(source.num_parameters());
  if (!record.baseline) record.quantized_bits_per_weight = weights.size.linear_bits_per_weight();

  const uint64_t num_other = source.num_parameters() - weights.size.linear_weights;
  nlohmann::ordered_json coverage = nlohmann::ordered_json::array();
  AddLinears(source, plan, weights.size, coverage);
  coverage.push_back({{"tensors", fmt::format("{}, {}",
                                              source.tied_head() ? "embedding tied with lm_head"
                                                                 : "embedding, lm_head",
                                              KeptInWords(source.config()))},
                      {"format", OtherFormats(plan.scheme, source)},
                      {"weights", num_other},
                      {"bytes", weights.size.other_bytes}});
  record.coverage = nlohmann::ordered_json{{"parts", coverage}}.dump();
  BITLOSS_TRY(const std::optional<std::string> cast, NoteOfCast(source, plan));
  if (cast) record.notes.push_back(*cast);
  return Ok();
}

}  // namespace bitloss
