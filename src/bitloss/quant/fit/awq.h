// AWQ (Lin et al., arXiv 2306.00978): columns of a weight matrix that meet large activations are
// scaled up before rounding (and what makes those activations is scaled down), then each group of a
// row is clipped where that lowers its error. The search is AutoAWQ 0.2.9's: duo scaling, 20
// ratios, 10 clipping steps. The pieces here know no model; model/calibration.h runs them.
//
// They work for every format whose rows are encoded one by one in groups (int4_group, int3_group,
// int2_group): what a candidate loses is what `format` loses, by encoding and decoding.
//
// Where AutoAWQ computes in FP16, here: means and candidate scales in float64, rounded to float32
// once; scaled weights, and decoded weights divided by the scales again, in float32; squared errors
// in float64. Ties go to the first candidate.
#ifndef BITLOSS_QUANT_FIT_AWQ_H_
#define BITLOSS_QUANT_FIT_AWQ_H_

#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/base/threads.h"
#include "bitloss/quant/fit/gram.h"
#include "bitloss/quant/format.h"
#include "bitloss/tensor/matrix.h"

namespace bitloss {

inline constexpr size_t kAwqRatios = 20;       // r = k / 20, never 1
inline constexpr size_t kAwqClipSteps = 10;    // m = m0 * (1 - k / 20), 1.00 to 0.55
inline constexpr size_t kAwqClipInputs = 512;  // about so many inputs judge the clipping

// mean_t |x[t][j]| for each column of x [tokens][in].
std::vector<float> ActivationMeans(ConstMatrixView x, ThreadPool& threads);

// mean over all rows of all matrices of |w[o][j]| / (max of |w| in its group + 1e-6).
// Requires: equal numbers of columns, which group_size divides.
std::vector<float> WeightMeans(std::span<const ConstMatrixView> weights, size_t group_size,
                               ThreadPool& threads);

// s = max(x^r / (w^(1-r) + 1e-4), 1e-4), divided by sqrt(max s * min s); what is then infinite or
// NaN becomes 1.
std::vector<float> CandidateScales(double ratio, std::span<const float> x_means,
                                   std::span<const float> w_means);

struct ScaleChoice {
  double ratio = 0.0;
  std::vector<float> scales;   // [in]
  std::vector<double> losses;  // of each ratio, as far as CandidateLoss summed them
};

// What a candidate loses: mean squared error of the group's output when its matrices are these. A
// sum of squares only grows, so once a part of the loss is beyond `limit`, that part may be
// returned: this candidate is not the one.
using CandidateLoss =
    std::function<Result<double>(std::span<const Matrix> candidates, double limit)>;

// The scales of the candidate ratio with the smallest loss, for matrices that read the same input.
// A candidate's matrices are Q(W diag(s)) diag(s)^-1. Candidates are tried from the middle ratio
// outwards, where a small loss is found early; of equal losses the smallest ratio's is chosen, as
// if all had been tried in ascending order. kBadInput if no candidate's loss is a number; the
// format's and the loss's own errors.
// Requires: format.row_coding is kIndependent, format.group_size > 0 and divides the columns.
Result<ScaleChoice> SearchScale(const Format& format, std::span<const ConstMatrixView> weights,
                                std::span<const float> x_means, const CandidateLoss& loss,
                                ThreadPool& threads);

// The loss of a group of one matrix: mean over inputs and outputs of ((W - candidate) x)^2, from
// their sums; a part of it if that is beyond `limit` already.
double LinearLoss(const InputSums& inputs, ConstMatrixView weights, ConstMatrixView candidate,
                  ThreadPool& threads, double limit = std::numeric_limits<double>::infinity());

// Clips each group of each row of `weights` [out][in] to the bound among kAwqClipSteps at which
// the group's encoded form is nearest to the unclipped weights, in squared error of its share of
// the output over inputs 0, st, 2 st, ... of x [tokens][in], st = max(1, tokens / 512).
// Requires: as SearchScale.
Status ClipGroups(const Format& format, ConstMatrixView x, ThreadPool& threads, MatrixView weights);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FIT_AWQ_H_
