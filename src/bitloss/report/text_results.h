// From per-token scores to one lane's numbers under one protocol.
#ifndef BITLOSS_REPORT_TEXT_RESULTS_H_
#define BITLOSS_REPORT_TEXT_RESULTS_H_

#include <optional>
#include <span>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/base/threads.h"
#include "bitloss/report/report_data.h"
#include "bitloss/stats/clustered_mean.h"
#include "bitloss/store/records.h"

namespace bitloss {

// What one lane measured, by place in ProtocolScores::units; none: not measured (yet).
using LaneUnits = std::vector<std::optional<TokenScores>>;

struct ProtocolScores {
  size_t protocol = 0;
  uint64_t num_units = 0;  // to be measured; 0: as many as come
  std::vector<TextUnit> units;
  LaneUnits baseline;  // as many as `units`

  // Losses are counted per word of the text (rolling-doc) if its units say how many words they
  // have.
  bool per_word() const;
};

// None if the lane has no unit, or under rolling-doc none of a document that is whole. Comparisons
// are over the units that the baseline has too; with lane == baseline (the same object) there are
// none. Requires: as many entries in `lane` as there are units.
std::optional<TextResult> MeasureText(const ProtocolScores& scores, const LaneUnits& lane,
                                      ThreadPool& threads);

// What holds of any two results of one protocol and text, whatever was measured: a perplexity lies
// in its interval, and exp(delta_nll) is the ratio of the two perplexities where both are of the
// same tokens. kBadInput with the numbers if it does not, because no number can be trusted then.
Status CheckConsistent(const TextResult& baseline, const TextResult& text);

// The clusters of delta_nll, with its weights; those of neither weight nor sum are left out.
std::vector<ClusterSum> DeltaClusters(const TextResult& text);

// The clusters of the lane's KL minus the control's, token for token. None if the two were not
// measured on the same tokens.
std::optional<std::vector<ClusterSum>> KlAboveFloor(const TextResult& text,
                                                    const TextResult& control);

// Quantiles of `values` and the clustered mean from `units`, whose tokens the values are, in order.
// Requires: neither is empty.
DivergenceSummary SummarizeDivergence(std::span<const double> values,
                                      std::span<const UnitSum> units, ThreadPool& threads);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_TEXT_RESULTS_H_
