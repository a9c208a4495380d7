#include "bitloss/report/numbers.h"

#include <fmt/format.h>

#include <cmath>

#include "bitloss/stats/clustered_mean.h"

namespace bitloss {

std::string FormatCount(uint64_t count) {
  if (count < 1000) return fmt::format("{}", count);
  return fmt::format("{},{:03}", FormatCount(count / 1000), count % 1000);
}

std::string FormatPerplexity(double value) {
  return value < 1000 ? fmt::format("{:.4f}", value) : fmt::format("{:.1f}", value);
}

std::string FormatDivergence(double nats) {
  const double size = std::abs(nats);
  if (size == 0) return "0";
  if (size < 0.001) return fmt::format("{:.1e}", nats);
  // Three digits: 0.00123, 0.0123, 0.123, 1.23.
  const int decimals = size < 0.01 ? 5 : size < 0.1 ? 4 : size < 1 ? 3 : 2;
  return fmt::format("{:.{}f}", nats, decimals);
}

std::string FormatFixed(double value, int decimals) {
  std::string text = fmt::format("{:.{}f}", value, decimals);
  const bool zero = text.find_first_not_of("-0.") == std::string::npos;
  return zero && text.starts_with('-') ? text.substr(1) : text;
}

std::string FormatSigned(double value, int decimals) {
  const std::string text = FormatFixed(value, decimals);
  const bool zero = text.find_first_not_of("0.") == std::string::npos;
  return zero || text.starts_with('-') ? text : "+" + text;
}

std::string FormatSignedPercent(double value) {
  return FormatSigned(value, std::abs(value) < 1000 ? 2 : 0);
}

std::string FormatShare(double share) { return fmt::format("{:.2f}", 100 * share); }

std::string FormatMegabytes(uint64_t bytes) {
  if (bytes == 0) return "";
  const double megabytes = static_cast<double>(bytes) / 1e6;
  return fmt::format("{:.{}f}", megabytes, megabytes < 100 ? 2 : 1);
}

std::string FormatBits(double bits_per_weight) {
  return bits_per_weight == 0 ? "" : fmt::format("{:.2f}", bits_per_weight);
}

std::string FormatSeconds(double seconds) {
  return fmt::format("{:.{}f}", seconds, seconds < 10 ? 3 : 1);
}

std::string FormatRate(double per_second) {
  return per_second < 100 ? fmt::format("{:.1f}", per_second)
                          : FormatCount(static_cast<uint64_t>(std::llround(per_second)));
}

std::string WhyNoInterval(const Estimate& estimate, std::string_view cluster_kind) {
  if (!std::isfinite(estimate.value)) return "a value that is not finite has no interval";
  const std::string_view plural = cluster_kind.ends_with('s') ? "" : "s";
  if (EnoughClusters(estimate.effective_clusters)) {
    return fmt::format("all {}{} agree exactly: nothing says how others would scatter",
                       cluster_kind, plural);
  }
  return fmt::format(
      "too little {}: {} {}{} ({:.1f} effective) where an interval needs {:.0f}, about {:.0f} "
      "times as much",
      cluster_kind == "prompt" ? "to go by" : "text", estimate.num_clusters, cluster_kind, plural,
      estimate.effective_clusters, kMinEffectiveClusters,
      std::ceil(kMinEffectiveClusters / estimate.effective_clusters));
}

}  // namespace bitloss
