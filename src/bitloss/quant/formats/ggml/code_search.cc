#include "bitloss/quant/formats/ggml/code_search.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace bitloss {
namespace {

constexpr size_t kMaxGroup = 32;

// sum w x l and sum w l^2 of a candidate.
struct Fit {
  float xl = 0.0f;
  float l2 = 0.0f;

  // Requires: in ascending order.
  void Add(float w, float x, int code) {
    const auto l = static_cast<float>(code);
    xl += w * x * l;
    l2 += w * l * l;
  }
};

// The element of largest magnitude, with its sign; the first of several.
float SignedExtreme(std::span<const float> x) {
  float extreme = 0.0f;
  float magnitude = 0.0f;
  for (const float value : x) {
    if (std::fabs(value) <= magnitude) continue;
    magnitude = std::fabs(value);
    extreme = value;
  }
  return extreme;
}

int SymmetricCode(float scaled, int half) {
  return std::clamp(GgmlNearestInt(scaled), -half, half - 1);
}

void StoreSymmetric(std::span<const float> x, float inverse_scale, int half,
                    std::span<uint8_t> codes) {
  for (size_t i = 0; i < x.size(); ++i) {
    codes[i] = static_cast<uint8_t>(half + SymmetricCode(inverse_scale * x[i], half));
  }
}

Fit FitSymmetric(std::span<const float> x, std::span<const float> importance, float inverse_scale,
                 int half) {
  Fit fit;
  for (size_t i = 0; i < x.size(); ++i) {
    fit.Add(importance.empty() ? x[i] * x[i] : importance[i], x[i],
            SymmetricCode(inverse_scale * x[i], half));
  }
  return fit;
}

// The weighted error of value = scale * code + offset.
float ErrorOf(AsymmetricSearch::Error kind, std::span<const float> x,
              std::span<const float> importance, std::span<const float> codes, float scale,
              float offset) {
  float error = 0.0f;
  for (size_t i = 0; i < x.size(); ++i) {
    const float miss = scale * codes[i] + offset - x[i];
    error += importance[i] *
             (kind == AsymmetricSearch::Error::kAbsolute ? std::fabs(miss) : miss * miss);
  }
  return error;
}

void StoreAsymmetric(std::span<const float> x, float inverse_scale, float offset, int max_code,
                     std::span<float> codes) {
  for (size_t i = 0; i < x.size(); ++i) {
    codes[i] = static_cast<float>(
        std::clamp(GgmlNearestInt(inverse_scale * (x[i] - offset)), 0, max_code));
  }
}

// x ~ scale * code + offset by weighted least squares, offset <= 0.
struct Line {
  bool exists = false;
  float scale = 0.0f;
  float offset = 0.0f;
};
Line FitLine(std::span<const float> x, std::span<const float> importance, float sum_w, float sum_x,
             std::span<const float> codes) {
  float sum_l = 0.0f, sum_l2 = 0.0f, sum_xl = 0.0f;
  for (size_t i = 0; i < x.size(); ++i) {
    const float l = codes[i];
    const float w = importance[i];
    sum_l += w * l;
    sum_l2 += w * l * l;
    sum_xl += w * l * x[i];
  }
  const float determinant = sum_w * sum_l2 - sum_l * sum_l;
  if (!(determinant > 0)) return {};
  Line line{true, (sum_w * sum_xl - sum_x * sum_l) / determinant,
            (sum_l2 * sum_x - sum_l * sum_xl) / determinant};
  if (line.offset > 0) {
    line.offset = 0.0f;
    line.scale = sum_xl / sum_l2;
  }
  return line;
}

}  // namespace

AsymmetricScale SearchAsymmetric(const AsymmetricSearch& search, std::span<const float> x,
                                 std::span<const float> importance, std::span<uint8_t> codes) {
  float offset = x[0];
  float high = x[0];
  float sum_w = importance[0];
  float sum_x = sum_w * x[0];
  for (size_t i = 1; i < x.size(); ++i) {
    offset = std::min(offset, x[i]);
    high = std::max(high, x[i]);
    sum_w += importance[i];
    sum_x += importance[i] * x[i];
  }
  if (offset > 0) offset = 0.0f;
  if (high == offset) {
    std::ranges::fill(codes, uint8_t{0});
    return {0.0f, -offset};
  }
  const auto steps = static_cast<float>(search.max_code);
  float inverse_scale = steps / (high - offset);
  float scale = 1 / inverse_scale;
  std::array<float, kMaxGroup> best_codes, tried_codes;  // whole numbers
  std::span best(best_codes.data(), x.size()), tried(tried_codes.data(), x.size());
  StoreAsymmetric(x, inverse_scale, offset, search.max_code, best);
  float least = ErrorOf(search.error, x, importance, best, scale, offset);
  for (int k = 0; k <= search.num_steps; ++k) {
    inverse_scale = (search.first + search.step * static_cast<float>(k) + steps) / (high - offset);
    StoreAsymmetric(x, inverse_scale, offset, search.max_code, tried);
    const Line line = FitLine(x, importance, sum_w, sum_x, tried);
    if (!line.exists) continue;
    const float error = ErrorOf(search.error, x, importance, tried, line.scale, line.offset);
    if (!(error < least)) continue;
    std::swap(best, tried);
    least = error;
    scale = line.scale;
    offset = line.offset;
  }
  std::ranges::transform(best, codes.begin(),
                         [](float code) { return static_cast<uint8_t>(code); });
  return {scale, -offset};
}

