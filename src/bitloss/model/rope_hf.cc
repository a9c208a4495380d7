// Rotary embeddings as config.json says them: transformers 4 writes rope_theta and rope_scaling, 5
// writes both into rope_parameters, and by kind of layer where kinds differ.
#include <cmath>
#include <nlohmann/json.hpp>

#include "bitloss/model/config_readers.h"

namespace bitloss {
namespace {

constexpr std::string_view kOriginal = "original_max_position_embeddings";

// The one at the top wins over the one inside.
Result<uint64_t> OriginalPositions(const HfConfig& config, const HfConfig& rope) {
  if (config.Has(kOriginal)) return config.GetSize(kOriginal, kMaxPositions);
  if (rope.Has(kOriginal)) return rope.GetSize(kOriginal, kMaxPositions);
  return config.GetSize("max_position_embeddings", kMaxPositions);
}

Result<RopeScaling> ReadLlama3Scaling(const HfConfig& config, const HfConfig& rope) {
  Llama3RopeScaling scaling;
  BITLOSS_TRY(scaling.factor, rope.GetPositive("factor"));
  BITLOSS_TRY(scaling.low_freq_factor, rope.GetPositive("low_freq_factor"));
  BITLOSS_TRY(scaling.high_freq_factor, rope.GetPositive("high_freq_factor"));
  if (!config.Has(kOriginal) && !rope.Has(kOriginal)) {
    return BadInput("{}: is missing", rope.Place(kOriginal));
  }
  BITLOSS_TRY(scaling.original_max_positions, OriginalPositions(config, rope));
  if (scaling.high_freq_factor <= scaling.low_freq_factor) {
    return BadInput("{}: is {}, not above low_freq_factor {}", rope.Place("high_freq_factor"),
                    scaling.high_freq_factor, scaling.low_freq_factor);
  }
  return RopeScaling(scaling);
}

double YarnMagnitude(double factor, double mscale) {
  return factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

Status ReadYarn(const HfConfig& config, const HfConfig& rope, RopeConfig& to) {
  YarnRopeScaling scaling;
  BITLOSS_TRY(scaling.factor, rope.GetPositive("factor"));
  BITLOSS_TRY(scaling.original_max_positions, OriginalPositions(config, rope));
  BITLOSS_TRY(scaling.beta_fast, rope.GetPositiveOr("beta_fast", 32.0));
  BITLOSS_TRY(scaling.beta_slow, rope.GetPositiveOr("beta_slow", 1.0));
  BITLOSS_TRY(scaling.truncate, rope.GetBoolOr("truncate", true));
  BITLOSS_TRY(const double mscale, rope.GetNumberOr("mscale", 0.0));
  BITLOSS_TRY(const double mscale_all_dim, rope.GetNumberOr("mscale_all_dim", 0.0));
  const double magnitude =
      mscale != 0 && mscale_all_dim != 0
          ? YarnMagnitude(scaling.factor, mscale) / YarnMagnitude(scaling.factor, mscale_all_dim)
          : YarnMagnitude(scaling.factor, 1.0);
  BITLOSS_TRY(to.magnitude, rope.GetPositiveOr("attention_factor", magnitude));
  to.scaling = scaling;
  return Ok();
}

Result<std::vector<float>> ReadFactors(const HfConfig& rope, std::string_view key, size_t count) {
  BITLOSS_TRY(const std::vector<double> numbers, rope.GetNumbers(key));
  if (numbers.size() != count) {
    return BadInput("{}: has {} factors, not {}", rope.Place(key), numbers.size(), count);
  }
  std::vector<float> factors;
  for (const double number : numbers) {
    if (!(static_cast<float>(number) > 0)) {
      return BadInput("{}: holds {}, not a number > 0", rope.Place(key), number);
    }
    factors.push_back(static_cast<float>(number));
  }
  return factors;
}

Status ReadLongRope(const HfConfig& config, const HfConfig& rope, RopeConfig& to) {
  LongRopeScaling scaling;
  BITLOSS_TRY(scaling.short_factors, ReadFactors(rope, "short_factor", to.rotated / 2));
  BITLOSS_TRY(scaling.long_factors, ReadFactors(rope, "long_factor", to.rotated / 2));
  BITLOSS_TRY(scaling.original_max_positions, OriginalPositions(config, rope));
  BITLOSS_TRY(const uint64_t longest, config.GetSize("max_position_embeddings", kMaxPositions));
  const auto original = static_cast<double>(scaling.original_max_positions);
  BITLOSS_TRY(const double stretch,
              rope.GetPositiveOr("factor", static_cast<double>(longest) / original));
  const double magnitude =
      stretch <= 1.0 ? 1.0 : std::sqrt(1.0 + std::log(stretch) / std::log(original));
  BITLOSS_TRY(to.magnitude, rope.GetPositiveOr("attention_factor", magnitude));
  to.scaling = std::move(scaling);
  return Ok();
}

// An object with rope_type (once spelled "type") and that type's parameters.
Status ReadScaling(const HfConfig& config, const HfConfig& rope, RopeConfig& to) {
  const char* key = rope.Has("rope_type") ? "rope_type" : "type";
  if (!rope.Has(key) && rope.Has("rope_theta")) return Ok();
  BITLOSS_TRY(const std::string type, rope.GetString(key));
  if (type == "default") return Ok();
  // Changes nothing within the model's positions, and no sequence goes beyond them.
  if (type == "dynamic") return Ok();
  if (type == "llama3") {
    BITLOSS_TRY(to.scaling, ReadLlama3Scaling(config, rope));
    return Ok();
  }
  if (type == "linear") {
    BITLOSS_TRY(const double factor, rope.GetPositive("factor"));
    to.scaling = LinearRopeScaling{factor};
    return Ok();
  }
  if (rope.Has("long_factor") || type == "longrope" || type == "su") {
    return ReadLongRope(config, rope, to);
  }
  if (type == "yarn") return ReadYarn(config, rope, to);
  return Unsupported(
      "{}: rotary scaling {} is not known; known: default, linear, dynamic, llama3, yarn, longrope",
      rope.Place(key), HfConfig::Short(nlohmann::json(type)));
}

bool IsProportional(const HfConfig& rope) {
  if (!rope.IsString("rope_type")) return false;
  const Result<std::string> type = rope.GetString("rope_type");
  return type.ok() && type.value() == "proportional";
}

// Of a whole head, of which a part turns.
Status ReadProportional(const HfConfig& object, size_t head_dim, RopeConfig& rope) {
  constexpr std::string_view kKey = "partial_rotary_factor";
  ProportionalRopeScaling scaling;
  BITLOSS_TRY(const double partial, object.GetPositiveOr(kKey, 1.0));
  if (partial > 1.0) return BadInput("{}: is {}, above 1", object.Place(kKey), partial);
  scaling.turning = static_cast<size_t>(partial * static_cast<double>(head_dim)) / 2;
  BITLOSS_TRY(scaling.factor, object.GetPositiveOr("factor", 1.0));
  rope.scaling = scaling;
  return Ok();
}

// Of this object alone; `rotated` is what is known so far.
Status ReadPartial(const HfConfig& object, const HfDefaults& defaults, size_t head_dim,
                   RopeConfig& rope) {
  constexpr std::string_view kKey = "partial_rotary_factor";
  if (!object.Has(kKey)) return Ok();
  BITLOSS_TRY(const double partial, object.GetPositive(kKey));
  if (partial > 1.0) return BadInput("{}: is {}, above 1", object.Place(kKey), partial);
  if (defaults.partial_rotary == 0 && partial != 1.0) {
    return Unsupported("{}: is {}; only whole heads are rotated in this architecture",
                       object.Place(kKey), partial);
  }
  rope.rotated = static_cast<size_t>(static_cast<double>(head_dim) * partial);
  return Ok();
}

Status CheckRotated(const HfConfig& config, const RopeConfig& rope) {
  if (rope.rotated > 0 && rope.rotated % 2 == 0) return Ok();
  return BadInput("{}: {} elements of a head are rotated, not a positive even number",
                  config.Place("partial_rotary_factor"), rope.rotated);
}

size_t RotatedOf(const HfDefaults& defaults, size_t head_dim) {
  const double partial = defaults.partial_rotary == 0 ? 1.0 : defaults.partial_rotary;
  return static_cast<size_t>(static_cast<double>(head_dim) * partial);
}

bool IsNested(const HfConfig& parameters) {
  return parameters.Has(kFullAttention) || parameters.Has(kSlidingAttention);
}

}  // namespace

Result<RopeConfig> ReadRope(const HfConfig& config, const HfDefaults& defaults, size_t head_dim) {
  RopeConfig rope;
  rope.rotated = RotatedOf(defaults, head_dim);
  BITLOSS_DO(ReadPartial(config, defaults, head_dim, rope));
  BITLOSS_TRY(rope.theta, config.GetPositiveOr("rope_theta", defaults.theta));
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!config.Has(key)) continue;
    BITLOSS_TRY(const HfConfig parameters, config.GetObject(key));
    if (IsNested(parameters)) continue;
    BITLOSS_DO(ReadPartial(parameters, defaults, head_dim, rope));
    BITLOSS_DO(ReadScaling(config, parameters, rope));
    BITLOSS_TRY(const double theta, parameters.GetPositiveOr("rope_theta", rope.theta));
    if (config.Has("rope_theta") && theta != rope.theta) {
      return BadInput("{}: is {}, but /rope_theta is {}", parameters.Place("rope_theta"), theta,
                      rope.theta);
    }
    rope.theta = theta;
  }
  BITLOSS_DO(CheckRotated(config, rope));
  return rope;
}

