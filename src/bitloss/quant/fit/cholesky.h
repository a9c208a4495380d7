// The Cholesky factorization that GPTQ asks for, on all threads. Blocks have fixed sizes: the same
// bits for any number of threads, and on every machine.
#ifndef BITLOSS_QUANT_FIT_CHOLESKY_H_
#define BITLOSS_QUANT_FIT_CHOLESKY_H_

#include <span>
#include <vector>

#include "bitloss/base/threads.h"

namespace bitloss {

// U [size][size], row-major, upper triangular, with U^T U the inverse of a symmetric matrix
// [size][size]; nothing if that is not positive definite, or U not finite.
//
// Without the inverse between: with P the order from last to first, P A P = L L^T makes
// U = P L^-1 P.
std::vector<double> UpperFactorOfInverse(std::span<const double> matrix, size_t size,
                                         ThreadPool& threads);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FIT_CHOLESKY_H_
