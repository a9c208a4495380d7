// For tests: inputs, formats and tolerances that those of this folder share.
#ifndef BITLOSS_COMPUTE_COMPUTE_TEST_INPUTS_H_
#define BITLOSS_COMPUTE_COMPUTE_TEST_INPUTS_H_

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bitloss/base/random.h"
#include "bitloss/compute/host_tensor.h"
#include "bitloss/quant/format.h"
#include "bitloss/tensor/matrix.h"

namespace bitloss {

// Uniform in [-1, 1].
inline Matrix RandomMatrix(size_t rows, size_t cols, std::string_view name) {
  const RandomStream random(1, name);
  Matrix matrix(rows, cols);
  for (size_t i = 0; i < rows * cols; ++i) {
    matrix.flat()[i] = static_cast<float>(2 * random.Uniform(i) - 1);
  }
  return matrix;
}

// Small integers: every product and sum of them is exact in FP32.
inline Matrix IntegerMatrix(size_t rows, size_t cols, std::string_view name) {
  const RandomStream random(2, name);
  Matrix matrix(rows, cols);
  for (size_t i = 0; i < rows * cols; ++i) {
    matrix.flat()[i] = static_cast<float>(random.Bits(i) % 17) - 8.0f;
  }
  return matrix;
}

inline std::vector<float> RandomVector(size_t size, std::string_view name) {
  const Matrix matrix = RandomMatrix(1, size, name);
  return {matrix.flat().begin(), matrix.flat().end()};
}

// By equal importances where a format takes any: some are made by them alone.
inline EncodedMatrix EncodeEqually(const Format& format, ConstMatrixView weights) {
  if (format.encode_weighted == nullptr) return format.encode(format, weights).value();
  const std::vector<float> equal(weights.cols, 1.0f);
  return format.encode_weighted(format, weights, equal).value();
}

// A format whose matrices are GroupedCodes, kept in the plane `extra`.
inline const GroupedCodes& CodesOf(const EncodedMatrix& matrix) {
  return *reinterpret_cast<const GroupedCodes*>(matrix.extra.data());
}
inline float ValueOf(const GroupedCodes& codes, size_t rows_cols, size_t row, size_t col) {
  const size_t num_groups = (rows_cols + codes.group_size - 1) / codes.group_size;
  const size_t group = row * num_groups + col / codes.group_size;
  const uint8_t code = codes.codes[row * rows_cols + col];
  switch (codes.kind) {
    case GroupedCodes::Kind::kTable:
      return codes.table[code] * codes.scales[group];
    case GroupedCodes::Kind::kZeroPoint:
      return (static_cast<float>(code) - codes.zeros[group]) * codes.scales[group];
    case GroupedCodes::Kind::kOffset:
      return std::fma(static_cast<float>(code), codes.scales[group], codes.zeros[group]);
  }
  return 0;
}
inline void DecodeCodes(const EncodedMatrix& matrix, size_t row, size_t first_col,
                        std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = ValueOf(CodesOf(matrix), matrix.cols, row, first_col + i);
  }
}

struct CodesShape {
  GroupedCodes::Kind kind;
  int bits;
  size_t group_size;
};

// Random codes; zero points are integers, scales any float, or multiples of 2^-10 if
// `exact_offsets`, so that zero * scale is exact.
enum class Scales { kAny, kFewBits };
inline EncodedMatrix RandomCodes(size_t rows, size_t cols, CodesShape shape, Scales scales) {
  const RandomStream random(3, "codes");
  auto codes = std::make_shared<GroupedCodes>();
  codes->kind = shape.kind;
  codes->bits = shape.bits;
  codes->group_size = shape.group_size;
  const size_t num_groups = (cols + shape.group_size - 1) / shape.group_size;
  codes->codes.resize(rows * cols);
  for (size_t i = 0; i < codes->codes.size(); ++i) {
    codes->codes[i] = static_cast<uint8_t>(random.Bits(0, i) % (uint64_t{1} << shape.bits));
  }
  for (size_t i = 0; i < rows * num_groups; ++i) {
    const double scale = random.Uniform(1, i);
    codes->scales.push_back(scales == Scales::kAny
                                ? static_cast<float>(scale)
                                : static_cast<float>(std::ceil(scale * 1024) / 1024));
    codes->zeros.push_back(
        shape.kind == GroupedCodes::Kind::kOffset
            ? static_cast<float>(random.Uniform(2, i))
            : static_cast<float>(random.Bits(2, i) % (uint64_t{1} << shape.bits)));
  }
  for (size_t i = 0; i < 256; ++i)
    codes->table[i] = static_cast<float>(2 * random.Uniform(3, i) - 1);

  EncodedMatrix matrix;
  matrix.format.name = "test";
  matrix.format.bits = shape.bits;
  matrix.format.group_size = shape.group_size;
  matrix.format.decode = DecodeCodes;
  matrix.format.unpack = [](const EncodedMatrix& m) { return CodesOf(m); };
  matrix.rows = rows;
  matrix.cols = cols;
  matrix.extra =
      SharedBytes({reinterpret_cast<const std::byte*>(codes.get()), sizeof(GroupedCodes)}, codes);
  return matrix;
}

// The same matrix without codes: kernels must ask its format for every value.
inline EncodedMatrix WithoutCodes(EncodedMatrix matrix) {
  matrix.format.unpack = nullptr;
  return matrix;
}

// Rows as calls of `rows_of_call` each.
inline std::vector<RowRange> Calls(size_t num_rows, size_t rows_of_call) {
  std::vector<RowRange> calls;
  for (size_t row = 0; row < num_rows; row += rows_of_call) {
    calls.push_back({row, std::min(num_rows, row + rows_of_call)});
  }
  return calls;
}

inline constexpr double kEpsilon = std::numeric_limits<float>::epsilon() / 2;  // of one rounding

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_COMPUTE_TEST_INPUTS_H_
