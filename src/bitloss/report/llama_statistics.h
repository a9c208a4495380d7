// The numbers that llama-perplexity prints with --kl-divergence, by its formulas, of one lane (its
// Q) against the baseline (its base): every scored token counts once, and what stands behind a
// "+/-" is the standard error of a mean over tokens that are taken as independent of each other.
// (Neighbouring tokens are not: the intervals of the other reports are by article.)
#ifndef BITLOSS_REPORT_LLAMA_STATISTICS_H_
#define BITLOSS_REPORT_LLAMA_STATISTICS_H_

#include <cstdint>
#include <vector>

#include "bitloss/base/sum.h"

namespace bitloss {

struct PlusMinus {
  double value = 0.0;
  double error = 0.0;  // 0 of ten tokens or fewer, as there
};

// A mean with its standard error, sqrt((mean of squares - square of mean) / (n - 1)).
class TokenMean {
 public:
  void Add(double x);
  // Requires: something was added.
  PlusMinus Get() const;
  uint64_t count() const { return count_; }

 private:
  Sum sum_;
  Sum squares_;
  uint64_t count_ = 0;
};

// exp(mean loss); the error is that of the loss times the perplexity.
PlusMinus PerplexityOf(const TokenMean& loss);

class LlamaStatistics {
 public:
  // A scored token: its loss in both, KL(base || Q), whether the most likely token is the same.
  // Requires: finite numbers.
  void Add(double base_nll, double nll, double kl, bool same_top);

  uint64_t count() const { return nll_.count(); }

  // The rest requires a token.
  PlusMinus Perplexity() const { return PerplexityOf(nll_); }
  PlusMinus BasePerplexity() const { return PerplexityOf(base_nll_); }
  PlusMinus LogRatio() const { return delta_.Get(); }
  PlusMinus Ratio() const { return PerplexityOf(delta_); }
  PlusMinus Difference() const;
  // Of the two losses over tokens, at most 1; not a number where one of them never varies.
  double Correlation() const;
  PlusMinus Kl() const { return kl_.Get(); }
  // Of the probability of the text's own token, Q's minus the base's.
  PlusMinus Change() const { return change_.Get(); }
  PlusMinus RootMeanSquareChange() const;
  PlusMinus SameTop() const;  // a share of 1

  // One number a token, rising.
  std::vector<double> SortedKls() const;
  std::vector<double> SortedChanges() const;

 private:
  // Of the means of the two losses.
  double Covariance() const;

  TokenMean base_nll_;
  TokenMean nll_;
  TokenMean delta_;
  TokenMean kl_;
  TokenMean change_;
  TokenMean squared_change_;
  uint64_t num_same_top_ = 0;
  std::vector<double> kls_;
  std::vector<double> changes_;
};

// At rank fraction * (n - 1) of sorted values, interpolated. Requires: a value; fraction in [0, 1].
double PercentileOf(const std::vector<double>& sorted, double fraction);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_LLAMA_STATISTICS_H_
