#include "bitloss/study/cache_size.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "bitloss/base/check.h"
#include "bitloss/study/stored_lanes.h"

namespace bitloss {
namespace {

constexpr double kUnroundedBits = 16;

std::string NameOrUnrounded(const std::optional<KvFormat>& format) {
  return format ? NameOf(*format) : "unrounded";
}

// None where the layers of a mixed scheme do not agree.
std::optional<KvRounding> RoundingOf(const LanePlan& plan) {
  if (plan.stored) {
    const StoredQuantization* stored = plan.stored->source.checkpoint().quantization();
    const bool as_served = stored != nullptr && plan.stored_inputs == StoredInputs::kAsServed;
    return as_served ? stored->execution.kv : KvRounding{};
  }
  if (!plan.mixed) return plan.scheme.execution.kv;
  const KvRounding& first = plan.mixed->components[0].execution.kv;
  const bool agree = std::ranges::all_of(plan.mixed->components, [&](const Scheme& component) {
    return component.execution.kv == first;
  });
  return agree ? std::optional(first) : std::nullopt;
}

}  // namespace

uint64_t CacheBytesPerToken(const KvRounding& rounding, const ModelConfig& config) {
  const auto bits_of = [](const std::optional<KvFormat>& format) {
    return format ? BitsOf(*format) : kUnroundedBits;
  };
  double bits = 0;
  for (size_t layer = 0; layer < config.num_layers; ++layer) {
    const LayerSpec spec = config.layer(layer);
    if (spec.kv_source) continue;
    if (spec.mixer == Mixer::kAttention) {
      bits += static_cast<double>(config.key_width(layer)) * bits_of(rounding.keys) +
              static_cast<double>(config.value_width(layer)) * bits_of(rounding.values);
    } else if (spec.mixer == Mixer::kLatentAttention) {
      bits +=
          static_cast<double>(config.latent->rank + config.latent->rotated_dim) * kUnroundedBits;
    }
  }
  return static_cast<uint64_t>(bits / 8);
}

std::string NoteOfCache(const KvRounding& rounding, const ModelConfig& config) {
  return fmt::format(
      "{}: {} bytes of keys and values for each token, {} where they are kept in FP16",
      SuffixOf(rounding).substr(1), CacheBytesPerToken(rounding, config),
      CacheBytesPerToken({}, config));
}

void DescribeCache(const ModelConfig& config, LanePlan& plan) {
  const std::optional<KvRounding> rounding = RoundingOf(plan);
  if (!rounding) return;
  const uint64_t bytes = CacheBytesPerToken(*rounding, config);
  if (bytes == 0) return;
  auto coverage = nlohmann::ordered_json::parse(plan.record.coverage, nullptr, false);
  BITLOSS_CHECK(coverage.is_object());
  coverage["cache"] = {{"keys", NameOrUnrounded(rounding->keys)},
                       {"values", NameOrUnrounded(rounding->values)},
                       {"bytes_per_token", bytes}};
  plan.record.coverage = coverage.dump();
}

}  // namespace bitloss
