// The encoders of lattice_blocks.h that store signs apart; those of IQ1 are in iq1_encode.cc.
#include <algorithm>
#include <bit>

#include "bitloss/quant/formats/ggml/lattice_blocks.h"
#include "bitloss/quant/formats/ggml/lattice_search.h"
#include "bitloss/quant/formats/ggml/odd_scales.h"
#include "bitloss/quant/formats/ggml/weigh.h"

namespace bitloss {
namespace {

// What the formats differ in.
struct LatticeStyle {
  // Whether the eighth sign of eight follows from the others.
  enum class Signs { kEven, kFree };
  Signs signs;
  float square_factor;  // of the block's mean square in its importances
  float least;          // sub-blocks whose largest magnitude is below it are zeros
  ScaleSearch search;
};

// A block before it is packed.
template <class Lattice, size_t kSubBlock>
struct LatticeCodes {
  static constexpr size_t kSubBlocks = kKBlock / kSubBlock;
  std::array<float, kSubBlocks> scales{};
  std::array<bool, kSubBlocks> is_zero{};  // then with index 0 and no signs
  std::array<uint16_t, kKBlock / Lattice::kSize> indices{};
  std::array<uint8_t, kKBlock / 8> signs{};
};

// Takes the signs off eight weights: bit i set for what is not >= 0.
uint8_t TakeSigns(const float* x, float* magnitudes) {
  unsigned signs = 0;
  for (size_t i = 0; i < 8; ++i) {
    const bool is_minus = !(x[i] >= 0);
    magnitudes[i] = is_minus ? -x[i] : x[i];
    signs |= static_cast<unsigned>(is_minus) << i;
  }
  return static_cast<uint8_t>(signs);
}

// Makes the number of minus signs even where that costs least: the sign and the magnitude change.
uint8_t EvenOut(uint8_t signs, const float* x, const float* importances, float* magnitudes) {
  if (std::popcount(signs) % 2 == 0) return signs;
  size_t least = 0;
  for (size_t i = 1; i < 8; ++i) {
    if (importances[i] * x[i] * x[i] < importances[least] * x[least] * x[least]) least = i;
  }
  magnitudes[least] = -magnitudes[least];
  return static_cast<uint8_t>(signs ^ 1u << least);
}

// Fills in one sub-block. IQ2_XXS alone begins with a search of its own.
template <class Lattice, size_t kSubBlock>
void EncodeSubBlock(const LatticeStyle& style, const Lattice& lattice, size_t s, const float* x,
                    SubBlock<Lattice, kSubBlock>& sub, LatticeCodes<Lattice, kSubBlock>& out) {
  std::array<uint8_t, kSubBlock / 8> signs;
  for (size_t k = 0; k < signs.size(); ++k) {
    signs[k] = TakeSigns(x + 8 * k, sub.magnitudes.data() + 8 * k);
    if (style.signs == LatticeStyle::Signs::kFree) continue;
    signs[k] =
        EvenOut(signs[k], x + 8 * k, sub.importances.data() + 8 * k, sub.magnitudes.data() + 8 * k);
  }
  constexpr auto kLevels = static_cast<int>(Lattice::kLevels);
  float range = std::ranges::max(sub.magnitudes);
  float scale = range / (2 * kLevels - 1);
  out.is_zero[s] = range < style.least || range == 0.0f;
  if (!out.is_zero[s] && style.search.again == ScaleSearch::Again::kAll) {
    std::array<uint8_t, kSubBlock> unused;
    scale = SearchPositive(kLevels + 1, sub.magnitudes, sub.importances, unused);
    range = scale * kLevels;
    out.is_zero[s] = range <= 0;
  }
  if (out.is_zero[s]) return;
  scale = sub.Search(lattice, style.search, range, scale);
  if (scale < 0) {
    scale = -scale;
    for (uint8_t& byte : signs) byte = static_cast<uint8_t>(~byte);
  }
  out.scales[s] = scale;
  std::ranges::copy(signs, out.signs.begin() + static_cast<ptrdiff_t>(s * signs.size()));
  for (size_t g = 0; g < sub.points.size(); ++g) {
    out.indices[s * sub.points.size() + g] = lattice.Find(sub.points[g]);
  }
}

// The importance of weight x without an importance matrix, from the block's (scaled) mean square.
using PlainImportance = float (*)(float x, float mean_square);

template <class Lattice, size_t kSubBlock>
LatticeCodes<Lattice, kSubBlock> EncodePoints(const LatticeStyle& style, const Lattice& lattice,
                                              KWeights weights, const GgmlImportance& importance,
                                              PlainImportance plain) {
  const float mean_square = style.square_factor * SumOfSquares(weights) / kKBlock;
  LatticeCodes<Lattice, kSubBlock> codes;
  SubBlock<Lattice, kSubBlock> sub;
  for (size_t s = 0; s < codes.kSubBlocks; ++s) {
    const std::span<const float> x = weights.subspan(s * kSubBlock, kSubBlock);
    if (importance.of_weights.empty()) {
      for (size_t i = 0; i < kSubBlock; ++i) sub.importances[i] = plain(x[i], mean_square);
    } else {
      Weigh(x, importance.of_weights.subspan(s * kSubBlock, kSubBlock), mean_square,
            sub.importances);
    }
    EncodeSubBlock(style, lattice, s, x.data(), sub, codes);
  }
  return codes;
}

float Squares(float x, float) { return x * x; }
float SquaresAndMean(float x, float mean_square) { return 0.25f * mean_square + x * x; }

// Low halves first.
template <size_t kCount>
std::array<uint8_t, kCount / 2> PackHalves(const std::array<uint8_t, kCount>& integers) {
  std::array<uint8_t, kCount / 2> bytes;
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<uint8_t>(integers[2 * i] | integers[2 * i + 1] << 4);
  }
  return bytes;
}

// Seven signs of each of four eights, and the integer of their scale above them.
uint32_t SignsAndScale(const uint8_t* signs, unsigned integer) {
  uint32_t field = integer << 28;
  for (size_t k = 0; k < 4; ++k) field |= static_cast<uint32_t>(signs[k] & 127) << (7 * k);
  return field;
}

constexpr float kLeastIq2 = 1e-15f;
constexpr float kLeastSmall = 1e-8f;

}  // namespace

