// Products as llama.cpp's CPU kernels take them: weights in GGUF's blocks of 32, activations
// rounded to blocks of 32 int8 codes, exact integer sums inside a block. What every backend agrees
// on:
//
// Weights      W[o][i] = q[o][i] * d[o][b] + m[o][b], block b = i / 32, q whole in [-128, 127];
//              m is 0 but for q4_1 and q5_1
// Activations  absmax of a block; code[i] = nearest-even(x[i] * (127 / absmax)), 0 if absmax is 0
//              dx = FP16(absmax / 127);  sx = FP16((absmax / 127) * sum of codes)
// y[t][o] = sum_b (float(sum_i code q) * (d * dx)) + sum_b m * sx + bias[o]
//
// That is the arithmetic of ggml's x86 kernels (activations of types Q8_0, and Q8_1 where there is
// an m) but for the order in which blocks are added up, which there depends on the processor: here
// both sums run over ascending blocks in float32, the first with fused multiply-adds. A block of
// activations with a NaN or infinity makes its token NaN. (Source: ggml-cpu
// arch/x86/quants.c, quantize_row_q8_0, ggml_vec_dot_q4_0_q8_0, ggml_vec_dot_q4_1_q8_1.)
#ifndef BITLOSS_COMPUTE_GGML_PRODUCT_H_
#define BITLOSS_COMPUTE_GGML_PRODUCT_H_

#include <cstdint>
#include <span>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/quant/format.h"

namespace bitloss {

inline constexpr size_t kGgmlBlock = 32;

struct GgmlWeights {
  std::vector<int8_t> codes;   // [rows][cols]
  std::vector<float> scales;   // [rows][cols / 32]
  std::vector<float> offsets;  // [rows][cols / 32], or empty
};

// kUnsupported if the format does not have groups of 32 whole numbers within int8.
Result<GgmlWeights> UnpackGgml(const EncodedMatrix& weights);

struct GgmlScales {
  float scale = 0.0f;  // dx
  float sum = 0.0f;    // sx
};
// One block of activations to codes, as whole floats.
GgmlScales RoundGgmlBlock(std::span<const float, kGgmlBlock> x, std::span<float, kGgmlBlock> codes);

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_GGML_PRODUCT_H_