Result<std::optional<RopeConfig>> ReadNestedRope(const HfConfig& config, std::string_view kind,
                                                 const HfDefaults& defaults, size_t head_dim) {
  if (!config.Has("rope_parameters")) return std::optional<RopeConfig>();
  BITLOSS_TRY(const HfConfig parameters, config.GetObject("rope_parameters"));
  if (!parameters.Has(kind)) return std::optional<RopeConfig>();
  BITLOSS_TRY(const HfConfig of_kind, parameters.GetObject(kind));
  RopeConfig rope;
  rope.rotated = RotatedOf(defaults, head_dim);
  if (IsProportional(of_kind)) {
    BITLOSS_DO(ReadProportional(of_kind, head_dim, rope));
  } else {
    BITLOSS_DO(ReadPartial(of_kind, defaults, head_dim, rope));
    BITLOSS_DO(ReadScaling(config, of_kind, rope));
  }
  // transformers looks for it outside of the kinds.
  if (auto* yarn = std::get_if<YarnRopeScaling>(&rope.scaling)) yarn->truncate = true;
  BITLOSS_TRY(rope.theta, of_kind.GetPositiveOr("rope_theta", defaults.theta));
  BITLOSS_DO(CheckRotated(config, rope));
  return std::optional(std::move(rope));
}

}  // namespace bitloss
