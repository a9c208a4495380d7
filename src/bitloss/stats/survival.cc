#include "bitloss/stats/survival.h"

#include <algorithm>
#include <cmath>

#include "bitloss/base/check.h"
#include "bitloss/stats/distributions.h"

namespace bitloss {

SurvivalCurve::SurvivalCurve(std::span<const Lifetime> lifetimes) {
  std::vector<Lifetime> sorted(lifetimes.begin(), lifetimes.end());
  std::ranges::sort(sorted, {}, &Lifetime::time);
  double survival = 1;
  double greenwood = 0;
  for (size_t begin = 0; begin < sorted.size();) {
    const double time = sorted[begin].time;
    BITLOSS_CHECK(time >= 0);
    size_t end = begin;
    uint64_t num_events = 0;
    for (; end < sorted.size() && sorted[end].time == time; ++end) {
      if (sorted[end].ending == Ending::kEvent) ++num_events;
    }
    if (num_events > 0) {
      const uint64_t at_risk = sorted.size() - begin;
      const auto n = static_cast<double>(at_risk);
      const auto d = static_cast<double>(num_events);
      survival *= (n - d) / n;
      greenwood += d / (n * (n - d));  // infinite when nobody is left; survival is 0 then
      steps_.push_back({time, at_risk, num_events, survival, greenwood});
    }
    begin = end;
  }
}

const SurvivalStep* SurvivalCurve::StepAt(double time) const {
  const auto after = std::ranges::upper_bound(steps_, time, {}, &SurvivalStep::time);
  return after == steps_.begin() ? nullptr : &*(after - 1);
}

double SurvivalCurve::Survival(double time) const {
  const SurvivalStep* step = StepAt(time);
  return step == nullptr ? 1.0 : step->survival;
}

std::optional<Interval> SurvivalCurve::SurvivalInterval(double time, double confidence) const {
  BITLOSS_CHECK(confidence > 0 && confidence < 1);
  const SurvivalStep* step = StepAt(time);
  if (step == nullptr || step->survival == 0) return std::nullopt;
  const double log_survival = std::log(step->survival);
  const double width =
      NormalQuantile(0.5 + confidence / 2) * std::sqrt(step->greenwood) / -log_survival;
  return Interval{std::exp(log_survival * std::exp(width)),
                  std::exp(log_survival * std::exp(-width))};
}

std::optional<double> SurvivalCurve::Median() const {
  const auto step = std::ranges::find_if(steps_, [](const auto& s) { return s.survival <= 0.5; });
  if (step == steps_.end()) return std::nullopt;
  return step->time;
}

MedianBounds SurvivalCurve::MedianInterval(double confidence) const {
  MedianBounds bounds;
  for (const SurvivalStep& step : steps_) {
    const Interval ends =
        step.survival == 0 ? Interval{0, 0} : *SurvivalInterval(step.time, confidence);
    if (!bounds.low && ends.low <= 0.5) bounds.low = step.time;
    if (!bounds.high && ends.high <= 0.5) bounds.high = step.time;
  }
  return bounds;
}

}  // namespace bitloss
