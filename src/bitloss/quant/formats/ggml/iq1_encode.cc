// The encoders of IQ1_S and IQ1_M (lattice_blocks.h). Weights are scale * (level - 1 + shift),
// levels 0 to 2, one shift of +-1/8 for 32 weights or for 8. Of all ways to cut a sub-block's
// sorted weights into three runs the one that fits best is found, then each eight becomes the point
// of the lattice at or near its levels. float32 in the reference's order, nothing fused. (Source:
// ggml ggml-quants.c, quantize_row_iq1_s_impl, quantize_row_iq1_m_impl.)
#include <algorithm>
#include <cmath>
#include <limits>

#include "bitloss/quant/formats/ggml/lattice_blocks.h"
#include "bitloss/quant/formats/ggml/odd_scales.h"
#include "bitloss/quant/formats/ggml/weigh.h"

namespace bitloss {
namespace {

using Values = std::array<float, 3>;  // of the three levels
constexpr std::array<Values, 2> kShifted = {Values{-1 + 0.125f, 0.125f, 1 + 0.125f},
                                            Values{-1 - 0.125f, -0.125f, 1 - 0.125f}};
constexpr size_t kPlus = 0, kMinus = 1;  // into kShifted

// Where the sorted weights are cut, and what that gives.
struct Cut {
  float scale = 0.0f;
  float score = -std::numeric_limits<float>::max();
  size_t first = 0;   // of level 1
  size_t second = 0;  // of level 2
  size_t shifts = 0;  // of IQ1_S into kShifted; of IQ1_M 2 * the first eight's + the second's
  bool exists = false;

  // Takes this cut if it fits better.
  void Offer(float xq, float q2, size_t i1, size_t i2, size_t k) {
    if (!(q2 > 0 && xq * xq > score * q2)) return;
    scale = xq / q2;
    *this = {scale, scale * xq, i1, i2, k, true};
  }
};

// kWeights weights: what a search finds of them.
template <size_t kWeights>
struct Iq1SubBlock {
  static constexpr size_t kEights = kWeights / 8;
  std::array<float, kWeights> importances;
  float scale = 0.0f;
  size_t shifts = 0;  // as Cut::shifts
  std::array<uint16_t, kEights> indices{};
};

// The shift of eight number k.
template <size_t kWeights>
size_t ShiftOf(size_t shifts, size_t k) {
  if (kWeights == 32) return shifts;
  return k == 0 ? shifts / 2 : shifts % 2;
}

// Places of the weights in ascending order, equal ones as they are.
template <size_t kWeights>
std::array<uint8_t, kWeights> SortedPlaces(const float* x) {
  std::array<uint8_t, kWeights> places;
  for (size_t i = 0; i < kWeights; ++i) places[i] = static_cast<uint8_t>(i);
  std::ranges::stable_sort(places, {}, [&](uint8_t i) { return x[i]; });
  return places;
}

// IQ1_S: one shift for all.
Cut FindCut(const float* x, const std::array<float, 32>& w, const std::array<uint8_t, 32>& sorted) {
  std::array<float, 33> sum_x, sum_w;
  sum_x[0] = sum_w[0] = 0.0f;
  for (size_t j = 0; j < 32; ++j) {
    const size_t i = sorted[j];
    sum_x[j + 1] = sum_x[j] + w[i] * x[i];
    sum_w[j + 1] = sum_w[j] + w[i];
  }
  Cut best;
  for (size_t i1 = 0; i1 <= 32; ++i1) {
    for (size_t i2 = i1; i2 <= 32; ++i2) {
      const std::array<float, 3> in_x = {sum_x[i1] - sum_x[0], sum_x[i2] - sum_x[i1],
                                         sum_x[32] - sum_x[i2]};
      const std::array<float, 3> in_w = {sum_w[i1] - sum_w[0], sum_w[i2] - sum_w[i1],
                                         sum_w[32] - sum_w[i2]};
      for (const size_t shift : {kPlus, kMinus}) {
        const Values& v = kShifted[shift];
        best.Offer(in_x[0] * v[0] + in_x[1] * v[1] + in_x[2] * v[2],
                   in_w[0] * v[0] * v[0] + in_w[1] * v[1] * v[1] + in_w[2] * v[2] * v[2], i1, i2,
                   shift);
      }
    }
  }
  return best;
}

// sum w x q and sum w q^2 of one eight under each shift.
struct EightFit {
  std::array<float, 2> xq;
  std::array<float, 2> q2;
};

// Prefix sums over the sorted weights of those that are of one eight.
struct EightSums {
  std::array<float, 17> x{};
  std::array<float, 17> w{};

