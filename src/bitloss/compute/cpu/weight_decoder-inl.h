// Panels of weights as vectors of FP32, k by k. A decoder has one function:
//
//   template <size_t kVectors, class Use>
//   void ForEachK(size_t first_lane, size_t first_k, size_t end_k, Use&& use) const
//
// calls use(k, weights) for each k ascending, weights[v] holding the outputs
// [first_lane + v * kLanes, ...) of the panel. Requires: first_k % kCodesPerWord == 0. And a
// constant kBytesPerK: how many bytes of the panel's weights a k has. The layouts: panel_matrix.h.
// The values: GroupedCodes in quant/format.h.
#if defined(BITLOSS_COMPUTE_CPU_WEIGHT_DECODER_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BITLOSS_COMPUTE_CPU_WEIGHT_DECODER_INL_H_
#undef BITLOSS_COMPUTE_CPU_WEIGHT_DECODER_INL_H_
#else
#define BITLOSS_COMPUTE_CPU_WEIGHT_DECODER_INL_H_
#endif

#include "bitloss/compute/cpu/half_rows-inl.h"
#include "bitloss/compute/cpu/panel_matrix.h"
#include "bitloss/compute/cpu/tile_product-inl.h"
#include "hwy/cache_control.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace bitloss {
namespace HWY_NAMESPACE {

using WordTag = hn::RebindToUnsigned<FloatTag>;
using IntTag = hn::RebindToSigned<FloatTag>;
using WordVector = hn::Vec<WordTag>;

class F32Decoder {
 public:
  static constexpr size_t kBytesPerK = kPanelWidth * sizeof(float);

  F32Decoder(const PanelMatrix& matrix, size_t panel)
      : weights_(reinterpret_cast<const float*>(matrix.PanelWeights(panel))) {}

  template <size_t kVectors, class Use>
  HWY_INLINE void ForEachK(size_t first_lane, size_t first_k, size_t end_k, Use&& use) const {
    for (size_t k = first_k; k < end_k; ++k) {
      const float* from = weights_ + k * kPanelWidth + first_lane;
      FloatVector weights[kVectors];
#pragma GCC unroll 8
      for (size_t v = 0; v < kVectors; ++v) weights[v] = hn::Load(FloatTag(), from + v * kLanes);
      use(k, weights);
    }
  }

 private:
  const float* weights_;
};

// Half: Float16 or BFloat16.
template <class Half>
class HalfDecoder {
 public:
  static constexpr size_t kBytesPerK = kPanelWidth * sizeof(uint16_t);

  HalfDecoder(const PanelMatrix& matrix, size_t panel)
      : weights_(reinterpret_cast<const uint16_t*>(matrix.PanelWeights(panel))) {}

  template <size_t kVectors, class Use>
  HWY_INLINE void ForEachK(size_t first_lane, size_t first_k, size_t end_k, Use&& use) const {
    const hn::Rebind<uint16_t, FloatTag> shorts;
    for (size_t k = first_k; k < end_k; ++k) {
      const uint16_t* from = weights_ + k * kPanelWidth + first_lane;
      FloatVector weights[kVectors];
#pragma GCC unroll 8
      for (size_t v = 0; v < kVectors; ++v) {
        weights[v] = Half::Widen(hn::Load(shorts, from + v * kLanes));
      }
      use(k, weights);
    }
  }

 private:
  const uint16_t* weights_;
};

// The float that each 4-bit code stands for: table[code], where the table of the linear kinds is
// 0, 1, ..., 15. Bits above the lowest four are ignored.
template <GroupedCodes::Kind kKind>
class Lookup16 {
 public:
  explicit Lookup16(const float* table) {
    for (size_t i = 0; i < 16; ++i) {
      table_[i] = kKind == GroupedCodes::Kind::kTable ? table[i] : static_cast<float>(i);
    }
#if HWY_MAX_BYTES == 64
    all_ = hn::Load(FloatTag(), table_);
#elif HWY_MAX_BYTES == 32
    low_ = hn::Load(FloatTag(), table_);
    high_ = hn::Load(FloatTag(), table_ + 8);
#endif
  }

