#include "bitloss/metrics/reference/divergence.h"

#include <algorithm>
#include <cmath>

#include "bitloss/base/sum.h"

namespace bitloss::reference {

RowSummary Summarize(std::span<const float> logits) {
  RowSummary row;
  const auto top = std::max_element(logits.begin(), logits.end());  // the first of equals
  row.max = *top;
  row.min = *std::min_element(logits.begin(), logits.end());
  row.top1 = static_cast<int32_t>(top - logits.begin());
  Sum exponentials;
  for (const float logit : logits) exponentials.Add(std::exp(double{logit} - double{row.max}));
  row.log_sum = std::log(exponentials.Total());

  Sum entropy;
  for (size_t v = 0; v < logits.size(); ++v) {
    const double log_p = LogProb(logits[v], row);
    if (std::exp(log_p) > 0) entropy.Add(-std::exp(log_p) * log_p);
  }
  row.entropy = entropy.Total();
  return row;
}

Divergence Compare(std::span<const float> base, std::span<const float> lane) {
  const RowSummary base_summary = Summarize(base);
  const RowSummary lane_summary = Summarize(lane);
  Divergence divergence;
  double infinite_kl = 0;
  double infinite_kl_reverse = 0;
  Sum kl, kl_reverse;
  for (size_t v = 0; v < base.size(); ++v) {
    const double log_p = LogProb(base[v], base_summary);
    const double log_q = LogProb(lane[v], lane_summary);
    const double p = std::exp(log_p);
    const double q = std::exp(log_q);
    if (p > 0 && std::isinf(log_q)) {
      infinite_kl = -log_q;
    } else if (p > 0) {
      kl.Add(p * (log_p - log_q));
    }
    if (q > 0 && std::isinf(log_p)) {
      infinite_kl_reverse = -log_p;
    } else if (q > 0) {
      kl_reverse.Add(q * (log_q - log_p));
    }
  }
  divergence.kl = kl.Total() + infinite_kl;
  divergence.kl_reverse = kl_reverse.Total() + infinite_kl_reverse;
  divergence.top1_agrees = base_summary.top1 == lane_summary.top1;
  return divergence;
}

}  // namespace bitloss::reference
