#include "bitloss/compute/cpu/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bitloss/compute/cpu/attention.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// After highway.h:
#if HWY_TARGET != HWY_SCALAR
#include "bitloss/compute/cpu/exp-inl.h"
#include "bitloss/compute/cpu/striped_sum-inl.h"
#include "bitloss/compute/cpu/tanh-inl.h"
#include "bitloss/compute/cpu/tile_product-inl.h"
#include "bitloss/compute/cpu/transpose-inl.h"
#endif

HWY_BEFORE_NAMESPACE();
namespace bitloss {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR

AttentionKernels AttentionKernelsOfTarget() { return {}; }

#else

constexpr size_t RoundUp(size_t n, size_t to) { return (n + to - 1) / to * to; }

// One part at work. A "row" is one head of one query: row i * heads_per_kv + j is head j of
// query i, so the number of keys that rows see ascends.
class PartOfAttention {
 public:
  PartOfAttention(const AttentionShape& shape, const AttentionPart& part, float* scratch)
      : shape_(shape),
        part_(part),
        heads_(shape.num_heads / shape.num_kv_heads),
        dim_(shape.head_dim),
        value_dim_(shape.ValueDim()),
        padded_dim_(RoundUp(shape.ValueDim(), kLanes)),
        num_rows_((part.end_row - part.first_row) * heads_),
        scale_(shape.softcap > 0 ? 1.0f : ScaleOf(shape)),
        keys_(part.sequence->keys.data + part.kv_head * dim_),
        values_(part.sequence->values.data + part.kv_head * value_dim_) {
    const auto take = [&scratch](size_t count) {
      float* const taken = scratch;
      scratch += RoundUp(count, kStripes);
      return taken;
    };
    queries_ = take(num_rows_ * dim_);
    key_panels_ = take(kKeyTile * dim_);
    value_tile_ = take(padded_dim_ == value_dim_ ? 0 : kKeyTile * padded_dim_);
    scores_ = take(num_rows_ * kKeyTile);
    sums_ = take(num_rows_ * padded_dim_);
    stripes_ = take(num_rows_ * kStripes);
    tops_ = take(num_rows_);
    rescales_ = take(num_rows_);
    scratch_end_ = scratch;
  }

  const float* scratch_end() const { return scratch_end_; }

  void Run(ConstMatrixView queries, MatrixView out) {
    Begin(queries);
    const size_t num_keys = KeysOfRow(num_rows_ - 1);
    for (size_t first = FirstKeyOfRow(0) / kKeyTile * kKeyTile; first < num_keys;
         first += kKeyTile) {
      Visit(first, HWY_MIN(num_keys, first + kKeyTile));
    }
    Finish(out);
  }

 private:
  // The rows [begin, end) at a tile of keys [first, last).
  struct Tile {
    size_t begin;
    size_t end;
    size_t first;
    size_t last;
  };

  static float ScaleOf(const AttentionShape& shape) {
    return shape.scale != 0 ? shape.scale : 1.0f / std::sqrt(static_cast<float>(shape.head_dim));
  }

  // A row sees keys [FirstKeyOfRow, KeysOfRow): none after its query's position.
  size_t KeysOfRow(size_t row) const {
    return part_.sequence->first_position + part_.first_row + row / heads_ + 1;
  }
  size_t FirstKeyOfRow(size_t row) const { return shape_.FirstKey(KeysOfRow(row) - 1); }
  // The same within a tile.
  size_t FirstOf(size_t row, const Tile& tile) const {
    const size_t first = FirstKeyOfRow(row);
    return first > tile.first ? first - tile.first : 0;
  }
  size_t EndOf(size_t row, const Tile& tile) const {
    return HWY_MIN(tile.last, KeysOfRow(row)) - tile.first;
  }
  size_t MatrixRow(size_t row) const {
    return part_.sequence->rows.begin + part_.first_row + row / heads_;
  }
  size_t HeadOf(size_t row) const { return part_.kv_head * heads_ + row % heads_; }

