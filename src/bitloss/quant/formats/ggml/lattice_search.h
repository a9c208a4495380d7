// The search by which ggml's encoders choose a sub-block's scale and points, for the formats that
// store magnitudes as points and signs apart (IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S): weights are
// scale * (2 * level + 1) * sign. float32 in the reference's order, nothing fused, so that files
// are equal to llama.cpp's bit for bit. (Source: ggml ggml-quants.c, quantize_row_iq2_xxs_impl and
// those after it.)
#ifndef BITLOSS_QUANT_FORMATS_GGML_LATTICE_SEARCH_H_
#define BITLOSS_QUANT_FORMATS_GGML_LATTICE_SEARCH_H_

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bitloss/quant/formats/ggml/code_search.h"
#include "bitloss/quant/formats/ggml/lattice.h"

namespace bitloss {

// The level, of 0..last, whose 2 * level + 1 is nearest to x.
inline uint8_t NearestLevel(float x, int last) {
  return static_cast<uint8_t>(std::clamp(GgmlNearestInt(0.5f * (x - 1)), 0, last));
}

// What is searched: candidate k of -reach..reach divides the range by 2 * levels - 1 + k * step.
struct ScaleSearch {
  // Which groups are rounded once more to the scale that was found: those that were not points of
  // the lattice; all, if one of them was not; all, always.
  enum class Again { kOffLattice, kAllIfOff, kAll };
  int reach;
  float step;
  Again again;
};

// kWeights weights without their signs: magnitudes (the one that evens the signs out may be
// negative), how much each matters, and what the search finds.
template <class Lattice, size_t kWeights>
class SubBlock {
 public:
  static constexpr size_t kSize = Lattice::kSize;
  static constexpr size_t kGroups = kWeights / kSize;

  std::array<float, kWeights> magnitudes;
  std::array<float, kWeights> importances;
  std::array<typename Lattice::Point, kGroups> points;  // levels

  // The scale that fits best; `range` is what the largest level stands for under candidate 0, and
  // `scale` what is returned, with points of the lowest levels, if no candidate improves on none.
  // Requires: range > 0.
  float Search(const Lattice& lattice, const ScaleSearch& search, float range, float scale);

 private:
  static constexpr auto kEnds = static_cast<float>(2 * Lattice::kLevels - 1);

  // sum w x q and sum w q^2, q = 2 * level + 1.
  struct Fit {
    float xq = 0.0f;
    float q2 = 0.0f;
  };
  Fit FitOf(const std::array<typename Lattice::Point, kGroups>& tried) const;

  // Rounds group g; whether it is a point without looking at the points near.
  bool Round(const Lattice& lattice, size_t g, float inverse, float scale,
             typename Lattice::Point& point) const;

  void RoundAgain(const Lattice& lattice, ScaleSearch::Again again, float& scale);

  std::array<float, kWeights> roots_;  // of the importances: what errors are weighted by
  std::array<bool, kGroups> on_lattice_;
};

// ---- Implementation

template <class Lattice, size_t kWeights>
auto SubBlock<Lattice, kWeights>::FitOf(
    const std::array<typename Lattice::Point, kGroups>& tried) const -> Fit {
  Fit fit;
  for (size_t i = 0; i < kWeights; ++i) {
    const auto q = static_cast<float>(2 * tried[i / kSize][i % kSize] + 1);
    const float w = importances[i];
    fit.xq += w * magnitudes[i] * q;
    fit.q2 += w * q * q;
  }
  return fit;
}

template <class Lattice, size_t kWeights>
bool SubBlock<Lattice, kWeights>::Round(const Lattice& lattice, size_t g, float inverse,
                                        float scale, typename Lattice::Point& point) const {
  const float* x = magnitudes.data() + g * kSize;
  for (size_t i = 0; i < kSize; ++i) {
    point[i] = NearestLevel(inverse * x[i], static_cast<int>(Lattice::kLevels) - 1);
  }
  if (lattice.Find(point) != Lattice::kNone) return true;
  typename Lattice::Costs costs;
  for (size_t i = 0; i < kSize; ++i) {
    for (size_t level = 0; level < Lattice::kLevels; ++level) {
      const float miss = scale * static_cast<float>(2 * level + 1) - x[i];
      costs[i][level] = roots_[g * kSize + i] * miss * miss;
    }
  }
  point = lattice[lattice.Nearest(point, costs)];
  return false;
}

template <class Lattice, size_t kWeights>
void SubBlock<Lattice, kWeights>::RoundAgain(const Lattice& lattice, ScaleSearch::Again again,
                                             float& scale) {
  const bool off = !std::ranges::all_of(on_lattice_, [](bool on) { return on; });
  if (!(off || again == ScaleSearch::Again::kAll) || !(scale > 0)) return;
  const float inverse = 1 / scale;
  for (size_t g = 0; g < kGroups; ++g) {
    if (again == ScaleSearch::Again::kOffLattice && on_lattice_[g]) continue;
    Round(lattice, g, inverse, scale, points[g]);
  }
  const Fit fit = FitOf(points);
  if (fit.q2 > 0) scale = fit.xq / fit.q2;
}

template <class Lattice, size_t kWeights>
float SubBlock<Lattice, kWeights>::Search(const Lattice& lattice, const ScaleSearch& search,
                                          float range, float scale) {
  for (size_t i = 0; i < kWeights; ++i) roots_[i] = std::sqrt(importances[i]);
  points = {};
  on_lattice_.fill(search.again != ScaleSearch::Again::kAllIfOff);
  std::array<typename Lattice::Point, kGroups> tried;
  std::array<bool, kGroups> on_lattice;
  float best = 0.0f;
  for (int k = -search.reach; k <= search.reach; ++k) {
    const float inverse = (kEnds + static_cast<float>(k) * search.step) / range;
    const float candidate = 1 / inverse;
    for (size_t g = 0; g < kGroups; ++g) {
      on_lattice[g] = Round(lattice, g, inverse, candidate, tried[g]);
    }
    const Fit fit = FitOf(tried);
    if (!(fit.q2 > 0 && fit.xq * fit.xq > best * fit.q2)) continue;
    scale = fit.xq / fit.q2;
    best = scale * fit.xq;
    points = tried;
    on_lattice_ = on_lattice;
  }
  RoundAgain(lattice, search.again, scale);
  return scale;
}

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_GGML_LATTICE_SEARCH_H_
