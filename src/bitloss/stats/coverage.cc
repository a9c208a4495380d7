// stats_coverage: how often the intervals hold the truth, on simulated data where it is known.
//
// Prints the tables of docs/statistics.md. Means: a replication draws clusters (articles) of
// unequal size, each with its own mean; the intervals are made from their sums as for a real study.
// Proportions: coverage is computed exactly, by summing over all outcomes, and averaged over true
// rates.
#include <fmt/core.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "bitloss/base/random.h"
#include "bitloss/base/threads.h"
#include "bitloss/stats/clustered_mean.h"
#include "bitloss/stats/clustered_quantile.h"
#include "bitloss/stats/distributions.h"
#include "bitloss/stats/paired_outcomes.h"
#include "bitloss/stats/proportion.h"

namespace bitloss {
namespace {

// What tokens look like. A cluster's mean is `mean` times or plus its effect; its tokens scatter
// around that with `token_spread` (independent, so that their sum is normal).
struct Scenario {
  std::string_view name;
  uint32_t num_clusters;
  double mean;
  double cluster_spread;
  double token_spread;
  bool skewed;           // effect lognormal (as KL) instead of normal (as a difference of losses)
  double size_spread;    // standard deviation of the log of the number of tokens
  double size_exponent;  // cluster mean grows as size^exponent: large articles differ from small
};

constexpr Scenario kScenarios[] = {
    {"loss difference, 12 articles", 12, 0.05, 0.03, 0.6, false, 0.7, 0},
    {"loss difference, 60 articles", 60, 0.05, 0.03, 0.6, false, 0.7, 0},
    {"loss difference, 200 articles", 200, 0.05, 0.03, 0.6, false, 0.7, 0},
    {"loss difference that grows with the article, 60", 60, 0.05, 0.03, 0.6, false, 0.7, 0.3},
    {"KL (skewed), 12 articles", 12, 0.1, 0.3, 0.3, true, 0.7, 0},
    {"KL (skewed), 60 articles", 60, 0.1, 0.3, 0.3, true, 0.7, 0},
    {"KL (skewed), 200 articles", 200, 0.1, 0.3, 0.3, true, 0.7, 0},
    {"96 prompts, spread of ln KL 0.5", 96, 0.1, 0.5, 0.3, true, 0.2, 0},
    {"96 prompts, spread of ln KL 1.5", 96, 0.1, 1.5, 0.03, true, 0.2, 0},
    {"96 prompts, spread of ln KL 2", 96, 0.1, 2.0, 0.01, true, 0.2, 0},
    {"24 prompts, spread of ln KL 1.5", 24, 0.1, 1.5, 0.03, true, 0.2, 0},
};

// Independent draws for (replication, cluster, which).
class Dice {
 public:
  Dice(const Scenario& scenario, uint64_t seed) : random_(seed, scenario.name) {}
  double Normal(uint64_t replication, uint64_t cluster, uint64_t which) const {
    return NormalQuantile(random_.Uniform(replication, cluster * 4 + which));
  }

