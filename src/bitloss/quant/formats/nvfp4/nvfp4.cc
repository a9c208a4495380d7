#include "bitloss/quant/formats/nvfp4/nvfp4.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "bitloss/quant/formats/no_parameters.h"
#include "bitloss/quant/formats/packed_bits.h"
#include "bitloss/quant/formats/planes.h"
#include "bitloss/quant/formats/small_float.h"

namespace bitloss {
namespace {

constexpr float kLargestElement = 6.0f;
constexpr float kLargestScale = 448.0f;

const std::array<float, 256>& Elements() {
  static const std::array<float, 256> kTable = kE2M1.Table();
  return kTable;
}

const std::array<float, 256>& BlockScales() {
  static const std::array<float, 256> kTable = kE4M3.Table();
  return kTable;
}

float AbsMax(std::span<const float> values) {
  float absmax = 0.0f;
  for (const float w : values) absmax = std::max(absmax, std::abs(w));
  return absmax;
}

Result<float> GlobalScale(ConstMatrixView weights) {
  float absmax = 0.0f;
  for (size_t row = 0; row < weights.rows; ++row) {
    absmax = std::max(absmax, AbsMax(weights.Row(row)));
  }
  if (absmax == 0.0f) return 1.0f;
  const float global = kLargestScale * kLargestElement / absmax;
  if (std::isinf(global)) return BadInput("the largest weight, {}, is too small to scale", absmax);
  return global;
}

uint8_t BlockScaleFor(std::span<const float> block, float global) {
  const uint8_t scale = kE4M3.Encode(global * (AbsMax(block) / kLargestElement));
  return scale == 0 ? kE4M3.Encode(0.125f) : scale;
}

Result<EncodedMatrix> Encode(const Format& format, ConstMatrixView weights) {
  BITLOSS_DO(CheckFinite(weights));
  BITLOSS_TRY(const float global, GlobalScale(weights));
  std::vector<uint8_t> packed(weights.rows * PackedBytes(weights.cols, format.bits));
  std::vector<uint8_t> scales;
  std::vector<uint8_t> codes(weights.cols);
  for (size_t row = 0; row < weights.rows; ++row) {
    const std::span<const float> values = weights.Row(row);
    for (size_t first = 0; first < values.size(); first += kNvFp4Block) {
      const auto block = values.subspan(first, kNvFp4Block);
      scales.push_back(BlockScaleFor(block, global));
      const float scale = BlockScales()[scales.back()] / global;
      for (size_t i = 0; i < kNvFp4Block; ++i) codes[first + i] = kE2M1.Encode(block[i] / scale);
    }
    PackBits(codes, format.bits, packed.data() + row * PackedBytes(weights.cols, format.bits));
  }
  return EncodedMatrix{.format = format,
                       .rows = weights.rows,
                       .cols = weights.cols,
                       .codes = OwnPlane(std::move(packed)),
                       .scales = OwnPlane(std::move(scales)),
                       .extra = OwnPlane(std::vector<float>{global})};
}

float ScaleAt(const EncodedMatrix& matrix, size_t index) {
  return BlockScales()[LoadAt<uint8_t>(matrix.scales, index)] / LoadAt<float>(matrix.extra, 0);
}

const uint8_t* CodesOfRow(const EncodedMatrix& matrix, size_t row) {
  return reinterpret_cast<const uint8_t*>(matrix.codes.data()) +
         row * PackedBytes(matrix.cols, matrix.format.bits);
}

void Decode(const EncodedMatrix& matrix, size_t row, size_t first_col, std::span<float> out) {
  BITLOSS_DCHECK(first_col + out.size() <= matrix.cols);
  std::vector<uint8_t> codes(out.size());
  UnpackBits(CodesOfRow(matrix, row), matrix.format.bits, first_col, codes);
  const size_t first_scale = row * (matrix.cols / kNvFp4Block);
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = Elements()[codes[i]] * ScaleAt(matrix, first_scale + (first_col + i) / kNvFp4Block);
  }
}

GroupedCodes Unpack(const EncodedMatrix& matrix) {
  GroupedCodes grouped{.kind = GroupedCodes::Kind::kTable,
                       .bits = matrix.format.bits,
                       .group_size = kNvFp4Block,
                       .codes = std::vector<uint8_t>(matrix.rows * matrix.cols)};
  for (size_t row = 0; row < matrix.rows; ++row) {
    UnpackBits(CodesOfRow(matrix, row), matrix.format.bits, 0,
               std::span(grouped.codes).subspan(row * matrix.cols, matrix.cols));
  }
  for (size_t i = 0; i < matrix.scales.size(); ++i) grouped.scales.push_back(ScaleAt(matrix, i));
  grouped.table = Elements();
  return grouped;
}

Status Supports(const Format& format, size_t /*rows*/, size_t cols) {
  if (cols % kNvFp4Block == 0) return Ok();
  return Unsupported("{}: rows of {} weights do not divide into blocks of {}", format.name, cols,
                     kNvFp4Block);
}

size_t NumBytes(const Format& format, size_t rows, size_t cols) {
  return rows * (PackedBytes(cols, format.bits) + cols / kNvFp4Block) + sizeof(float);
}

}  // namespace

FormatFamily NvFp4Family() {
  return {.name = "nvfp4",
          .summary = "4-bit floats E2M1, an E4M3 scale for 16 weights, a float32 one for all",
          .source = "compressed-tensors nvfp4-pack-quantized; NVIDIA ModelOpt",
          .make = [](std::span<const std::string_view> parameters) {
            static const Format kFormat = {.name = "nvfp4",
                                           .bits = 4,
                                           .group_size = kNvFp4Block,
                                           .supports = Supports,
                                           .num_bytes = NumBytes,
                                           .encode = Encode,
                                           .decode = Decode,
                                           .unpack = Unpack};
            return WithoutParameters(kFormat, parameters);
          }};
}

}  // namespace bitloss
