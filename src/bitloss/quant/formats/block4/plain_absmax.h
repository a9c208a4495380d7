// A block4 format whose absmax is stored as it is: planes codes and scales (float32 absmax).
#ifndef BITLOSS_QUANT_FORMATS_BLOCK4_PLAIN_ABSMAX_H_
#define BITLOSS_QUANT_FORMATS_BLOCK4_PLAIN_ABSMAX_H_

#include <string>
#include <utility>
#include <vector>

#include "bitloss/quant/formats/block4/block4.h"
#include "bitloss/quant/formats/no_parameters.h"
#include "bitloss/quant/formats/planes.h"

namespace bitloss {

// kTable() -> const Block4Table&.
template <auto kTable>
Format PlainBlock4Format(std::string name) {
  return {
      .name = std::move(name),
      .bits = 4,
      .group_size = kBlock4Weights,
      .supports = SupportsEveryShape,
      .num_bytes =
          [](const Format&, size_t rows, size_t cols) {
            return (rows * cols + 1) / 2 + NumBlocks4(rows, cols) * sizeof(float);
          },
      .encode = [](const Format& format, ConstMatrixView weights) -> Result<EncodedMatrix> {
        BITLOSS_DO(CheckFinite(weights));
        Block4Planes planes = EncodeBlock4(kTable(), weights);
        return EncodedMatrix{.format = format,
                             .rows = weights.rows,
                             .cols = weights.cols,
                             .codes = OwnPlane(std::move(planes.codes)),
                             .scales = OwnPlane(std::move(planes.absmax))};
      },
      .decode =
          [](const EncodedMatrix& matrix, size_t row, size_t first_col, std::span<float> out) {
            BITLOSS_DCHECK(first_col + out.size() <= matrix.cols);
            DecodeBlock4(
                kTable(), matrix.codes, row * matrix.cols + first_col,
                [&](size_t block) { return LoadAt<float>(matrix.scales, block); }, out);
          },
      .unpack =
          [](const EncodedMatrix& matrix) {
            std::vector<float> absmax;
            for (size_t block = 0; block < NumBlocks4(matrix.rows, matrix.cols); ++block) {
              absmax.push_back(LoadAt<float>(matrix.scales, block));
            }
            return UnpackBlock4(kTable(), matrix, absmax);
          },
      .pack = [](const Format& format, size_t rows, size_t cols,
                 const GroupedCodes& grouped) -> Result<EncodedMatrix> {
        if (grouped.group_size != kBlock4Weights) {
          return Unsupported("{}: blocks of {} weights run over the ends of rows of {}",
                             format.name, kBlock4Weights, cols);
        }
        std::vector<uint8_t> codes(rows * cols / 2);
        for (size_t i = 0; i < codes.size(); ++i) {
          codes[i] = static_cast<uint8_t>(grouped.codes[2 * i] << 4 | grouped.codes[2 * i + 1]);
        }
        return EncodedMatrix{.format = format,
                             .rows = rows,
                             .cols = cols,
                             .codes = OwnPlane(std::move(codes)),
                             .scales = OwnPlane(grouped.scales)};
      },
  };
}

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_BLOCK4_PLAIN_ABSMAX_H_