 private:
  RandomStream random_;
};

// The ratio of expectations. With n = 1000 e^(s z) tokens and a mean that goes as (n / 1000)^e,
// E[n^(1+e)] / E[n] = e^(s^2 ((1+e)^2 - 1) / 2).
double Truth(const Scenario& s) {
  const double growth = 1 + s.size_exponent;
  return s.mean * std::exp(s.size_spread * s.size_spread * (growth * growth - 1) / 2);
}

UnitSum DrawCluster(const Scenario& s, const Dice& dice, uint64_t replication, uint32_t cluster) {
  const double relative_size = std::exp(s.size_spread * dice.Normal(replication, cluster, 0));
  const double count = std::ceil(1000 * relative_size);
  const double z = dice.Normal(replication, cluster, 1);
  const double base = s.mean * std::pow(relative_size, s.size_exponent);
  const double mean =
      s.skewed ? base * std::exp(s.cluster_spread * z - s.cluster_spread * s.cluster_spread / 2)
               : base + s.cluster_spread * z;
  const double noise = s.token_spread * std::sqrt(count) * dice.Normal(replication, cluster, 2);
  return {cluster, count * mean + noise, static_cast<uint64_t>(count)};
}

bool Holds(const Interval& interval, double truth) {
  return interval.low <= truth && truth <= interval.high;
}

// How many replications' intervals held the truth, and of one-sided 95 % bounds how many did not;
// of those that have an interval.
struct Hits {
  size_t num_intervals = 0;
  size_t reported = 0;  // as ClusteredMean chooses
  size_t missed_below = 0;
  size_t missed_above = 0;
  size_t jackknife = 0;  // the jackknife's t whatever the values
  size_t tokens = 0;     // as if tokens were independent: what not to do
  double effective_clusters = 0;
};

std::vector<UnitSum> DrawClusters(const Scenario& s, const Dice& dice, uint64_t replication) {
  std::vector<UnitSum> units;
  for (uint32_t c = 0; c < s.num_clusters; ++c) {
    units.push_back(DrawCluster(s, dice, replication, c));
  }
  return units;
}

Hits Replicate(const Scenario& s, const Dice& dice, uint64_t replication, size_t num_resamples,
               ThreadPool& one) {
  const std::vector<UnitSum> units = DrawClusters(s, dice, replication);
  MeanOptions options = {.range = s.skewed ? Range::kPositive : Range::kAny,
                         .num_resamples = num_resamples,
                         .seed = replication};
  const double truth = Truth(s);
  const Estimate reported = ClusteredMean(units, one, options);
  options.confidence = 0.9;
  const Estimate bounds = ClusteredMean(units, one, options);
  const Estimate jackknife = ClusteredMean(units, one);

  double num_tokens = 0;
  for (const UnitSum& unit : units) num_tokens += static_cast<double>(unit.count);
  const double half = 1.959963984540054 * s.token_spread / std::sqrt(num_tokens);
  Hits hits;
  hits.effective_clusters = reported.effective_clusters;
  if (!reported.interval || !bounds.interval || !jackknife.interval) return hits;
  hits.num_intervals = 1;
  hits.reported = Holds(*reported.interval, truth) ? 1 : 0;
  hits.missed_below = bounds.interval->low > truth ? 1 : 0;
  hits.missed_above = bounds.interval->high < truth ? 1 : 0;
  hits.jackknife = Holds(*jackknife.interval, truth) ? 1 : 0;
  hits.tokens = Holds({reported.value - half, reported.value + half}, truth) ? 1 : 0;
  return hits;
}

void PrintMeans(size_t num_replications, size_t num_resamples) {
  fmt::print(
      "| data | effective clusters | reported | missed by the one-sided 95 % bound: lower | upper "
      "| jackknife t | tokens taken as independent |\n|---|---|---|---|---|---|---|\n");
  ThreadPool threads(DefaultNumThreads());
  std::vector<std::unique_ptr<ThreadPool>> ones;
  for (size_t i = 0; i < threads.num_threads(); ++i)
    ones.push_back(std::make_unique<ThreadPool>(1));
  for (const Scenario& scenario : kScenarios) {
    const Dice dice(scenario, 1);
    std::vector<Hits> hits(num_replications);
    threads.ForEachPart(num_replications, [&](size_t part, size_t thread) {
      hits[part] = Replicate(scenario, dice, part, num_resamples, *ones[thread]);
    });
    Hits total;
    for (const Hits& h : hits) {
      total.num_intervals += h.num_intervals;
      total.reported += h.reported;
      total.missed_below += h.missed_below;
      total.missed_above += h.missed_above;
      total.jackknife += h.jackknife;
      total.tokens += h.tokens;
      total.effective_clusters += h.effective_clusters;
    }
    const auto percent = [&](size_t count) {
      return 100.0 * static_cast<double>(count) / static_cast<double>(total.num_intervals);
    };
    fmt::print("| {} | {:.1f} | {:.1f} % | {:.1f} % | {:.1f} % | {:.1f} % | {:.1f} % |\n",
               scenario.name, total.effective_clusters / static_cast<double>(num_replications),
               percent(total.reported), percent(total.missed_below), percent(total.missed_above),
               percent(total.jackknife), percent(total.tokens));
  }
}

// Many checks: of m that are independent and all exactly at their bound, the chance that at least
// one is called harm, and that at least one is called harmless, as the gate calls them: harm at
// 1 - 0.05 / m each, harmless at 95 % each.
constexpr std::array<size_t, 4> kNumsOfChecks = {1, 6, 40, 120};

struct Calls {
  size_t num_intervals = 0;
  std::array<size_t, kNumsOfChecks.size()> harm{};
  size_t held = 0;
};

// One check.
Calls Call(const Scenario& s, const Dice& dice, uint64_t replication, ThreadPool& one) {
  const std::vector<UnitSum> units = DrawClusters(s, dice, replication);
  const double truth = Truth(s);
  Calls calls;
  for (size_t i = 0; i < kNumsOfChecks.size(); ++i) {
    const MeanOptions options = {.confidence = 1 - 0.1 / static_cast<double>(kNumsOfChecks[i]),
                                 .range = s.skewed ? Range::kPositive : Range::kAny,
                                 .seed = replication};
    const Estimate estimate = ClusteredMean(units, one, options);
    if (!estimate.interval) return {};
    calls.harm[i] = estimate.interval->low > truth ? 1 : 0;
    if (i == 0) calls.held = estimate.interval->high < truth ? 1 : 0;
  }
  calls.num_intervals = 1;
  return calls;
}

void PrintFamilies(size_t num_replications) {
  fmt::print(
      "\n| all at the bound | checks | harm shown of any | any holds |\n|---|---|---|---|\n");
  ThreadPool threads(DefaultNumThreads());
  std::vector<std::unique_ptr<ThreadPool>> ones;
  for (size_t i = 0; i < threads.num_threads(); ++i)
    ones.push_back(std::make_unique<ThreadPool>(1));
  for (const Scenario& scenario : {kScenarios[0], kScenarios[1], kScenarios[10]}) {
    const Dice dice(scenario, 3);
    std::vector<Calls> calls(num_replications);
    threads.ForEachPart(num_replications, [&](size_t part, size_t thread) {
      calls[part] = Call(scenario, dice, part, *ones[thread]);
    });
    Calls total;
    for (const Calls& one : calls) {
      total.num_intervals += one.num_intervals;
      total.held += one.held;
      for (size_t i = 0; i < one.harm.size(); ++i) total.harm[i] += one.harm[i];
    }
    for (size_t i = 0; i < kNumsOfChecks.size(); ++i) {
      const auto any = [&](size_t count) {
        const double rate = static_cast<double>(count) / static_cast<double>(total.num_intervals);
        return 100 * -std::expm1(static_cast<double>(kNumsOfChecks[i]) * std::log1p(-rate));
      };
      fmt::print("| {} | {} | {:.1f} % | {:.1f} % |\n", scenario.name, kNumsOfChecks[i],
                 any(total.harm[i]), any(total.held));
    }
  }
}

// Quantiles: the logarithm of a token's value is its cluster's effect plus scatter, both normal, so
// that all tokens together are lognormal and their quantiles known. Sizes vary as above.
struct QuantileScenario {
  std::string_view name;
  uint32_t num_clusters;
  double cluster_spread;
  double token_spread;
};

constexpr QuantileScenario kQuantileScenarios[] = {
    {"8 articles", 8, 0.3, 1.5},
    {"12 articles", 12, 0.3, 1.5},
    {"60 articles", 60, 0.3, 1.5},
    {"200 articles", 200, 0.3, 1.5},
};
constexpr double kQuantiles[] = {0.5, 0.99};
constexpr double kTokensOfACluster = 300;

std::vector<ClusterValue> DrawTokens(const QuantileScenario& s, const RandomStream& random,
                                     uint64_t replication) {
  std::vector<ClusterValue> values;
  for (uint32_t c = 0; c < s.num_clusters; ++c) {
    const auto normal = [&](uint64_t which) {
      return NormalQuantile(random.Uniform(replication, (uint64_t{c} << 32) + which));
    };
    const double effect = s.cluster_spread * normal(0);
    const auto count =
        static_cast<uint64_t>(std::ceil(kTokensOfACluster * std::exp(0.7 * normal(1))));
    for (uint64_t t = 0; t < count; ++t) {
      values.push_back({std::exp(effect + s.token_spread * normal(2 + t)), c});
    }
  }
  return values;
}

void PrintQuantiles(size_t num_replications, size_t num_resamples) {
  fmt::print("\n| quantiles of KL | have an interval | median | 99 % |\n|---|---|---|---|\n");
  ThreadPool threads(DefaultNumThreads());
  std::vector<std::unique_ptr<ThreadPool>> ones;
  for (size_t i = 0; i < threads.num_threads(); ++i)
    ones.push_back(std::make_unique<ThreadPool>(1));
  for (const QuantileScenario& s : kQuantileScenarios) {
    const RandomStream random(2, s.name);
    const double spread = std::hypot(s.cluster_spread, s.token_spread);
    std::vector<std::array<size_t, 3>> hits(num_replications);  // the last: has an interval
    threads.ForEachPart(num_replications, [&](size_t part, size_t thread) {
      std::vector<ClusterValue> values = DrawTokens(s, random, part);
      const std::vector<Estimate> found = ClusteredQuantiles(
          values, kQuantiles, *ones[thread], {.num_resamples = num_resamples, .seed = part});
      hits[part][2] = found[0].interval ? 1 : 0;
      for (size_t q = 0; q < 2; ++q) {
        const double truth = std::exp(spread * NormalQuantile(kQuantiles[q]));
        hits[part][q] = found[q].interval && Holds(*found[q].interval, truth) ? 1 : 0;
      }
    });
    std::array<size_t, 3> total{};
    for (const auto& h : hits) {
      for (size_t i = 0; i < 3; ++i) total[i] += h[i];
    }
    const auto percent = [](size_t count, size_t of) {
      return 100.0 * static_cast<double>(count) / static_cast<double>(of);
    };
    fmt::print("| {} | {:.1f} % | {:.1f} % | {:.1f} % |\n", s.name,
               percent(total[2], num_replications), percent(total[0], total[2]),
               percent(total[1], total[2]));
  }
}

// P(X = k) for k = 0..n of Binomial(n, p).
std::vector<double> BinomialMasses(uint64_t n, double p) {
  std::vector<double> masses;
  for (uint64_t k = 0; k <= n; ++k) {
    const auto x = static_cast<double>(k);
    const auto m = static_cast<double>(n);
    masses.push_back(std::exp(std::lgamma(m + 1) - std::lgamma(x + 1) - std::lgamma(m - x + 1) +
                              x * std::log(p) + (m - x) * std::log1p(-p)));
  }
  return masses;
}

using ProportionInterval = Interval (*)(uint64_t, uint64_t, double);

// Coverage averaged over true rates 0.005, 0.015, ..., 0.995.
double ProportionCoverage(uint64_t n, ProportionInterval make) {
  double covered = 0;
  for (int i = 0; i < 100; ++i) {
    const double p = (i + 0.5) / 100;
    const std::vector<double> masses = BinomialMasses(n, p);
    for (uint64_t k = 0; k <= n; ++k) {
      if (Holds(make(k, n, 0.95), p)) covered += masses[k] / 100;
    }
  }
  return covered;
}

// Coverage of Tango's interval for given rates of recoveries and regressions.
double TangoCoverage(uint64_t n, double recovery, double regression) {
  const std::vector<double> flips = BinomialMasses(n, recovery + regression);
  double covered = 0;
  for (uint64_t flipped = 0; flipped <= n; ++flipped) {
    const std::vector<double> split = BinomialMasses(flipped, recovery / (recovery + regression));
    for (uint64_t up = 0; up <= flipped; ++up) {
      const PairedTable table = {n - flipped, flipped - up, up, 0};
      if (Holds(TangoInterval(table), recovery - regression)) covered += flips[flipped] * split[up];
    }
  }
  return covered;
}

void PrintProportions() {
  fmt::print("\n| trials | Wilson | Clopper-Pearson |\n|---|---|---|\n");
  for (const uint64_t n : {8, 24, 96}) {
    fmt::print("| {} | {:.1f} % | {:.1f} % |\n", n, 100 * ProportionCoverage(n, WilsonInterval),
               100 * ProportionCoverage(n, ClopperPearsonInterval));
  }
  fmt::print("\n| prompts | recoveries | regressions | Tango |\n|---|---|---|---|\n");
  for (const uint64_t n : {24, 96}) {
    for (const auto& [recovery, regression] :
         {std::pair{0.02, 0.02}, std::pair{0.02, 0.1}, std::pair{0.1, 0.1}, std::pair{0.05, 0.3}}) {
      fmt::print("| {} | {:.0f} % | {:.0f} % | {:.1f} % |\n", n, 100 * recovery, 100 * regression,
                 100 * TangoCoverage(n, recovery, regression));
    }
  }
}

int Main(int argc, char** argv) {
  size_t num_replications = 4000;
  constexpr size_t kNumResamples = 2000;
  if (argc > 1) {
    const char* const end = argv[1] + std::strlen(argv[1]);
    const auto [stop, error] = std::from_chars(argv[1], end, num_replications);
    if (argc > 2 || error != std::errc() || stop != end || num_replications == 0) {
      fmt::print(stderr, "usage: stats_coverage [REPLICATIONS]   (default 4000)\n");
      return 3;
    }
  }
  PrintMeans(num_replications, kNumResamples);
  PrintFamilies(5 * num_replications);
  PrintQuantiles(num_replications, kNumResamples);
  PrintProportions();
  return 0;
}

}  // namespace
}  // namespace bitloss

int main(int argc, char** argv) { return bitloss::Main(argc, argv); }
