#include "bitloss/data/perplexity.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "bitloss/base/check.h"
#include "bitloss/base/sum.h"

namespace bitloss {
namespace {

// A sum that stays right when a term is infinite; `Sum` takes finite terms.
class LossSum {
 public:
  void Add(double x) {
    BITLOSS_CHECK(!std::isnan(x));
    if (std::isinf(x)) {
      infinite_ = true;
    } else {
      sum_.Add(x);
    }
  }
  double Total() const {
    return infinite_ ? std::numeric_limits<double>::infinity() : sum_.Total();
  }

 private:
  Sum sum_;
  bool infinite_ = false;
};

double Total(std::span<const double> losses) {
  LossSum sum;
  for (const double loss : losses) sum.Add(loss);
  return sum.Total();
}

Perplexity WeightedMean(const Windows& windows, std::span<const std::vector<double>> nlls) {
  LossSum loss;
  Sum weight;
  for (size_t i = 0; i < nlls.size(); ++i) {
    const Sequence& sequence = windows.sequences[i];
    if (sequence.weight == 0.0) continue;  // hf-stride: a last window with one new token
    const double mean = Total(nlls[i]) / static_cast<double>(sequence.num_scored());
    loss.Add(sequence.weight * mean);
    weight.Add(sequence.weight);
  }
  const double nll = loss.Total() / weight.Total();
  return {.nll = nll, .perplexity = std::exp(nll), .byte_perplexity = {}, .bits_per_byte = {}};
}

Perplexity PerWord(const Windows& windows, std::span<const std::vector<double>> nlls) {
  LossSum loss;
  uint64_t words = 0;
  uint64_t bytes = 0;
  for (size_t i = 0; i < nlls.size(); ++i) {
    loss.Add(Total(nlls[i]));
    words += windows.sequences[i].num_words;
    bytes += windows.sequences[i].num_bytes;
  }
  const double per_word = loss.Total() / static_cast<double>(words);
  const double per_byte = loss.Total() / static_cast<double>(bytes);
  return {.nll = per_word,
          .perplexity = std::exp(per_word),
          .byte_perplexity = std::exp(per_byte),
          .bits_per_byte = per_byte / std::numbers::ln2};
}

}  // namespace

Perplexity ProtocolPerplexity(const Windows& windows, std::span<const std::vector<double>> nlls) {
  BITLOSS_CHECK(nlls.size() == windows.sequences.size());
  for (size_t i = 0; i < nlls.size(); ++i) {
    BITLOSS_CHECK(nlls[i].size() == windows.sequences[i].num_scored());
  }
  return windows.aggregation == Aggregation::kPerWord ? PerWord(windows, nlls)
                                                      : WeightedMean(windows, nlls);
}

}  // namespace bitloss