  HWY_INLINE FloatVector operator()(WordVector codes) const {
#if HWY_MAX_BYTES == 64
    // The instruction looks at the lowest four bits only.
    return hn::TableLookupLanes(all_, hn::Indices512<float>{codes.raw});
#elif HWY_MAX_BYTES == 32
    if constexpr (kKind == GroupedCodes::Kind::kTable) {
      const hn::Indices256<float> index{codes.raw};  // its lowest three bits
      const FloatVector bit3 = hn::BitCast(FloatTag(), hn::ShiftLeft<28>(codes));
      return hn::IfNegativeThenElse(bit3, hn::TableLookupLanes(high_, index),
                                    hn::TableLookupLanes(low_, index));
    }
    return Linear(codes);
#else
    if constexpr (kKind == GroupedCodes::Kind::kTable) {
      const WordVector index = hn::And(codes, hn::Set(WordTag(), 15));
      return hn::GatherIndex(FloatTag(), table_, hn::BitCast(IntTag(), index));
    }
    return Linear(codes);
#endif
  }

 private:
  HWY_INLINE FloatVector Linear(WordVector codes) const {
    return hn::ConvertTo(FloatTag(), hn::BitCast(IntTag(), hn::And(codes, hn::Set(WordTag(), 15))));
  }

  HWY_ALIGN float table_[16];
#if HWY_MAX_BYTES == 64
  FloatVector all_;
#elif HWY_MAX_BYTES == 32
  FloatVector low_, high_;
#endif
};

// One group's scale and zero (or offset) for each output.
template <GroupedCodes::Kind kKind>
struct GroupValues {
  FloatVector scale;
  FloatVector zero;

  HWY_INLINE FloatVector Decode(FloatVector code) const {
    if constexpr (kKind == GroupedCodes::Kind::kTable) return hn::Mul(code, scale);
    if constexpr (kKind == GroupedCodes::Kind::kZeroPoint) {
      return hn::Mul(hn::Sub(code, zero), scale);
    }
    return hn::MulAdd(code, scale, zero);
  }
};

template <GroupedCodes::Kind kKind>
class CodesDecoder {
 public:
  CodesDecoder(const PanelMatrix& matrix, size_t panel)
      : group_size_(matrix.group_size()),
        scales_(matrix.PanelScales(panel)),
        zeros_(kKind == GroupedCodes::Kind::kTable ? nullptr : matrix.PanelZeros(panel)) {}

 protected:
  // Calls use_group(values, first, end) for the part of each group inside [first_k, end_k).
  template <size_t kVectors, class UseGroup>
  HWY_INLINE void ForEachGroup(size_t first_lane, size_t first_k, size_t end_k,
                               UseGroup&& use_group) const {
    for (size_t k = first_k; k < end_k;) {
      const size_t group = k / group_size_;
      const size_t end = HWY_MIN(end_k, (group + 1) * group_size_);
      const size_t at = group * kPanelWidth + first_lane;
      GroupValues<kKind> values[kVectors];
#pragma GCC unroll 8
      for (size_t v = 0; v < kVectors; ++v) {
        values[v].scale = hn::LoadU(FloatTag(), scales_ + at + v * kLanes);
        hwy::Prefetch(scales_ + at + v * kLanes + kAheadFloats);
        values[v].zero = hn::Zero(FloatTag());
        if constexpr (kKind != GroupedCodes::Kind::kTable) {
          values[v].zero = hn::LoadU(FloatTag(), zeros_ + at + v * kLanes);
          hwy::Prefetch(zeros_ + at + v * kLanes + kAheadFloats);
        }
      }
      use_group(values, k, end);
      k = end;
    }
  }

 private:
  static constexpr size_t kAheadFloats = 4 * kPanelWidth;  // asked for early: of four groups on

