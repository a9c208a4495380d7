// A block4 format whose absmax are 8-bit codes themselves (bnb_4bit_use_double_quant). Codes are
// those of the format without.
//
//   codes   as block4
//   scales  uint8 [blocks]: dyn256 code of (absmax - offset) / a2
//   extra   float32 a2[ceil(blocks / 256)], then float32 offset
//
//   offset = mean(absmax)              summed in float64, rounded once
//   d[b] = absmax[b] - offset          float32
//   a2[k] = max |d| of blocks 256 k to 256 k + 255
//   absmax'[b] = dyn256[code[b]] * a2[b / 256] + offset    product and sum rounded to float32
//   value = level * absmax'[b]         float32
//
// 4 + 8/64 + 32/(64 * 256) bits per weight, and the offset: 4.127.
//
// dyn256 is bitsandbytes' signed dynamic map: for each decade e from 10^-6 to 1, 2^e centres of
// evenly divided [0.1, 1] with both signs, and 0 and 1. The nearest entry is looked for as
// bitsandbytes does on a CPU: v in [-1, 1] is first put on a grid of 65536 points, so that v = 0
// becomes 1.5e-5 and one value in a thousand, next to a midpoint, goes to the other side; its CUDA
// kernels compare v itself. Given the same offset, codes and a2 are those of bitsandbytes 0.50 on a
// CPU bit for bit. Its offset is a float32 sum whose order depends on the machine, and so may
// differ in the last bits.
//
// Where all d are zero, a2 is 0 and absmax' is the offset. Edge cases otherwise as block4.
//
// (Source: bitsandbytes 0.50 functional.py create_dynamic_map and quantize_4bit, csrc/cpu_ops.cpp;
// Dettmers et al., arXiv 2305.14314.)
#ifndef BITLOSS_QUANT_FORMATS_BLOCK4_NESTED_ABSMAX_H_
#define BITLOSS_QUANT_FORMATS_BLOCK4_NESTED_ABSMAX_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bitloss/quant/format.h"
#include "bitloss/quant/formats/block4/block4.h"
#include "bitloss/quant/formats/no_parameters.h"
#include "bitloss/quant/formats/planes.h"

namespace bitloss {

inline constexpr size_t kNestedBlock = 256;

// Ascending.
const std::array<float, 256>& DynamicMap();

struct NestedAbsMax {
  std::vector<uint8_t> codes;
  std::vector<float> a2;
  float offset = 0.0f;

  float At(size_t block) const;
};
// The second quantization alone, about a given offset, or about their mean.
NestedAbsMax EncodeAbsMax(std::span<const float> absmax, float offset);
NestedAbsMax EncodeAbsMaxAboutMean(std::span<const float> absmax);

// A block's absmax in a matrix of such a format.
float NestedAbsMaxOf(const EncodedMatrix& matrix, size_t block);

// kTable() -> const Block4Table&.
template <auto kTable>
Format NestedBlock4Format(std::string_view name) {
  return {
      .name = std::string(name),
      .bits = 4,
      .group_size = kBlock4Weights,
      .supports = SupportsEveryShape,
      .num_bytes =
          [](const Format&, size_t rows, size_t cols) {
            const size_t blocks = NumBlocks4(rows, cols);
            const size_t nested_blocks = (blocks + kNestedBlock - 1) / kNestedBlock;
            return (rows * cols + 1) / 2 + blocks + (nested_blocks + 1) * sizeof(float);
          },
      .encode = [](const Format& format, ConstMatrixView weights) -> Result<EncodedMatrix> {
        BITLOSS_DO(CheckFinite(weights));
        Block4Planes planes = EncodeBlock4(kTable(), weights);
        NestedAbsMax nested = EncodeAbsMaxAboutMean(planes.absmax);
        nested.a2.push_back(nested.offset);
        return EncodedMatrix{.format = format,
                             .rows = weights.rows,
                             .cols = weights.cols,
                             .codes = OwnPlane(std::move(planes.codes)),
                             .scales = OwnPlane(std::move(nested.codes)),
                             .extra = OwnPlane(std::move(nested.a2))};
      },
      .decode =
          [](const EncodedMatrix& matrix, size_t row, size_t first_col, std::span<float> out) {
            BITLOSS_DCHECK(first_col + out.size() <= matrix.cols);
            DecodeBlock4(
                kTable(), matrix.codes, row * matrix.cols + first_col,
                [&](size_t block) { return NestedAbsMaxOf(matrix, block); }, out);
          },
      .unpack =
          [](const EncodedMatrix& matrix) {
            std::vector<float> absmax;
            for (size_t block = 0; block < matrix.scales.size(); ++block) {
              absmax.push_back(NestedAbsMaxOf(matrix, block));
            }
            return UnpackBlock4(kTable(), matrix, absmax);
          },
  };
}

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_BLOCK4_NESTED_ABSMAX_H_
