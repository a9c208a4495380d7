// The int8 products of llm_int8.h and w8a8.h: activations to integers, the exact product, the
// outlier columns (of which W8A8 has none).
//
// In FP32, per element: main = (float(acc) * (absmax[t] / 127)) * s[o], acc exact; the outlier
// columns are added to it in ascending order, one fused multiply-add each, with the weights
// float(q) * s rounded once; then the bias. The same bits on every instruction set.
#ifndef BITLOSS_COMPUTE_CPU_INT8_MATMUL_H_
#define BITLOSS_COMPUTE_CPU_INT8_MATMUL_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bitloss/base/threads.h"
#include "bitloss/compute/cpu/aligned_bytes.h"
#include "bitloss/compute/cpu/int8_matrix.h"
#include "bitloss/tensor/matrix.h"

namespace bitloss {

// Activations as integers, all calls of a product together.
struct QuantizedRows {
  size_t row_bytes = 0;               // of one row of `codes`
  std::vector<std::byte> codes;       // [rows], in the order that the kernels of a target read
  std::vector<float> scales;          // [rows]: absmax / 127
  std::vector<uint8_t> has_outliers;  // [rows]: whether the row's call has outlier columns
  struct Call {
    RowRange rows;
    std::vector<uint32_t> outlier_columns;  // ascending
    Matrix outliers;                        // [rows][outlier columns], as they were
  };
  std::vector<Call> calls;
};

// Some panels, some rows.
struct Int8Product {
  size_t first_panel;
  size_t end_panel;
  RowRange rows;
  const float* bias;  // of the whole matrix, or null
  MatrixView y;       // all rows
};

// The kernels of one instruction set; null where it has no fused multiply-add.
struct Int8Kernels {
  // Bytes of a row of QuantizedRows::codes.
  size_t (*row_bytes)(size_t num_words) = nullptr;

  // absmax of the elements that are not outliers; sets is_outlier[i] = 1 for those that are and
  // leaves the rest. Other rows of the call may be at it at the same time.
  float (*scan_row)(const float* x, size_t size, float threshold, uint8_t* is_outlier) = nullptr;

  // The codes of a row; scale = 127 / absmax.
  void (*quantize_row)(const float* x, size_t size, float scale,
                       std::span<const uint32_t> outlier_columns, std::byte* codes) = nullptr;

  void (*multiply)(const Int8Matrix& weights, const QuantizedRows& x,
                   const Int8Product& product) = nullptr;
};

// `target`: one bit of hwy::SupportedTargets().
Int8Kernels Int8KernelsFor(int64_t target);

// Activations as `execution` makes them integers. Shapes as in Backend::MatMul; `rows` keeps its
// memory from call to call.
void QuantizeOnThreads(const Int8Kernels& kernels, const Execution& execution, ConstMatrixView x,
                       std::span<const RowRange> calls, ThreadPool& threads, QuantizedRows& rows);

// A whole product: y [rows of x][out], bias empty or [out].
struct WholeInt8Product {
  const Int8Matrix* weights;
  std::span<const float> bias;
  MatrixView y;
};

// The products with matrices of that execution, at least one, as one problem: threads meet once.
void MultiplyInt8OnThreads(const Int8Kernels& kernels, std::span<const WholeInt8Product> products,
                           const QuantizedRows& x, ThreadPool& threads);

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CPU_INT8_MATMUL_H_
