#include "bitloss/quant/formats/block4/block4.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "bitloss/quant/formats/planes.h"

namespace bitloss {
namespace {

constexpr float kMinAbsMax = 1e-38f;  // what bitsandbytes divides by when all are zero

// Copies weights [first, first + out.size()), counted row after row.
void CopyFlat(ConstMatrixView weights, size_t first, std::span<float> out) {
  size_t row = first / weights.cols;
  size_t col = first % weights.cols;
  while (!out.empty()) {
    const size_t count = std::min(weights.cols - col, out.size());
    std::ranges::copy(weights.Row(row).subspan(col, count), out.begin());
    out = out.subspan(count);
    ++row;
    col = 0;
  }
}

float AbsMax(std::span<const float> block) {
  float absmax = 0.0f;
  for (const float w : block) absmax = std::max(absmax, std::abs(w));
  return absmax;
}

// The number of midpoints below v, by halving; 15 midpoints need four steps.
uint8_t CodeOf(const Block4Table& table, float v) {
  size_t rank = 0;
  for (size_t step = 8; step > 0; step /= 2) {
    if (v > table.midpoints[rank + step - 1]) rank += step;
  }
  return table.ascending[rank];
}

// Turns the weights of a block to fractions of its absmax; what is stored as absmax comes back.
float Normalise(std::span<float> block) {
  const float absmax = AbsMax(block);
  const float divisor = std::max(absmax, kMinAbsMax);
  if (block.size() < kBlock4Weights) {
    for (float& w : block) w = std::clamp(w / divisor, -1.0f, 1.0f);
    return divisor;
  }
  const float reciprocal = 1.0f / divisor;
  for (float& w : block) w = std::clamp(w * reciprocal, -1.0f, 1.0f);
  return absmax;
}

}  // namespace

Block4Table MakeBlock4Table(const std::array<float, 16>& levels) {
  Block4Table table{.levels = levels, .ascending = {}, .midpoints = {}};
  std::iota(table.ascending.begin(), table.ascending.end(), uint8_t{0});
  std::ranges::stable_sort(table.ascending, {}, [&](uint8_t code) { return levels[code]; });
  for (size_t i = 0; i < table.midpoints.size(); ++i) {
    table.midpoints[i] = (levels[table.ascending[i]] + levels[table.ascending[i + 1]]) / 2.0f;
  }
  return table;
}

Block4Planes EncodeBlock4(const Block4Table& table, ConstMatrixView weights) {
  const size_t num_weights = weights.rows * weights.cols;
  Block4Planes planes;
  planes.codes.resize((num_weights + 1) / 2);
  planes.absmax.reserve(NumBlocks4(weights.rows, weights.cols));
  std::array<float, kBlock4Weights> block;
  for (size_t first = 0; first < num_weights; first += kBlock4Weights) {
    const std::span present(block.data(), std::min(kBlock4Weights, num_weights - first));
    CopyFlat(weights, first, present);
    planes.absmax.push_back(Normalise(present));
    for (size_t i = 0; i < present.size(); i += 2) {
      const float second = i + 1 < present.size() ? present[i + 1] : 0.0f;
      planes.codes[(first + i) / 2] =
          static_cast<uint8_t>(CodeOf(table, present[i]) << 4 | CodeOf(table, second));
    }
  }
  return planes;
}

GroupedCodes UnpackBlock4(const Block4Table& table, const EncodedMatrix& matrix,
                          std::span<const float> absmax) {
  GroupedCodes grouped{.kind = GroupedCodes::Kind::kTable,
                       .bits = 4,
                       .group_size = std::gcd(kBlock4Weights, matrix.cols),
                       .codes = std::vector<uint8_t>(matrix.rows * matrix.cols)};
  for (size_t k = 0; k < grouped.codes.size(); ++k) {
    grouped.codes[k] = Block4CodeAt(matrix.codes, k);
  }
  for (size_t first = 0; first < grouped.codes.size(); first += grouped.group_size) {
    grouped.scales.push_back(absmax[first / kBlock4Weights]);
  }
  std::ranges::copy(table.levels, grouped.table.begin());
  return grouped;
}

}  // namespace bitloss
