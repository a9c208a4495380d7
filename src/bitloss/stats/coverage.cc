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
    {"96 prompts of near-equal length", 96, 0.1, 0.5, 0.3, true, 0.2, 0},
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

// How many replications' intervals held the truth.
struct Hits {
  size_t reported = 0;  // as ClusteredMean chooses
  size_t jackknife = 0;
  size_t plain_bca = 0;  // BCa at 95 %, not expanded
  size_t tokens = 0;     // as if tokens were independent: what not to do
  double effective_clusters = 0;
};

Hits Replicate(const Scenario& s, const Dice& dice, uint64_t replication, size_t num_resamples,
               ThreadPool& one) {
  std::vector<UnitSum> units;
  for (uint32_t c = 0; c < s.num_clusters; ++c) {
    units.push_back(DrawCluster(s, dice, replication, c));
  }
  BootstrapOptions options = {.num_resamples = num_resamples, .seed = replication};
  const double truth = Truth(s);
  const Estimate reported = ClusteredMean(units, one, options);
  options.min_effective_clusters = 1e9;
  const Estimate jackknife = ClusteredMean(units, one, options);
  const std::vector<ClusterSum> clusters = SumByCluster(units);
  const std::optional<Interval> plain =
      BcaInterval(BootstrapRatios(clusters, options, one), RatioOfSums(clusters),
                  LeaveOneOut(clusters), options.confidence);

  double num_tokens = 0;
  for (const UnitSum& unit : units) num_tokens += static_cast<double>(unit.count);
  const double half = 1.959963984540054 * s.token_spread / std::sqrt(num_tokens);
  Hits hits;
  hits.reported = Holds(*reported.interval, truth) ? 1 : 0;
  hits.jackknife = Holds(*jackknife.interval, truth) ? 1 : 0;
  hits.plain_bca = plain && Holds(*plain, truth) ? 1 : 0;
  hits.tokens = Holds({reported.value - half, reported.value + half}, truth) ? 1 : 0;
  hits.effective_clusters = reported.effective_clusters;
  return hits;
}

void PrintMeans(size_t num_replications, size_t num_resamples) {
  fmt::print(
      "| data | effective clusters | reported | jackknife t | plain BCa | tokens taken as "
      "independent |\n|---|---|---|---|---|---|\n");
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
      total.reported += h.reported;
      total.jackknife += h.jackknife;
      total.plain_bca += h.plain_bca;
      total.tokens += h.tokens;
      total.effective_clusters += h.effective_clusters;
    }
    const auto percent = [&](size_t count) {
      return 100.0 * static_cast<double>(count) / static_cast<double>(num_replications);
    };
    fmt::print("| {} | {:.1f} | {:.1f} % | {:.1f} % | {:.1f} % | {:.1f} % |\n", scenario.name,
               total.effective_clusters / static_cast<double>(num_replications),
               percent(total.reported), percent(total.jackknife), percent(total.plain_bca),
               percent(total.tokens));
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
  fmt::print("\n| quantiles of KL | median | 99 % |\n|---|---|---|\n");
  ThreadPool threads(DefaultNumThreads());
  std::vector<std::unique_ptr<ThreadPool>> ones;
  for (size_t i = 0; i < threads.num_threads(); ++i)
    ones.push_back(std::make_unique<ThreadPool>(1));
  for (const QuantileScenario& s : kQuantileScenarios) {
    const RandomStream random(2, s.name);
    const double spread = std::hypot(s.cluster_spread, s.token_spread);
    std::vector<std::array<size_t, 2>> hits(num_replications);
    threads.ForEachPart(num_replications, [&](size_t part, size_t thread) {
      std::vector<ClusterValue> values = DrawTokens(s, random, part);
      const std::vector<Estimate> found = ClusteredQuantiles(
          values, kQuantiles, *ones[thread], {.num_resamples = num_resamples, .seed = part});
      for (size_t q = 0; q < 2; ++q) {
        const double truth = std::exp(spread * NormalQuantile(kQuantiles[q]));
        hits[part][q] = Holds(*found[q].interval, truth) ? 1 : 0;
      }
    });
    std::array<size_t, 2> total{};
    for (const auto& h : hits) {
      for (size_t q = 0; q < 2; ++q) total[q] += h[q];
    }
    const auto percent = [&](size_t count) {
      return 100.0 * static_cast<double>(count) / static_cast<double>(num_replications);
    };
    fmt::print("| {} | {:.1f} % | {:.1f} % |\n", s.name, percent(total[0]), percent(total[1]));
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
  PrintQuantiles(num_replications, kNumResamples);
  PrintProportions();
  return 0;
}

}  // namespace
}  // namespace bitloss

int main(int argc, char** argv) { return bitloss::Main(argc, argv); }