  size_t group_size_;
  const float* scales_;
  const float* zeros_;
};

template <GroupedCodes::Kind kKind>
class Codes4Decoder : public CodesDecoder<kKind> {
 public:
  static constexpr size_t kBytesPerK = kPanelWidth / 2;

  Codes4Decoder(const PanelMatrix& matrix, size_t panel)
      : CodesDecoder<kKind>(matrix, panel),
        words_(reinterpret_cast<const uint32_t*>(matrix.PanelWeights(panel))),
        lookup_(matrix.table()) {}

  template <size_t kVectors, class Use>
  HWY_INLINE void ForEachK(size_t first_lane, size_t first_k, size_t end_k, Use&& use) const {
    const Lookup16<kKind> lookup = lookup_;
    const auto use_group = [&](const GroupValues<kKind>(&values)[kVectors], size_t first,
                               size_t end) HWY_ATTR {
      for (size_t k = first; k < end; k += kCodesPerWord) {
        const uint32_t* from = words_ + k / kCodesPerWord * kPanelWidth + first_lane;
        WordVector codes[kVectors];
#pragma GCC unroll 8
        for (size_t v = 0; v < kVectors; ++v) codes[v] = hn::Load(WordTag(), from + v * kLanes);
        const auto use_next = [&](size_t at) HWY_ATTR {
          FloatVector weights[kVectors];
#pragma GCC unroll 8
          for (size_t v = 0; v < kVectors; ++v) {
            weights[v] = values[v].Decode(lookup(codes[v]));
            codes[v] = hn::ShiftRight<4>(codes[v]);
          }
          use(at, weights);
        };
        if (end - k >= kCodesPerWord) {
#pragma GCC unroll 8
          for (size_t j = 0; j < kCodesPerWord; ++j) use_next(k + j);
        } else {
          for (size_t at = k; at < end; ++at) use_next(at);
        }
      }
    };
    this->template ForEachGroup<kVectors>(first_lane, first_k, end_k, use_group);
  }

 private:
  const uint32_t* words_;
  Lookup16<kKind> lookup_;
};

template <GroupedCodes::Kind kKind>
class Codes8Decoder : public CodesDecoder<kKind> {
 public:
  static constexpr size_t kBytesPerK = kPanelWidth;

  Codes8Decoder(const PanelMatrix& matrix, size_t panel)
      : CodesDecoder<kKind>(matrix, panel),
        codes_(reinterpret_cast<const uint8_t*>(matrix.PanelWeights(panel))),
        table_(matrix.table()) {}

  template <size_t kVectors, class Use>
  HWY_INLINE void ForEachK(size_t first_lane, size_t first_k, size_t end_k, Use&& use) const {
    const hn::Rebind<uint8_t, FloatTag> bytes;
    const auto use_group = [&](const GroupValues<kKind>(&values)[kVectors], size_t first,
                               size_t end) HWY_ATTR {
      for (size_t k = first; k < end; ++k) {
        const uint8_t* from = codes_ + k * kPanelWidth + first_lane;
        FloatVector weights[kVectors];
#pragma GCC unroll 8
        for (size_t v = 0; v < kVectors; ++v) {
          const auto code = hn::PromoteTo(IntTag(), hn::Load(bytes, from + v * kLanes));
          weights[v] = values[v].Decode(Lookup(code));
        }
        use(k, weights);
      }
    };
    this->template ForEachGroup<kVectors>(first_lane, first_k, end_k, use_group);
  }

 private:
  HWY_INLINE FloatVector Lookup(hn::Vec<IntTag> code) const {
    if constexpr (kKind == GroupedCodes::Kind::kTable) {
      return hn::GatherIndex(FloatTag(), table_, code);
    }
    return hn::ConvertTo(FloatTag(), code);
  }

  const uint8_t* codes_;
  const float* table_;
};

}  // namespace HWY_NAMESPACE
}  // namespace bitloss
HWY_AFTER_NAMESPACE();

#endif  // BITLOSS_COMPUTE_CPU_WEIGHT_DECODER_INL_H_
