#include "bitloss/report/cache_size.h"

#include <nlohmann/json.hpp>

#include "bitloss/report/numbers.h"

namespace bitloss {

std::optional<CacheSize> CacheSizeOf(const LaneRecord& lane) {
  const auto coverage = nlohmann::json::parse(lane.coverage, nullptr, false);
  if (!coverage.is_object() || !coverage.contains("cache")) return std::nullopt;
  const nlohmann::json& cache = coverage["cache"];
  if (!cache.is_object() || !cache.contains("bytes_per_token")) return std::nullopt;
  if (!cache["bytes_per_token"].is_number_unsigned()) return std::nullopt;
  return CacheSize{cache.value("keys", ""), cache.value("values", ""),
                   cache["bytes_per_token"].get<uint64_t>()};
}

Table CacheTable(const ReportData& report) {
  Table table{{{"Lane", "", Align::kLeft},
               {"Keys", "", Align::kLeft},
               {"Values", "", Align::kLeft},
               {"Cache", "bytes/token", Align::kRight},
               {"of the baseline's", "%", Align::kRight}},
              {}};
  const std::optional<CacheSize> whole = CacheSizeOf(report.lanes[0].record);
  for (const LaneResult& lane : report.lanes) {
    const std::optional<CacheSize> cache = CacheSizeOf(lane.record);
    if (!cache) continue;
    const double share = whole ? 100 * static_cast<double>(cache->bytes_per_token) /
                                     static_cast<double>(whole->bytes_per_token)
                               : 0;
    table.rows.push_back({{lane.record.scheme, ""},
                          {cache->keys, ""},
                          {cache->values, ""},
                          {FormatCount(cache->bytes_per_token), ""},
                          {share > 0 ? fmt::format("{:.1f}", share) : "", ""}});
  }
  return table;
}

}  // namespace bitloss