  void Begin(ConstMatrixView queries) {
    for (size_t row = 0; row < num_rows_; ++row) {
      CopyFloats(queries.data + MatrixRow(row) * queries.stride + HeadOf(row) * dim_, dim_,
                 queries_ + row * dim_);
      tops_[row] = -std::numeric_limits<float>::infinity();
    }
    for (size_t i = 0; i < num_rows_ * padded_dim_; ++i) sums_[i] = 0.0f;
    for (size_t i = 0; i < num_rows_ * kStripes; ++i) stripes_[i] = 0.0f;
    if (shape_.sinks.rows == 0) return;
    for (size_t row = 0; row < num_rows_; ++row) {
      tops_[row] = shape_.sinks.data[HeadOf(row)];
      stripes_[row * kStripes] = 1.0f;
    }
  }

  // The tile of keys [first, last).
  void Visit(size_t first, size_t last) {
    Tile tile{0, num_rows_, first, last};
    while (KeysOfRow(tile.begin) <= first) tile.begin += heads_;
    while (tile.end > tile.begin && FirstKeyOfRow(tile.end - 1) >= last) tile.end -= heads_;
    if (tile.begin == tile.end) return;
    TransposeKeys(first, last);
    Score(tile);
    if (shape_.softcap > 0) CapScores(tile);
    RaiseTops(tile);
    for (size_t r = tile.begin; r < tile.end; ++r) Weigh(r, EndOf(r, tile));
    AddValues(tile);
  }

  // key_panels_[panel][d][kTileWidth keys]. Keys beyond the end of a panel repeat the last one;
  // their scores are not used.
  void TransposeKeys(size_t first, size_t end) {
    const size_t stride = part_.sequence->keys.stride;
    for (size_t key = first; key < end; key += kTileWidth) {
      TransposeRows<kTileVectors>(keys_ + key * stride, stride, HWY_MIN(kTileWidth, end - key),
                                  dim_, key_panels_ + (key - first) * dim_);
    }
  }

  void Score(const Tile& tile) {
    ForEachRowGroup(tile.begin, tile.end, [&](size_t row, size_t end_row) HWY_ATTR {
      const size_t num_keys = EndOf(end_row - 1, tile);
      for (size_t key = 0; key < num_keys; key += kTileWidth) {
        const size_t num_vectors = (HWY_MIN(kTileWidth, num_keys - key) + kLanes - 1) / kLanes;
        MultiplyTile(end_row - row, num_vectors, queries_ + row * dim_, dim_,
                     key_panels_ + key * dim_, kTileWidth, dim_,
                     {scores_ + row * kKeyTile + key, kKeyTile, TileSums::Begin::kZero, nullptr});
      }
    });
  }

  void CapScores(const Tile& tile) {
    const FloatTag d;
    const FloatVector cap = hn::Set(d, shape_.softcap);
    const FloatVector scale = hn::Set(d, ScaleOf(shape_));
    for (size_t row = tile.begin; row < tile.end; ++row) {
      float* HWY_RESTRICT scores = scores_ + row * kKeyTile;
      for (size_t i = 0; i < RoundUp(EndOf(row, tile), kStripes); i += kLanes) {
        const FloatVector score = hn::Mul(hn::Load(d, scores + i), scale);
        hn::Store(hn::Mul(cap, Tanh(hn::Div(score, cap))), d, scores + i);
      }
    }
  }

  // Raises each row's top to that of its scores in this tile and notes the factor that brings what
  // the row has summed so far down to it. Scores that a row does not see become -inf, up to whole
  // stripes.
  void RaiseTops(const Tile& tile) {
    const FloatTag d;
    constexpr float kNone = -std::numeric_limits<float>::infinity();
    for (size_t row = tile.begin; row < tile.end; ++row) {
      float* HWY_RESTRICT scores = scores_ + row * kKeyTile;
      const size_t count = EndOf(row, tile);
      const size_t padded = RoundUp(count, kStripes);
      const size_t first = FirstOf(row, tile);
      for (size_t i = 0; i < first; ++i) scores[i] = kNone;
      for (size_t i = count; i < padded; ++i) scores[i] = kNone;
      FloatVector top = hn::Load(d, scores);
      for (size_t i = kLanes; i < padded; i += kLanes) top = hn::Max(top, hn::Load(d, scores + i));
      const float old_top = tops_[row];
      const float new_top = hn::GetLane(hn::MaxOfLanes(d, top)) * scale_;
      tops_[row] = new_top > old_top ? new_top : old_top;
      rescales_[row] = old_top - tops_[row];
    }
    for (size_t row = 0; row < num_rows_; row += kLanes) {
      hn::Store(Exp(hn::Load(d, rescales_ + row)), d, rescales_ + row);
    }
  }

