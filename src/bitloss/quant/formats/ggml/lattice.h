// A table of points (lattice_tables.h) as encoders ask for it: the point at given levels, or of the
// points near them the one that fits best. A level is a coordinate's place among the format's
// coordinates, 0 the lowest.
//
// Near are the points of the fewest squared steps away, up to the end of the second distance that
// occurs for IQ2_XXS, IQ2_XS and IQ3_XXS, of the first for IQ2_S, of the third for IQ3_S and IQ1;
// nearer ones first, of equally near ones the lower index. (Source: ggml ggml-quants.c,
// iq2xs_init_impl, iq3xs_init_impl.)
#ifndef BITLOSS_QUANT_FORMATS_GGML_LATTICE_H_
#define BITLOSS_QUANT_FORMATS_GGML_LATTICE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

namespace bitloss {

// Points of `size` coordinates of `levels` levels each.
template <size_t size, size_t levels>
class Lattice {
 public:
  static constexpr size_t kSize = size;
  static constexpr size_t kLevels = levels;
  using Point = std::array<uint8_t, kSize>;
  // What level l costs at coordinate i, none negative: [i][l].
  using Costs = std::array<std::array<float, kLevels>, kSize>;

  Lattice(std::string_view table, size_t num_distances);

  const Point& operator[](size_t index) const { return points_[index]; }

  // The index of the point at these levels; none.
  static constexpr uint16_t kNone = 0xFFFF;
  uint16_t Find(const Point& at) const { return index_[CodeOf(at)]; }

  // Of the points near `at`, where there is none, the index of the first with the least sum of
  // costs, taken in float32 from the first coordinate on.
  uint16_t Nearest(const Point& at, const Costs& costs) const;

 private:
  static constexpr size_t NumCodes() {
    size_t count = 1;
    for (size_t i = 0; i < kSize; ++i) count *= kLevels;
    return count;
  }
  static size_t CodeOf(const Point& at) {
    size_t code = 0;
    for (size_t i = kSize; i-- > 0;) code = code * kLevels + at[i];
    return code;
  }
  void AddNear(const Point& at, size_t num_distances);

  std::vector<Point> points_;
  std::vector<uint16_t> index_;       // by code
  std::vector<uint32_t> first_near_;  // by code, and the end: into near_
  std::vector<uint16_t> near_;
};

using LatticeOfEights = Lattice<8, 3>;
using LatticeOfFours = Lattice<4, 8>;

// Made at the first call, in less than a tenth of a second each.
const LatticeOfEights& Iq2XxsLattice();
const LatticeOfEights& Iq2XsLattice();
const LatticeOfEights& Iq2SLattice();
const LatticeOfEights& Iq1Lattice();
const LatticeOfFours& Iq3XxsLattice();
const LatticeOfFours& Iq3SLattice();

// ---- Implementation

template <size_t size, size_t levels>
uint16_t Lattice<size, levels>::Nearest(const Point& at, const Costs& costs) const {
  const size_t code = CodeOf(at);
  uint16_t best = near_[first_near_[code]];
  float least = std::numeric_limits<float>::max();
  for (uint32_t i = first_near_[code]; i < first_near_[code + 1]; ++i) {
    const Point& point = points_[near_[i]];
    float cost = costs[0][point[0]];
    for (size_t k = 1; k < kSize; ++k) cost += costs[k][point[k]];
    if (!(cost < least)) continue;
    least = cost;
    best = near_[i];
  }
  return best;
}

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_GGML_LATTICE_H_