void Encode(KWeights weights, const GgmlImportance& importance, BlockIQ2_XXS& block) {
  constexpr LatticeStyle kStyle = {
      LatticeStyle::Signs::kEven, 1, kLeastIq2, {6, 0.1f, ScaleSearch::Again::kAll}};
  const auto codes =
      EncodePoints<LatticeOfEights, 32>(kStyle, Iq2XxsLattice(), weights, importance, Squares);
  const auto scales = RoundOddScales(codes.scales, 31);
  block = {};
  block.d = RoundToF16(scales.d);
  if (scales.d == 0.0f) return;
  for (size_t s = 0; s < 8; ++s) {
    for (size_t k = 0; k < 4; ++k) {
      block.qs[8 * s + k] = static_cast<uint8_t>(codes.indices[4 * s + k]);
    }
    PutField(SignsAndScale(codes.signs.data() + 4 * s, scales.integers[s]), block.qs, 2 * s + 1);
  }
}

void Encode(KWeights weights, const GgmlImportance& importance, BlockIQ2_XS& block) {
  constexpr LatticeStyle kStyle = {
      LatticeStyle::Signs::kEven, 1, kLeastIq2, {9, 0.1f, ScaleSearch::Again::kOffLattice}};
  const auto codes =
      EncodePoints<LatticeOfEights, 16>(kStyle, Iq2XsLattice(), weights, importance, Squares);
  const auto scales = RoundOddScales(codes.scales, 31);
  block = {};
  block.d = RoundToF16(scales.d);
  if (scales.d == 0.0f) return;
  for (size_t k = 0; k < codes.indices.size(); ++k) {
    PutField(static_cast<uint16_t>(codes.indices[k] | (codes.signs[k] & 127) << 9), block.qs, k);
  }
  block.scales = PackHalves(scales.integers);
}

void Encode(KWeights weights, const GgmlImportance& importance, BlockIQ2_S& block) {
  constexpr LatticeStyle kStyle = {
      LatticeStyle::Signs::kFree, 2, kLeastSmall, {9, 0.1f, ScaleSearch::Again::kOffLattice}};
  const auto codes =
      EncodePoints<LatticeOfEights, 16>(kStyle, Iq2SLattice(), weights, importance, SquaresAndMean);
  const auto scales = RoundOddScales(codes.scales, 31);
  block = {};
  block.d = RoundToF16(scales.d * 0.9875f);
  for (size_t k = 0; k < codes.indices.size(); ++k) {
    block.qs[k] = static_cast<uint8_t>(codes.indices[k]);
    block.qh[k / 4] |= static_cast<uint8_t>((codes.indices[k] >> 8) << (2 * (k % 4)));
  }
  block.signs = codes.signs;
  block.scales = PackHalves(scales.integers);
}

void Encode(KWeights weights, const GgmlImportance& importance, BlockIQ3_XXS& block) {
  constexpr LatticeStyle kStyle = {
      LatticeStyle::Signs::kEven, 2, kLeastSmall, {15, 0.2f, ScaleSearch::Again::kOffLattice}};
  const auto codes =
      EncodePoints<LatticeOfFours, 32>(kStyle, Iq3XxsLattice(), weights, importance, Squares);
  const auto scales = RoundOddScales(codes.scales, 31);
  block = {};
  if (scales.d == 0.0f) return;
  block.d = RoundToF16(scales.d * 1.0125f);
  for (size_t k = 0; k < codes.indices.size(); ++k) {
    block.qs[k] = static_cast<uint8_t>(codes.indices[k]);
  }
  for (size_t s = 0; s < 8; ++s) {
    PutField(SignsAndScale(codes.signs.data() + 4 * s, scales.integers[s]), block.signs_and_scales,
             s);
  }
}

// The reference writes the indices' low bytes and the signs of a sub-block that is not zeros where
// the last such one ended, so that after zeros they lie too early (and decode to other weights);
// so does this.
void Encode(KWeights weights, const GgmlImportance& importance, BlockIQ3_S& block) {
  constexpr LatticeStyle kStyle = {
      LatticeStyle::Signs::kFree, 2, 0.0f, {9, 0.2f, ScaleSearch::Again::kAllIfOff}};
  const auto codes =
      EncodePoints<LatticeOfFours, 32>(kStyle, Iq3SLattice(), weights, importance, Squares);
  const auto scales = RoundOddScales(codes.scales, 31);
  block = {};
  block.d = RoundToF16(scales.d * 1.033f);
  size_t at = 0;
  for (size_t s = 0; s < 8; ++s) {
    if (codes.is_zero[s]) continue;
    for (size_t k = 0; k < 8; ++k) {
      block.qs[8 * at + k] = static_cast<uint8_t>(codes.indices[8 * s + k]);
      block.qh[s] |= static_cast<uint8_t>((codes.indices[8 * s + k] >> 8) << k);
    }
    std::copy_n(codes.signs.begin() + static_cast<ptrdiff_t>(4 * s), 4,
                block.signs.begin() + static_cast<ptrdiff_t>(4 * at));
    ++at;
  }
  block.scales = PackHalves(scales.integers);
}

}  // namespace bitloss