  EightFit At(size_t i1, size_t i2) const {
    EightFit fit;
    const float low = x[i1] + x[i2];
    for (const size_t shift : {kPlus, kMinus}) {
      const Values& v = kShifted[shift];
      fit.xq[shift] = x[16] * v[2] - low;
      fit.q2[shift] = w[16] * v[2] * v[2] + w[i1] * (v[0] * v[0] - v[1] * v[1]) +
                      w[i2] * (v[1] * v[1] - v[2] * v[2]);
    }
    return fit;
  }
};

// IQ1_M: a shift for each eight.
Cut FindCut(const float* x, const std::array<float, 16>& w, const std::array<uint8_t, 16>& sorted) {
  std::array<EightSums, 2> sums;
  for (size_t j = 0; j < 16; ++j) {
    const size_t i = sorted[j];
    for (size_t half = 0; half < 2; ++half) {
      const bool is_here = i / 8 == half;
      sums[half].x[j + 1] = is_here ? sums[half].x[j] + w[i] * x[i] : sums[half].x[j];
      sums[half].w[j + 1] = is_here ? sums[half].w[j] + w[i] : sums[half].w[j];
    }
  }
  Cut best;
  for (size_t i1 = 0; i1 <= 16; ++i1) {
    for (size_t i2 = i1; i2 <= 16; ++i2) {
      const EightFit first = sums[0].At(i1, i2);
      const EightFit second = sums[1].At(i1, i2);
      for (size_t k = 0; k < 4; ++k) {
        best.Offer(first.xq[k / 2] + second.xq[k % 2], first.q2[k / 2] + second.q2[k % 2], i1, i2,
                   k);
      }
    }
  }
  return best;
}

// The point at the levels of an eight, or the one near that fits best.
uint16_t NearestPoint(const LatticeOfEights& lattice, const LatticeOfEights::Point& levels,
                      const float* x, const float* w, const Values& scaled) {
  LatticeOfEights::Costs costs;
  for (size_t i = 0; i < 8; ++i) {
    for (size_t level = 0; level < 3; ++level) {
      const float miss = scaled[level] - x[i];
      costs[i][level] = w[i] * miss * miss;
    }
  }
  return lattice.Nearest(levels, costs);
}

// Adds sum w q x and sum w q^2 of a sub-block whose values are `factor` times its points'.
template <size_t kWeights>
void AddFit(const LatticeOfEights& lattice, const Iq1SubBlock<kWeights>& sub, const float* x,
            float factor, float& xq, float& q2) {
  for (size_t i = 0; i < kWeights; ++i) {
    const Values& values = kShifted[ShiftOf<kWeights>(sub.shifts, i / 8)];
    const float q = values[lattice[sub.indices[i / 8]][i % 8]] * factor;
    const float w = sub.importances[i];
    xq += w * q * x[i];
    q2 += w * q * q;
  }
}

template <size_t kWeights>
void Search(const LatticeOfEights& lattice, const float* x, Iq1SubBlock<kWeights>& sub) {
  const std::array<uint8_t, kWeights> sorted = SortedPlaces<kWeights>(x);
  const Cut cut = FindCut(x, sub.importances, sorted);
  if (!cut.exists) return;
  std::array<LatticeOfEights::Point, kWeights / 8> levels;
  const bool flips = cut.scale < 0;
  for (size_t j = 0; j < kWeights; ++j) {
    const auto level = static_cast<uint8_t>((j >= cut.first) + (j >= cut.second));
    levels[sorted[j] / 8][sorted[j] % 8] = flips ? static_cast<uint8_t>(2 - level) : level;
  }
  sub.scale = flips ? -cut.scale : cut.scale;
  sub.shifts = flips ? (kWeights == 32 ? 1 : 3) - cut.shifts : cut.shifts;
  bool all_on_lattice = true;
  for (size_t k = 0; k < levels.size(); ++k) {
    sub.indices[k] = lattice.Find(levels[k]);
    if (sub.indices[k] != LatticeOfEights::kNone) continue;
    all_on_lattice = false;
    Values scaled = kShifted[ShiftOf<kWeights>(sub.shifts, k)];
    for (float& value : scaled) value *= sub.scale;
    sub.indices[k] =
        NearestPoint(lattice, levels[k], x + 8 * k, sub.importances.data() + 8 * k, scaled);
  }
  if (all_on_lattice) return;
  float xq = 0.0f, q2 = 0.0f;
  AddFit(lattice, sub, x, 1.0f, xq, q2);
  if (xq > 0 && q2 > 0) sub.scale = xq / q2;
}

// All sub-blocks; those whose largest magnitude is below `least` keep scale 0, index 0 and shift +.
template <size_t kWeights>
std::array<Iq1SubBlock<kWeights>, kKBlock / kWeights> SearchAll(KWeights weights,
                                                                const GgmlImportance& importance,
                                                                float least) {
  const LatticeOfEights& lattice = Iq1Lattice();
  const float mean_square = 2 * SumOfSquares(weights) / kKBlock;
  std::array<Iq1SubBlock<kWeights>, kKBlock / kWeights> subs;
  for (size_t s = 0; s < subs.size(); ++s) {
    const std::span<const float> x = weights.subspan(s * kWeights, kWeights);
    if (importance.of_weights.empty()) {
      for (size_t i = 0; i < kWeights; ++i) subs[s].importances[i] = x[i] * x[i];
    } else {
      Weigh(x, importance.of_weights.subspan(s * kWeights, kWeights), mean_square,
            subs[s].importances);
    }
    const float largest = std::abs(std::ranges::max(x, {}, [](float v) { return std::abs(v); }));
    if (!(largest < least)) Search(lattice, x.data(), subs[s]);
  }
  return subs;
}

template <size_t kWeights, size_t kCount>
OddScales<kCount> ScalesOf(const std::array<Iq1SubBlock<kWeights>, kCount>& subs) {
  std::array<float, kCount> scales;
  for (size_t s = 0; s < kCount; ++s) scales[s] = subs[s].scale;
  return RoundOddScales(scales, 15);
}

}  // namespace

void Encode(KWeights weights, const GgmlImportance& importance, BlockIQ1_S& block) {
  const auto subs = SearchAll<32>(weights, importance, 1e-12f);
  const auto scales = ScalesOf(subs);
  block = {};
  block.d = RoundToF16(scales.d * 1.125f);
  for (size_t s = 0; s < subs.size(); ++s) {
    unsigned high = 0;
    for (size_t k = 0; k < 4; ++k) {
      block.qs[4 * s + k] = static_cast<uint8_t>(subs[s].indices[k]);
      high |= static_cast<unsigned>(subs[s].indices[k] >> 8) << (3 * k);
    }
    if (scales.d > 0.0f) high |= static_cast<unsigned>(scales.integers[s] << 12 | subs[s].shifts << 15);
    PutField(static_cast<uint16_t>(high), block.qh, s);
  }
}

void Encode(KWeights weights, const GgmlImportance& importance, BlockIQ1_M& block) {
  constexpr std::array<uint8_t, 4> kShiftBits = {0x00, 0x80, 0x08, 0x88};
  const auto subs = SearchAll<16>(weights, importance, 1e-7f);
  const auto scales = ScalesOf(subs);
  block = {};
  float xq = 0.0f, q2 = 0.0f;
  std::array<uint16_t, 4> fields{};
  for (size_t s = 0; s < subs.size(); ++s) {
    block.qs[2 * s] = static_cast<uint8_t>(subs[s].indices[0]);
    block.qs[2 * s + 1] = static_cast<uint8_t>(subs[s].indices[1]);
    block.qh[s] = static_cast<uint8_t>(subs[s].indices[0] >> 8 | subs[s].indices[1] >> 8 << 4);
    if (scales.d == 0.0f) continue;
    block.qh[s] |= kShiftBits[subs[s].shifts];
    fields[s / 4] |= static_cast<uint16_t>(scales.integers[s] << (3 * (s % 4)));
    AddFit(Iq1Lattice(), subs[s], weights.data() + 16 * s,
           static_cast<float>(2 * scales.integers[s] + 1), xq, q2);
  }
  if (scales.d == 0.0f) return;
  // The scale that fits all 256 weights best, a little larger as the reference has it.
  const unsigned d = RoundToF16((q2 > 0 ? xq / q2 : scales.d) * 1.1125f).bits;
  for (size_t i = 0; i < 4; ++i) {
    PutField(static_cast<uint16_t>(fields[i] | (d >> (4 * i) & 15) << 12), block.scales, i);
  }
}

}  // namespace bitloss
