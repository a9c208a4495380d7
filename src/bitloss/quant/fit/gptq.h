// GPTQ (Frantar et al., arXiv 2210.17323): columns of a weight matrix are rounded one after the
// other, and what each lost is made up for by the columns that are still to come, as well as the
// inputs' second moments allow.
//
//   H    = sum over inputs of x x^T; a column whose H_jj is 0 meets no input: its weights become 0
//          and H_jj 1
//   act order: columns from the largest H_jj down, equal ones in their own order
//   H_jj += damping * mean(diag H);  U = upper Cholesky factor of H^-1, H^-1 = U^T U
//   for each column i:  q = Q(w_i);  e = (w_i - q) / U_ii;  w_j -= e * U_ij for all j > i
//
// in blocks of 128 columns, as the reference does it: a column of a block has the block's own
// updates, but the scale (and zero point) of a group is found, when its first column is reached,
// from columns that have the updates of earlier blocks only. With static groups scales are those of
// the unchanged weights. Act order implies static groups in formats whose groups are neighbours;
// where an index names the columns of a group ("int4_group:128:full:index"), each run of reordered
// columns is one.
//
// Everything is float64 but the quantizer: Q(w) is the nearest value that the format can decode to
// with its group's scale, of float32 w. Formats whose rows are not encoded one by one in groups
// (FP8 with one scale for a tensor) always have static groups. (Source: IST-DASLab/gptq gptq.py.)
#ifndef BITLOSS_QUANT_FIT_GPTQ_H_
#define BITLOSS_QUANT_FIT_GPTQ_H_

#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/base/threads.h"
#include "bitloss/quant/fit/gram.h"
#include "bitloss/quant/format.h"
#include "bitloss/tensor/matrix.h"

namespace bitloss {

inline constexpr size_t kGptqBlock = 128;

struct GptqOptions {
  enum class Order { kAsStored, kByActivation };
  enum class Groups { kAsReached, kStatic };
  Order order = Order::kAsStored;
  Groups groups = Groups::kAsReached;
  // Added to the diagonal, as a share of its mean. Where the factorization fails, 0.01 more is
  // added until it does not (as GPTQModel does).
  double damping = 0.01;
};

// What the linears that read one input share.
struct GptqFactor {
  std::vector<size_t> order;  // column order[p] is rounded p-th
  std::vector<bool> dead;     // [in], by column
  std::vector<double> upper;  // U [in][in], in rounding order
  double damping = 0.0;       // what was added in the end
};

// kBadInput if H is not finite or no damping up to 1 makes it positive definite.
Result<GptqFactor> FactorGptq(const Gram& gram, const GptqOptions& options, ThreadPool& threads);

// weights [out][in], rounded. kUnsupported if the format cannot keep scales that a fit gives it.
// Requires: the format supports the shape; factor of `in` columns.
Result<EncodedMatrix> EncodeGptq(const Format& format, ConstMatrixView weights,
                                 const GptqFactor& factor, const GptqOptions& options,
                                 ThreadPool& threads);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FIT_GPTQ_H_
