// int8_row: the weights of LLM.int8 (bitsandbytes load_in_8bit): one scale for a row.
//
//   scales  float32 SCB[row] = max |w| of the row (not divided by 127)
//   codes   int8 CB[row][col] = w * (127 * (1 / SCB)) to nearest, ties to even, in [-127, 127];
//           all three operations are float32. bitsandbytes writes 127 / SCB, and on a CPU torch
//           divides like this, so that codes are equal bit for bit; it decides weights of exactly
//           half the absmax. (A CUDA division is approximate: its codes may differ by one where
//           the product is next to a tie.)
//
// 8 bits per weight and 32 per row. Decoded value: float(CB) * (SCB / 127), both float32 operations
// rounded once; this is the only place that says so. (bitsandbytes has CB * SCB * 7.8740157e-3,
// which may differ in the last bit.) An integer product reads codes and SCB as they are.
//
// A fit that chooses codes itself (gptq), and a checkpoint of compressed-tensors, may have -128
// too.
//
// A row of zeros has SCB 0 and codes 0. A row of equal weights has codes +-127. NaN and infinity
// are kBadInput. Every shape is possible.
//
// (Source: bitsandbytes 0.50 backends/default/ops.py, int8_vectorwise_quant; Dettmers et al.,
// arXiv 2208.07339.)
#ifndef BITLOSS_QUANT_FORMATS_INT8_ROW_INT8_ROW_H_
#define BITLOSS_QUANT_FORMATS_INT8_ROW_INT8_ROW_H_

#include <optional>
#include <span>

#include "bitloss/quant/format.h"

namespace bitloss {

const Format& Int8RowFormat();
FormatFamily Int8RowFamily();

// What a row's codes are multiplied with.
inline float Int8RowScale(float scb) { return scb / 127.0f; }
// The SCB of which that is `scale`; none if of no float32.
std::optional<float> Int8RowAbsMax(float scale);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_INT8_ROW_INT8_ROW_H_
