// The block types of GGUF files as formats of lanes: q4_0, q4_1, q5_0, q5_1, q8_0, q2_k to q6_k,
// iq1_s to iq4_xs, tq1_0, tq2_0, mxfp4_gguf. What the bits mean and how they are chosen:
// legacy_blocks.h, k_blocks.h, lattice_blocks.h, ternary_blocks.h, float_blocks.h.
//
//   codes   the blocks as a file holds them: [rows][cols / block] of bytes_per_block bytes
//
// Rows that 256 does not divide are stored as llama.cpp's quantize tool stores them: q2_k, q3_k and
// iq1_s to iq4_xs as iq4_nl (newer versions take q4_0 for the first two), q4_k as q5_0, q5_k as
// q5_1, q6_k as q8_0, tq1_0 and tq2_0 as q4_0 (Format::stored_as). kUnsupported for rows that 32
// does not divide either. Zeros decode to zeros, equal weights to themselves but for the rounding
// of their scale to FP16. kBadInput for NaN, infinity and weights beyond FP16, whose scales could
// be beyond it too.
//
// iq2_xxs, iq2_xs and iq1_s are encoded by importances alone: without them kUnsupported.
//
// (Source: ggml-quants.c; llama.cpp llama-quant.cpp, tensor_type_fallback.)
#ifndef BITLOSS_QUANT_FORMATS_GGML_GGML_FORMAT_H_
#define BITLOSS_QUANT_FORMATS_GGML_GGML_FORMAT_H_

#include <vector>

#include "bitloss/base/threads.h"
#include "bitloss/quant/format.h"
#include "bitloss/quant/formats/ggml/ggml_type.h"

namespace bitloss {

// The format of a type with blocks that can be decoded; its codes may be a view of a file. The
// encoders of a type that is only decoded return kUnsupported.
// Requires: type.unpack != nullptr; a type of GgmlTypes().
const Format& GgmlFormat(const GgmlType& type);

// The type of a format made by GgmlFormat; null for others.
const GgmlType* GgmlTypeOf(const Format& format);

// The same bytes as encode (without importances) or encode_weighted, rows shared among threads.
// Requires: GgmlTypeOf(format) != nullptr, and what those require.
Result<EncodedMatrix> EncodeGgmlRows(const Format& format, ConstMatrixView weights,
                                     std::span<const float> importance, ThreadPool& threads);

// Whether llama.cpp's CPU kernels multiply the format's blocks with blocks of 32 int8 activations:
// q4_0, q4_1, q5_0, q5_1, q8_0, iq4_nl. (K-quants take activations in blocks of 256.)
bool MultipliesInGgmlBlocks(const Format& format);

// Whether llama.cpp's quantize tool refuses to make the type without an importance matrix: iq1_s,
// iq1_m, iq2_xxs, iq2_xs, iq2_s, iq3_xxs.
bool NeedsImportances(const Format& format);

// One for each type that can be encoded, ordered by bits.
std::vector<FormatFamily> GgmlFamilies();

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_GGML_GGML_FORMAT_H_