  // Turns a row's scores of this tile, `count` of them, into weights.
  void Weigh(size_t row, size_t count) {
    const FloatTag d;
    float* HWY_RESTRICT scores = scores_ + row * kKeyTile;
    const FloatVector scale = hn::Set(d, scale_);
    const FloatVector top = hn::Set(d, tops_[row]);
    const FloatVector rescale = hn::Set(d, rescales_[row]);
    FloatVector stripes[kStripeVectors];
    for (size_t v = 0; v < kStripeVectors; ++v) {
      stripes[v] = hn::Mul(hn::Load(d, stripes_ + row * kStripes + v * kLanes), rescale);
    }
    const size_t padded = RoundUp(count, kStripes);
    for (size_t i = 0; i < padded; i += kStripes) {
      for (size_t v = 0; v < kStripeVectors; ++v) {
        float* at = scores + i + v * kLanes;
        const FloatVector weight = Exp(hn::MulSub(hn::Load(d, at), scale, top));
        stripes[v] = hn::Add(stripes[v], weight);
        hn::Store(weight, d, at);
      }
    }
    for (size_t v = 0; v < kStripeVectors; ++v) {
      hn::Store(stripes[v], d, stripes_ + row * kStripes + v * kLanes);
    }
    if (rescales_[row] == 1.0f) return;
    float* HWY_RESTRICT sums = sums_ + row * padded_dim_;
    for (size_t i = 0; i < padded_dim_; i += kLanes) {
      hn::Store(hn::Mul(hn::Load(d, sums + i), rescale), d, sums + i);
    }
  }

  void AddValues(const Tile& tile) {
    const float* values = values_ + tile.first * part_.sequence->values.stride;
    size_t stride = part_.sequence->values.stride;
    if (padded_dim_ != value_dim_) {
      PadValues(values, tile.last - tile.first);
      values = value_tile_;
      stride = padded_dim_;
    }
    // A group's rows do not all see the same keys; those that only some see come row by row, so
    // that no row multiplies a value that it may not look at.
    ForEachRowGroup(tile.begin, tile.end, [&](size_t row, size_t end_row) HWY_ATTR {
      const size_t end = EndOf(row, tile);
      const size_t begin = HWY_MIN(FirstOf(end_row - 1, tile), end);
      for (size_t r = row; r < end_row; ++r) {
        const size_t first = FirstOf(r, tile);
        if (first < begin) AddValuesOfKeys(r, r + 1, first, begin, values, stride);
      }
      if (begin < end) AddValuesOfKeys(row, end_row, begin, end, values, stride);
      for (size_t r = row; r < end_row; ++r) {
        const size_t first = HWY_MAX(end, FirstOf(r, tile));
        const size_t count = EndOf(r, tile);
        if (count > first) AddValuesOfKeys(r, r + 1, first, count, values, stride);
      }
    });
  }

  void AddValuesOfKeys(size_t row, size_t end_row, size_t first_key, size_t end_key,
                       const float* values, size_t stride) {
    for (size_t lane = 0; lane < padded_dim_; lane += kTileWidth) {
      const size_t num_vectors = HWY_MIN(kTileWidth, padded_dim_ - lane) / kLanes;
      MultiplyTile(
          end_row - row, num_vectors, scores_ + row * kKeyTile + first_key, kKeyTile,
          values + first_key * stride + lane, stride, end_key - first_key,
          {sums_ + row * padded_dim_ + lane, padded_dim_, TileSums::Begin::kContinue, nullptr});
    }
  }

  void PadValues(const float* values, size_t num_keys) {
    for (size_t key = 0; key < num_keys; ++key) {
      float* to = value_tile_ + key * padded_dim_;
      CopyFloats(values + key * part_.sequence->values.stride, value_dim_, to);
      for (size_t i = value_dim_; i < padded_dim_; ++i) to[i] = 0.0f;
    }
  }