float SearchSymmetric(int half, std::span<const float> x, std::span<const float> importance,
                      std::span<uint8_t> codes) {
  const float extreme = SignedExtreme(x);
  if (std::fabs(extreme) < kGgmlNoScale) {
    std::ranges::fill(codes, uint8_t{0});
    return 0.0f;
  }
  float inverse_scale = static_cast<float>(-half) / extreme;
  StoreSymmetric(x, inverse_scale, half, codes);
  Fit fit = FitSymmetric(x, importance, inverse_scale, half);
  float scale = fit.l2 != 0.0f ? fit.xl / fit.l2 : 0.0f;
  float best = scale * fit.xl;
  for (int k = -9; k <= 9; ++k) {
    if (k == 0) continue;
    inverse_scale = -(static_cast<float>(half) + 0.1f * static_cast<float>(k)) / extreme;
    fit = FitSymmetric(x, importance, inverse_scale, half);
    if (!(fit.l2 > 0 && fit.xl * fit.xl > best * fit.l2)) continue;
    StoreSymmetric(x, inverse_scale, half, codes);
    scale = fit.xl / fit.l2;
    best = scale * fit.xl;
  }
  return scale;
}

float SearchByCoordinate(int half, std::span<const float> x, std::span<uint8_t> codes) {
  const float extreme = SignedExtreme(x);
  if (std::fabs(extreme) < kGgmlNoScale) {
    std::ranges::fill(codes, uint8_t{0});
    return 0.0f;
  }
  const float inverse_scale = static_cast<float>(-half) / extreme;
  std::array<int, kMaxGroup> levels{};
  Fit fit;
  for (size_t i = 0; i < x.size(); ++i) {
    levels[i] = SymmetricCode(inverse_scale * x[i], half);
    fit.Add(x[i] * x[i], x[i], levels[i]);
  }
  for (int sweep = 0; sweep < 5; ++sweep) {
    bool changed = false;
    for (size_t i = 0; i < x.size(); ++i) {
      const float w = x[i] * x[i];
      const auto level = static_cast<float>(levels[i]);
      Fit other{fit.xl - w * x[i] * level, fit.l2};
      if (!(other.xl > 0)) continue;
      other.l2 = fit.l2 - w * level * level;
      const int candidate = SymmetricCode(x[i] * other.l2 / other.xl, half);
      if (candidate == levels[i]) continue;
      other.Add(w, x[i], candidate);
      if (!(other.l2 > 0 && other.xl * other.xl * fit.l2 > fit.xl * fit.xl * other.l2)) continue;
      levels[i] = candidate;
      fit = other;
      changed = true;
    }
    if (!changed) break;
  }
  for (size_t i = 0; i < x.size(); ++i) codes[i] = static_cast<uint8_t>(levels[i] + half);
  return fit.l2 > 0.0f ? fit.xl / fit.l2 : 0.0f;
}

float SearchPositive(int max_code, std::span<const float> x, std::span<const float> importance,
                     std::span<uint8_t> codes) {
  float high = 0.0f;
  for (const float value : x) high = std::max(high, value);
  if (high < kGgmlNoScale) {
    std::ranges::fill(codes, uint8_t{0});
    return 0.0f;
  }
  const auto steps = static_cast<float>(max_code);
  const auto error_of = [&](float inverse_scale, bool clamped) {
    const float scale = 1 / inverse_scale;
    float error = 0.0f;
    for (size_t i = 0; i < x.size(); ++i) {
      int code = GgmlNearestInt(inverse_scale * x[i]);
      code = clamped ? std::min(max_code, code) : static_cast<uint8_t>(code);
      const float miss = x[i] - scale * static_cast<float>(code);
      error += importance[i] * miss * miss;
    }
    return error;
  };
  float inverse_scale = steps / high;
  float least = error_of(inverse_scale, false);
  for (int k = -4; k <= 4; ++k) {
    if (k == 0) continue;
    const float candidate = (0.1f * static_cast<float>(k) + steps) / high;
    const float error = error_of(candidate, true);
    if (!(error < least)) continue;
    least = error;
    inverse_scale = candidate;
  }
  Fit fit;
  for (size_t i = 0; i < x.size(); ++i) {
    const int code = std::min(max_code, GgmlNearestInt(inverse_scale * x[i]));
    codes[i] = static_cast<uint8_t>(code);
    fit.Add(importance[i], x[i], code);
  }
  for (int sweep = 0; sweep < 5; ++sweep) {
    bool changed = false;
    for (size_t i = 0; i < x.size(); ++i) {
      const float w = importance[i];
      const auto level = static_cast<float>(codes[i]);
      Fit other{fit.xl - w * x[i] * level, fit.l2 - w * level * level};
      if (!(other.xl > 0 && other.l2 > 0)) continue;
      const int candidate = std::min(max_code, GgmlNearestInt(x[i] * other.l2 / other.xl));
      if (candidate == codes[i]) continue;
      other.Add(w, x[i], candidate);
      if (!(other.xl * other.xl * fit.l2 > fit.xl * fit.xl * other.l2)) continue;
      codes[i] = static_cast<uint8_t>(candidate);
      fit = other;
      changed = true;
    }
    if (!changed) break;
  }
  return fit.l2 > 0.0f ? fit.xl / fit.l2 : 0.0f;
}

}  // namespace bitloss
