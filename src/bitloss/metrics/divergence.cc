#include "bitloss/metrics/divergence.h"

#include <array>
#include <cmath>
#include <limits>

#include "bitloss/base/check.h"
#include "bitloss/metrics/exp_range.h"
#include "bitloss/metrics/log.h"
#include "bitloss/metrics/row_sums.h"
#include "bitloss/metrics/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bitloss/metrics/divergence.cc"  // compiled once per target
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// After highway.h:
#include "bitloss/metrics/exp-inl.h"

#ifndef BITLOSS_METRICS_DIVERGENCE_SUMS_
#define BITLOSS_METRICS_DIVERGENCE_SUMS_
namespace bitloss {

// Column c is added to stripe c mod 16; a block's stripes are added to the row's; at the end the
// stripes are added as a tree. No target has vectors of more than 16 doubles.
constexpr size_t kStripes = 16;
// Both rows of a block stay in the first-level cache while the stripes pass over it.
constexpr size_t kBlock = 1024;

struct StripedSum {
  alignas(64) std::array<double, kStripes> stripes = {};

  double Total() const {
    std::array<double, kStripes> sums = stripes;
    for (size_t half = kStripes / 2; half > 0; half /= 2) {
      for (size_t i = 0; i < half; ++i) sums[i] += sums[i + half];
    }
    return sums[0];
  }
};

// What one look at the row's floats tells.
struct Extent {
  float max;
  float min;
  bool usable;  // no NaN, no +inf
};

struct ExpSums {
  StripedSum sum;       // of exp(x - max)
  StripedSum weighted;  // of exp(x - max) (x - max)
};

// The two rows of a comparison and what turns each into log-probabilities.
struct RowPair {
  const float* base;
  const float* lane;
  size_t size;
  double base_max, base_log_sum;
  double lane_max, lane_log_sum;
};

struct DivergenceSums {
  StripedSum kl;
  StripedSum kl_reverse;
};

}  // namespace bitloss
#endif  // BITLOSS_METRICS_DIVERGENCE_SUMS_

