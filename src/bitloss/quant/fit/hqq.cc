#include "bitloss/quant/fit/hqq.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "bitloss/base/sum.h"
#include "bitloss/quant/formats/planes.h"
#include "bitloss/quant/formats/round_to_even.h"
#include "bitloss/tensor/dtype.h"

namespace bitloss {
namespace {

constexpr size_t kSteps = 20;
constexpr float kNorm = 0.7f;
constexpr float kBeta = 10.0f;
constexpr float kLargestScale = 2e4f;
constexpr float kLeastRange = 1e-4f;

// Multiplied with weights, as HQQ has it until the end.
struct Grid {
  float scale = 0.0f;
  float zero = 0.0f;
};

float Code(const Grid& grid, float w, float max_code) {
  return RoundToEven(std::clamp(w * grid.scale + grid.zero, 0.0f, max_code));
}

Grid FirstGrid(const Format& format, std::span<const float> group) {
  const auto [low, high] = std::ranges::minmax(group);
  const auto max_code = static_cast<float>((1 << format.bits) - 1);
  const float range = high - low;
  const float scale = range <= kLeastRange ? 1.0f : std::min(max_code / range, kLargestScale);
  const float zero = -low * scale;
  return {scale, format.bits == 4 ? std::nearbyint(zero) : zero};
}

float Shrink(float difference) {
  const float magnitude = std::abs(difference);
  if (magnitude == 0.0f) return 0.0f;
  const float shrunk = magnitude - std::pow(magnitude, kNorm - 1.0f) / kBeta;
  return shrunk > 0.0f ? std::copysign(shrunk, difference) : 0.0f;
}

// One step for one group: what the zero point becomes, and the sum of |w - decoded| before it.
struct Step {
  float zero = 0.0f;
  double missed = 0.0;
};
Step StepGroup(const Grid& grid, std::span<const float> group, float max_code) {
  double missed = 0.0;
  double zeros = 0.0;
  for (const float w : group) {
    const float code = Code(grid, w, max_code);
    const float difference = w - (code - grid.zero) / grid.scale;
    missed += std::abs(difference);
    zeros += code - (w - Shrink(difference)) * grid.scale;
  }
  return {static_cast<float>(zeros / static_cast<double>(group.size())), missed};
}

}  // namespace

Result<EncodedMatrix> EncodeHqq(const Format& format, ConstMatrixView weights,
                                ThreadPool& threads) {
  BITLOSS_CHECK(format.symmetry == Symmetry::kFloatZero);
  BITLOSS_DO(CheckFinite(weights));
  const size_t size = format.group_size;
  const size_t num_groups = weights.cols / size;
  const auto max_code = static_cast<float>((1 << format.bits) - 1);
  const auto group_of = [&](size_t row, size_t g) {
    return weights.Row(row).subspan(g * size, size);
  };

  std::vector<Grid> grids(weights.rows * num_groups);
  threads.ForEachPart(weights.rows, [&](size_t row, size_t) {
    for (size_t g = 0; g < num_groups; ++g) {
      grids[row * num_groups + g] = FirstGrid(format, group_of(row, g));
    }
  });
  double least = std::numeric_limits<double>::infinity();
  for (size_t step = 0; step < kSteps; ++step) {
    std::vector<double> missed(weights.rows);
    threads.ForEachPart(weights.rows, [&](size_t row, size_t) {
      for (size_t g = 0; g < num_groups; ++g) {
        Grid& grid = grids[row * num_groups + g];
        const Step next = StepGroup(grid, group_of(row, g), max_code);
        grid.zero = next.zero;
        missed[row] += next.missed;
      }
    });
    Sum total;
    for (const double of_row : missed) total.Add(of_row);
    if (!(total.Total() < least)) break;
    least = total.Total();
  }

  GroupedCodes grouped{.kind = GroupedCodes::Kind::kZeroPoint,
                       .bits = format.bits,
                       .group_size = size,
                       .codes = std::vector<uint8_t>(weights.rows * weights.cols),
                       .scales = std::vector<float>(grids.size()),
                       .zeros = std::vector<float>(grids.size())};
  for (size_t i = 0; i < grids.size(); ++i) {
    grouped.scales[i] = ThroughF16(1.0f / grids[i].scale);
    grouped.zeros[i] = ThroughF16(grids[i].zero);
    if (std::isfinite(grouped.scales[i]) && std::isfinite(grouped.zeros[i])) continue;
    return BadInput("hqq: row {}: a group's scale {} or zero point {} is beyond the range of FP16",
                    i / num_groups, 1.0f / grids[i].scale, grids[i].zero);
  }
  threads.ForEachPart(weights.rows, [&](size_t row, size_t) {
    for (size_t col = 0; col < weights.cols; ++col) {
      const size_t i = row * num_groups + col / size;
      const float steps = weights.Row(row)[col] / grouped.scales[i] + grouped.zeros[i];
      grouped.codes[row * weights.cols + col] =
          static_cast<uint8_t>(RoundToEven(std::clamp(steps, 0.0f, max_code)));
    }
  });
  return format.pack(format, weights.rows, weights.cols, grouped);
}

}  // namespace bitloss
