// Squared errors of a linear map over many inputs, without running it over them: for the error
// `delta` of one row of weights,
//
//   sum_t (delta . x_t)^2 = delta^T G delta,   G = sum_t x_t x_t^T,
//
// so inputs are summed once (in float64) and each candidate costs as much as the row is long,
// squared, whatever the number of inputs. Sums run in ascending order with fused multiply-adds in
// float64: the same bits for any number of threads and any instruction set.
#ifndef BITLOSS_QUANT_FIT_GRAM_H_
#define BITLOSS_QUANT_FIT_GRAM_H_

#include <memory>
#include <span>
#include <vector>

#include "bitloss/base/threads.h"
#include "bitloss/tensor/matrix.h"

namespace bitloss {

// G of `size` columns, folded: below the diagonal twice G, on it G, above it zero, so that
// delta^T G delta = sum_i delta_i sum_{j <= i} folded_ij delta_j.
struct Gram {
  size_t size = 0;
  size_t num_inputs = 0;
  std::vector<double> folded;  // [size][size]
};

// Of all columns of x [inputs][size], on `threads`.
Gram MakeGram(ConstMatrixView x, ThreadPool& threads);

// The same without threads, of every `step`-th input from the first on; for few columns.
Gram MakeGram(ConstMatrixView x, size_t step);

// forms[r] = delta_r^T G delta_r for each row of deltas [rows][gram.size].
// Requires: forms.size() == deltas.rows.
void QuadraticForms(const Gram& gram, ConstMatrixView deltas, std::span<double> forms);

// The Gram matrix of a linear's inputs, where a backend keeps it.
class InputSums {
 public:
  virtual ~InputSums() = default;
  virtual size_t num_inputs() const = 0;
  // Rows of deltas that keep it busy.
  virtual size_t rows_at_once() const = 0;
  // As QuadraticForms, on all threads.
  virtual void FormsOf(ConstMatrixView deltas, std::span<double> forms) const = 0;
  // The matrix itself; this object is then of no more use.
  virtual Gram Take() = 0;
};

// On the host. Requires: `threads` outlives it.
std::unique_ptr<InputSums> SumInputs(ConstMatrixView x, ThreadPool& threads);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FIT_GRAM_H_
