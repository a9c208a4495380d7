#include "bitloss/report/llama_statistics.h"

#include <algorithm>
#include <cmath>

#include "bitloss/base/check.h"

namespace bitloss {
namespace {

std::vector<double> Sorted(std::vector<double> values) {
  std::ranges::sort(values);
  return values;
}

}  // namespace

void TokenMean::Add(double x) {
  sum_.Add(x);
  squares_.Add(x * x);
  ++count_;
}

PlusMinus TokenMean::Get() const {
  BITLOSS_CHECK(count_ > 0);
  constexpr uint64_t kTooFew = 10;
  const auto n = static_cast<double>(count_);
  const double mean = sum_.Total() / n;
  const double variance = std::max(0.0, squares_.Total() / n - mean * mean);
  return {mean, count_ > kTooFew ? std::sqrt(variance / (n - 1)) : 0.0};
}

PlusMinus PerplexityOf(const TokenMean& loss) {
  const PlusMinus nats = loss.Get();
  const double perplexity = std::exp(nats.value);
  return {perplexity, perplexity * nats.error};
}

void LlamaStatistics::Add(double base_nll, double nll, double kl, bool same_top) {
  const double change = std::exp(-nll) - std::exp(-base_nll);
  base_nll_.Add(base_nll);
  nll_.Add(nll);
  delta_.Add(nll - base_nll);
  kl_.Add(kl);
  change_.Add(change);
  squared_change_.Add(change * change);
  num_same_top_ += same_top ? 1 : 0;
  kls_.push_back(kl);
  changes_.push_back(change);
}

// From the variance of the difference: Var(a - b) = Var(a) + Var(b) - 2 Cov(a, b).
double LlamaStatistics::Covariance() const {
  const double a = nll_.Get().error, b = base_nll_.Get().error, delta = delta_.Get().error;
  return (a * a + b * b - delta * delta) / 2;
}

double LlamaStatistics::Correlation() const {
  return Covariance() / (nll_.Get().error * base_nll_.Get().error);
}

PlusMinus LlamaStatistics::Difference() const {
  const PlusMinus a = Perplexity(), b = BasePerplexity();
  const double covariance = a.value * b.value * Covariance();
  const double variance = a.error * a.error + b.error * b.error - 2 * covariance;
  return {a.value - b.value, std::sqrt(std::max(0.0, variance))};
}

PlusMinus LlamaStatistics::RootMeanSquareChange() const {
  const PlusMinus square = squared_change_.Get();
  const double root = std::sqrt(square.value);
  return {root, root > 0 ? 0.5 / root * square.error : 0.0};
}

PlusMinus LlamaStatistics::SameTop() const {
  BITLOSS_CHECK(count() > 0);
  const auto n = static_cast<double>(count());
  const double share = static_cast<double>(num_same_top_) / n;
  return {share, count() > 1 ? std::sqrt(share * (1 - share) / (n - 1)) : 0.0};
}

std::vector<double> LlamaStatistics::SortedKls() const { return Sorted(kls_); }
std::vector<double> LlamaStatistics::SortedChanges() const { return Sorted(changes_); }

double PercentileOf(const std::vector<double>& sorted, double fraction) {
  BITLOSS_CHECK(!sorted.empty() && fraction >= 0 && fraction <= 1);
  const double rank = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(rank);
  const double rest = rank - static_cast<double>(below);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return (1 - rest) * sorted[below] + rest * sorted[above];
}

}  // namespace bitloss