  void Finish(MatrixView out) {
    const FloatTag d;
    for (size_t row = 0; row < num_rows_; ++row) {
      const FloatVector total = hn::Set(d, MergeStripes(stripes_ + row * kStripes));
      float* sums = sums_ + row * padded_dim_;
      for (size_t i = 0; i < padded_dim_; i += kLanes) {
        hn::Store(hn::Div(hn::Load(d, sums + i), total), d, sums + i);
      }
      CopyFloats(sums, value_dim_,
                 out.data + MatrixRow(row) * out.stride + HeadOf(row) * value_dim_);
    }
  }

  const AttentionShape& shape_;
  AttentionPart part_;
  size_t heads_;      // that read this kv head
  size_t dim_;        // of queries and keys
  size_t value_dim_;  // of values
  size_t padded_dim_;
  size_t num_rows_;
  float scale_;  // of scores
  const float* keys_;
  const float* values_;

  float* queries_;     // [rows][dim]
  float* key_panels_;  // [kKeyTile / kTileWidth][dim][kTileWidth]
  float* value_tile_;  // [kKeyTile][padded_dim], if value_dim is not padded_dim
  float* scores_;      // [rows][kKeyTile]
  float* sums_;        // [rows][padded_dim]
  float* stripes_;     // [rows][kStripes]
  float* tops_;        // [rows]
  float* rescales_;    // [rows], up to whole vectors
  const float* scratch_end_;
};

size_t ScratchFloats(const AttentionShape& shape, const AttentionPart& part) {
  float* const start = nullptr;
  return static_cast<size_t>(PartOfAttention(shape, part, start).scratch_end() - start);
}

void Attend(const AttentionShape& shape, ConstMatrixView queries, const AttentionPart& part,
            float* scratch, MatrixView out) {
  PartOfAttention(shape, part, scratch).Run(queries, out);
}

AttentionKernels AttentionKernelsOfTarget() {
  return {.scratch_floats = ScratchFloats, .attend = Attend};
}

#endif  // HWY_TARGET

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bitloss
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "bitloss/compute/cpu/dispatch.h"

namespace bitloss {
namespace {

HWY_EXPORT(AttentionKernelsOfTarget);

// Heads times queries of a part: enough that transposing a tile of keys costs little beside the
// products, few enough that a tile's scores stay in the second-level cache.
constexpr size_t kWantedRows = 192;

// Later queries see more keys, so they come first: the last parts to finish are short ones.
std::vector<AttentionPart> CutIntoParts(const AttentionShape& shape,
                                        std::span<const HostSequence> sequences) {
  const size_t heads = shape.num_heads / shape.num_kv_heads;
  const size_t step = std::max<size_t>(1, kWantedRows / heads);
  std::vector<AttentionPart> parts;
  for (const HostSequence& sequence : sequences) {
    for (size_t end = sequence.rows.size(); end > 0; end -= std::min(end, step)) {
      for (size_t kv_head = 0; kv_head < shape.num_kv_heads; ++kv_head) {
        parts.push_back({&sequence, kv_head, end - std::min(end, step), end});
      }
    }
  }
  return parts;
}

}  // namespace

AttentionKernels AttentionKernelsFor(int64_t target) {
  return BITLOSS_KERNELS_FOR(target, AttentionKernelsOfTarget);
}

void AttendOnThreads(const AttentionKernels& kernels, const AttentionShape& shape,
                     ConstMatrixView queries, std::span<const HostSequence> sequences,
                     ThreadPool& threads, AttentionScratch& scratch, MatrixView out) {
  const std::vector<AttentionPart> parts = CutIntoParts(shape, sequences);
  scratch.of_thread.resize(threads.num_threads());
  threads.ForEachPart(parts.size(), [&](size_t part, size_t thread) {
    AlignedBytes& memory = scratch.of_thread[thread];
    const size_t num_bytes = kernels.scratch_floats(shape, parts[part]) * sizeof(float);
    if (memory.size() < num_bytes) memory = AlignedBytes(num_bytes);
    kernels.attend(shape, queries, parts[part], reinterpret_cast<float*>(memory.data()), out);
  });
}

}  // namespace bitloss
#endif  // HWY_ONCE