HWY_BEFORE_NAMESPACE();
namespace bitloss {
namespace HWY_NAMESPACE {

using WideTag = hn::CappedTag<double, kStripes>;
using NarrowTag = hn::Rebind<float, WideTag>;
using FloatTag = hn::CappedTag<float, kStripes>;

HWY_INLINE hn::Vec<WideTag> LoadWide(const float* from) {
  return hn::PromoteTo(WideTag(), hn::LoadU(NarrowTag(), from));
}

// Calls block(begin, end) over the whole groups of 16 columns; what is left is for CopyTail.
template <class Block>
HWY_INLINE void ForEachBlock(size_t size, const Block& block) {
  const size_t whole = size - size % kStripes;
  for (size_t begin = 0; begin < whole; begin += kBlock) {
    block(begin, HWY_MIN(begin + kBlock, whole));
  }
}

// The columns after the last whole group, filled up with -inf: terms of exactly zero.
HWY_INLINE void CopyTail(const float* row, size_t size, float* HWY_RESTRICT tail) {
  const size_t whole = size - size % kStripes;
  for (size_t i = 0; i < kStripes; ++i) {
    tail[i] = whole + i < size ? row[whole + i] : -std::numeric_limits<float>::infinity();
  }
}

Extent ScanExtent(const float* row, size_t size) {
  const FloatTag d;
  const size_t N = hn::Lanes(d);
  const auto infinity = hn::Set(d, std::numeric_limits<float>::infinity());
  auto max = hn::Neg(infinity);
  auto min = infinity;
  auto usable = hn::Eq(max, max);
  size_t i = 0;
  for (; i + N <= size; i += N) {
    const auto v = hn::LoadU(d, row + i);
    usable = hn::And(usable, hn::Lt(v, infinity));  // false for NaN
    max = hn::Max(max, v);
    min = hn::Min(min, v);
  }
  Extent extent{hn::GetLane(hn::MaxOfLanes(d, max)), hn::GetLane(hn::MinOfLanes(d, min)),
                hn::AllTrue(d, usable)};
  for (; i < size; ++i) {
    extent.usable = extent.usable && row[i] < std::numeric_limits<float>::infinity();
    extent.max = HWY_MAX(extent.max, row[i]);
    extent.min = HWY_MIN(extent.min, row[i]);
  }
  return extent;
}

// The first column that equals `value`. Requires: there is one.
size_t FindFirst(const float* row, size_t size, float value) {
  const FloatTag d;
  const size_t N = hn::Lanes(d);
  const auto wanted = hn::Set(d, value);
  size_t i = 0;
  for (; i + N <= size; i += N) {
    const intptr_t lane = hn::FindFirstTrue(d, hn::Eq(hn::LoadU(d, row + i), wanted));
    if (lane >= 0) return i + static_cast<size_t>(lane);
  }
  while (row[i] != value) ++i;
  return i;
}

template <ExpRange kRange>
HWY_INLINE void AddExpBlock(const float* row, size_t begin, size_t end, double max, ExpSums& sums) {
  const WideTag d;
  const auto shift = hn::Set(d, max);
  const auto zero = hn::Zero(d);
  for (size_t s = 0; s < kStripes; s += hn::Lanes(d)) {
    auto sum = zero;
    auto weighted = zero;
    for (size_t c = begin + s; c < end; c += kStripes) {
      const auto x = hn::Sub(LoadWide(row + c), shift);
      const auto e = Exp<kRange>(d, x);
      sum = hn::Add(sum, e);
      if constexpr (kRange == ExpRange::kNormal) {
        weighted = FusedMulAdd(d, e, x, weighted);
      } else {
        const auto more = FusedMulAdd(d, e, x, weighted);  // 0 * -inf is no term
        weighted = hn::IfThenElse(hn::Gt(e, zero), more, weighted);
      }
    }
    double* const sum_stripes = sums.sum.stripes.data() + s;
    double* const weighted_stripes = sums.weighted.stripes.data() + s;
    hn::Store(hn::Add(hn::Load(d, sum_stripes), sum), d, sum_stripes);
    hn::Store(hn::Add(hn::Load(d, weighted_stripes), weighted), d, weighted_stripes);
  }
}

ExpSums SumExp(const float* row, size_t size, double max, ExpRange range) {
  ExpSums sums;
  ForEachBlock(size, [&](size_t begin, size_t end) HWY_ATTR {
    if (range == ExpRange::kNormal) {
      AddExpBlock<ExpRange::kNormal>(row, begin, end, max, sums);
    } else {
      AddExpBlock<ExpRange::kUnderflow>(row, begin, end, max, sums);
    }
  });
  HWY_ALIGN float tail[kStripes];
  CopyTail(row, size, tail);
  AddExpBlock<ExpRange::kUnderflow>(tail, 0, kStripes, max, sums);
  return sums;
}

template <ExpRange kRange>
HWY_INLINE void AddDivergenceBlock(const RowPair& rows, size_t begin, size_t end,
                                   DivergenceSums& sums) {
  const WideTag d;
  const auto base_max = hn::Set(d, rows.base_max);
  const auto lane_max = hn::Set(d, rows.lane_max);
  const auto base_log_sum = hn::Set(d, rows.base_log_sum);
  const auto lane_log_sum = hn::Set(d, rows.lane_log_sum);
  const auto zero = hn::Zero(d);
  for (size_t s = 0; s < kStripes; s += hn::Lanes(d)) {
    auto kl = zero;
    auto kl_reverse = zero;
    for (size_t c = begin + s; c < end; c += kStripes) {
      const auto log_p = hn::Sub(hn::Sub(LoadWide(rows.base + c), base_max), base_log_sum);
      const auto log_q = hn::Sub(hn::Sub(LoadWide(rows.lane + c), lane_max), lane_log_sum);
      const auto p = Exp<kRange>(d, log_p);
      const auto q = Exp<kRange>(d, log_q);
      const auto log_ratio = hn::Sub(log_p, log_q);
      const auto excess = hn::Sub(q, p);
      auto term = FusedMulAdd(d, p, log_ratio, excess);
      auto reverse_term = FusedMulAdd(d, q, log_ratio, excess);  // its negative
      if constexpr (kRange == ExpRange::kUnderflow) {            // 0 log 0 is 0
        term = hn::IfThenElse(hn::Gt(p, zero), term, excess);
        reverse_term = hn::IfThenElse(hn::Gt(q, zero), reverse_term, excess);
      }
      kl = hn::Add(kl, term);
      kl_reverse = hn::Sub(kl_reverse, reverse_term);
    }
    const auto add = [&](StripedSum& to, hn::Vec<WideTag> more) HWY_ATTR {
      double* const stripes = to.stripes.data() + s;
      hn::Store(hn::Add(hn::Load(d, stripes), more), d, stripes);
    };
    add(sums.kl, kl);
    add(sums.kl_reverse, kl_reverse);
  }
}

DivergenceSums SumDivergence(const RowPair& rows, ExpRange range) {
  DivergenceSums sums;
  ForEachBlock(rows.size, [&](size_t begin, size_t end) HWY_ATTR {
    if (range == ExpRange::kNormal) {
      AddDivergenceBlock<ExpRange::kNormal>(rows, begin, end, sums);
    } else {
      AddDivergenceBlock<ExpRange::kUnderflow>(rows, begin, end, sums);
    }
  });
  HWY_ALIGN float base_tail[kStripes];
  HWY_ALIGN float lane_tail[kStripes];
  CopyTail(rows.base, rows.size, base_tail);
  CopyTail(rows.lane, rows.size, lane_tail);
  RowPair tail = rows;
  tail.base = base_tail;
  tail.lane = lane_tail;
  AddDivergenceBlock<ExpRange::kUnderflow>(tail, 0, kStripes, sums);
  return sums;
}

}  // namespace HWY_NAMESPACE
}  // namespace bitloss
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bitloss {
namespace {

HWY_EXPORT(ScanExtent);
HWY_EXPORT(FindFirst);
HWY_EXPORT(SumExp);
HWY_EXPORT(SumDivergence);

Error Unusable(std::span<const float> logits) {
  size_t i = 0;
  while (logits[i] < std::numeric_limits<float>::infinity()) ++i;
  return BadInput("logit {} of {} is {}", i, logits.size(), logits[i]);
}

}  // namespace

RowSummary SummaryOfSums(RowSummary extent, double sum, double weighted) {
  extent.log_sum = Log(sum);
  extent.entropy = extent.log_sum - weighted / sum;
  return extent;
}

bool StaysNormal(const RowSummary& summary) {
  return double{summary.max} - double{summary.min} + summary.log_sum <= 700.0;
}

Result<RowSummary> Summarize(std::span<const float> logits) {
  BITLOSS_CHECK(!logits.empty() && logits.size() <= std::numeric_limits<int32_t>::max());
  const Extent extent = HWY_DYNAMIC_DISPATCH(ScanExtent)(logits.data(), logits.size());
  if (!extent.usable) return Unusable(logits);
  if (std::isinf(extent.max)) return BadInput("all {} logits are -inf", logits.size());

  RowSummary row;
  row.top1 = static_cast<int32_t>(
      HWY_DYNAMIC_DISPATCH(FindFirst)(logits.data(), logits.size(), extent.max));
  row.max = logits[static_cast<size_t>(row.top1)];
  row.min = extent.min;
  const ExpRange range = StaysNormal(row) ? ExpRange::kNormal : ExpRange::kUnderflow;
  const ExpSums sums =
      HWY_DYNAMIC_DISPATCH(SumExp)(logits.data(), logits.size(), double{row.max}, range);
  return SummaryOfSums(row, sums.sum.Total(), sums.weighted.Total());
}

double LogProb(float logit, const RowSummary& summary) {
  return (double{logit} - double{summary.max}) - summary.log_sum;
}

Divergence Compare(std::span<const float> base, const RowSummary& base_summary,
                   std::span<const float> lane, const RowSummary& lane_summary) {
  BITLOSS_CHECK(base.size() == lane.size() && !base.empty());
  const RowPair rows{base.data(),          lane.data(),
                     base.size(),          double{base_summary.max},
                     base_summary.log_sum, double{lane_summary.max},
                     lane_summary.log_sum};
  const bool normal = StaysNormal(base_summary) && StaysNormal(lane_summary);
  const DivergenceSums sums =
      HWY_DYNAMIC_DISPATCH(SumDivergence)(rows, normal ? ExpRange::kNormal : ExpRange::kUnderflow);

  Divergence divergence;
  divergence.kl = sums.kl.Total();
  divergence.kl_reverse = sums.kl_reverse.Total();
  divergence.top1_agrees = base_summary.top1 == lane_summary.top1;
  return divergence;
}

}  // namespace bitloss
#endif  // HWY_ONCE
