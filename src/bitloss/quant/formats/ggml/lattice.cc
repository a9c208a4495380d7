#include "bitloss/quant/formats/ggml/lattice.h"

#include <algorithm>

#include "bitloss/quant/formats/ggml/lattice_tables.h"

namespace bitloss {

template <size_t size, size_t levels>
Lattice<size, levels>::Lattice(std::string_view table, size_t num_distances)
    : points_(table.size() / 4), index_(NumCodes(), kNone) {
  constexpr size_t kBits = 16 / kSize;
  for (size_t p = 0; p < points_.size(); ++p) {
    const uint16_t word = LatticePoint(table, p);
    for (size_t i = 0; i < kSize; ++i) {
      points_[p][i] = static_cast<uint8_t>(word >> (kBits * i) & ((1u << kBits) - 1));
    }
    index_[CodeOf(points_[p])] = static_cast<uint16_t>(p);
  }
  for (size_t code = 0; code < NumCodes(); ++code) {
    first_near_.push_back(static_cast<uint32_t>(near_.size()));
    if (index_[code] != kNone) continue;
    Point at;
    for (size_t i = 0, rest = code; i < kSize; ++i, rest /= kLevels) {
      at[i] = static_cast<uint8_t>(rest % kLevels);
    }
    AddNear(at, num_distances);
  }
  first_near_.push_back(static_cast<uint32_t>(near_.size()));
}

template <size_t size, size_t levels>
void Lattice<size, levels>::AddNear(const Point& at, size_t num_distances) {
  std::vector<uint8_t> distances(points_.size());
  std::array<bool, 256> occurs{};  // size * (levels - 1)^2 < 256
  for (size_t p = 0; p < points_.size(); ++p) {
    int distance = 0;
    for (size_t i = 0; i < kSize; ++i) {
      const int steps = points_[p][i] - at[i];
      distance += steps * steps;
    }
    distances[p] = static_cast<uint8_t>(distance);
    occurs[static_cast<size_t>(distance)] = true;
  }
  for (size_t distance = 0; distance < occurs.size() && num_distances > 0; ++distance) {
    if (!occurs[distance]) continue;
    --num_distances;
    for (size_t p = 0; p < points_.size(); ++p) {
      if (distances[p] == distance) near_.push_back(static_cast<uint16_t>(p));
    }
  }
}

template class Lattice<8, 3>;
template class Lattice<4, 8>;

const LatticeOfEights& Iq2XxsLattice() {
  static const LatticeOfEights kLattice(kIq2XxsPoints, 2);
  return kLattice;
}

const LatticeOfEights& Iq2XsLattice() {
  static const LatticeOfEights kLattice(kIq2XsPoints, 2);
  return kLattice;
}

const LatticeOfEights& Iq2SLattice() {
  static const LatticeOfEights kLattice(kIq2SPoints, 1);
  return kLattice;
}

const LatticeOfEights& Iq1Lattice() {
  static const LatticeOfEights kLattice(kIq1Points, 3);
  return kLattice;
}

const LatticeOfFours& Iq3XxsLattice() {
  static const LatticeOfFours kLattice(kIq3XxsPoints, 2);
  return kLattice;
}

const LatticeOfFours& Iq3SLattice() {
  static const LatticeOfFours kLattice(kIq3SPoints, 3);
  return kLattice;
}

}  // namespace bitloss
