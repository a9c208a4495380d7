#include "bitloss/compute/cpu/int8_matmul.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "bitloss/compute/cpu/panel_runs.h"
#include "bitloss/compute/w8a8.h"
#include "bitloss/tensor/dtype.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bitloss/compute/cpu/int8_matmul.cc"
#include "hwy/aligned_allocator.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// After highway.h:
#if HWY_TARGET != HWY_SCALAR
#include "bitloss/compute/cpu/int8_tile-inl.h"
#include "bitloss/compute/cpu/striped_sum-inl.h"
#include "bitloss/compute/cpu/tile_product-inl.h"
#endif

HWY_BEFORE_NAMESPACE();
namespace bitloss {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR

Int8Kernels Int8KernelsOfTarget() { return {}; }

#else

// Whole vectors of codes.
size_t RowBytes(size_t num_words) {
  const size_t num_codes = (num_words * kBytesPerWord + kLanes - 1) / kLanes * kLanes;
  return num_codes * kActivationBytes;
}

// Calls use(i, values) for the row in whole vectors, the last one filled up with zeros.
template <class Use>
HWY_INLINE void ForEachVector(const float* x, size_t size, const Use& use) {
  size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) use(i, hn::LoadU(FloatTag(), x + i));
  if (i < size) use(i, LoadFirst(x + i, size - i));
}

HWY_INLINE FloatVector ThroughF16(FloatVector x) {
  const hn::Rebind<hwy::float16_t, FloatTag> half;
  return hn::PromoteTo(FloatTag(), hn::DemoteTo(half, x));
}

void MarkOutliers(hn::Mask<FloatTag> outliers, size_t first, uint8_t* is_outlier) {
  uint8_t bits[8] = {};
  hn::StoreMaskBits(FloatTag(), outliers, bits);
  for (size_t j = 0; j < kLanes; ++j) {
    if ((bits[j / 8] >> (j % 8) & 1) == 0) continue;
    // Rows of a call share the marks, and all of them write 1.
    std::atomic_ref<uint8_t>(is_outlier[first + j]).store(1, std::memory_order_relaxed);
  }
}

float ScanRow(const float* x, size_t size, float threshold, uint8_t* is_outlier) {
  const FloatTag d;
  const FloatVector limit = hn::Set(d, threshold);
  FloatVector top = hn::Zero(d);
  FloatVector nan = hn::Zero(d);  // becomes NaN when the row holds one: comparisons lose it
  ForEachVector(x, size, [&](size_t i, FloatVector values) HWY_ATTR {
    const FloatVector magnitude = hn::Abs(ThroughF16(values));
    nan = hn::IfThenElse(hn::IsNaN(magnitude), magnitude, nan);
    FloatVector ordinary = magnitude;
    if (threshold > 0) {
      const auto outliers = hn::Ge(magnitude, limit);
      if (HWY_UNLIKELY(!hn::AllFalse(d, outliers))) MarkOutliers(outliers, i, is_outlier);
      ordinary = hn::IfThenZeroElse(outliers, magnitude);
    }
    top = hn::Max(top, ordinary);
  });
  return hn::GetLane(hn::MaxOfLanes(d, top)) + hn::GetLane(hn::SumOfLanes(d, nan));
}

// Where the activation k of a row lies among its codes.
HWY_INLINE size_t PlaceOf(size_t k) {
  if (kActivationBytes == 1) return k;
  const size_t j = k % kBytesPerWord;
  return k - j + (j % 2) * 2 + j / 2;
}

using StoredCode = std::conditional_t<kActivationBytes == 1, uint8_t, int16_t>;

// Stores a vector of codes in their places. Codes of outliers may not fit; they are replaced after.
HWY_INLINE void StoreCodes(Int32Vector codes, StoredCode* HWY_RESTRICT to) {
  const hn::Rebind<StoredCode, FloatTag> narrow;
  if (kActivationBytes == 2) {
    alignas(16) static constexpr uint8_t kPlaces[16] = {0, 1, 2, 3, 8,  9,  10, 11,
                                                        4, 5, 6, 7, 12, 13, 14, 15};
    const hn::Repartition<uint8_t, Int32Tag> bytes;
    codes = hn::BitCast(Int32Tag(), hn::TableLookupBytes(hn::BitCast(bytes, codes),
                                                         hn::LoadDup128(bytes, kPlaces)));
  }
  hn::StoreU(hn::DemoteTo(narrow, codes), narrow, to);
}

void QuantizeRow(const float* x, size_t size, float scale,
                 std::span<const uint32_t> outlier_columns, std::byte* codes) {
  StoredCode* HWY_RESTRICT stored = reinterpret_cast<StoredCode*>(codes);
  ForEachVector(x, size, [&](size_t i, FloatVector values) HWY_ATTR {
    const FloatVector scaled = hn::Mul(ThroughF16(values), hn::Set(FloatTag(), scale));
    const FloatVector finite = hn::IfThenElseZero(hn::IsFinite(scaled), scaled);
    const auto code = hn::Add(hn::NearestInt(finite), hn::Set(Int32Tag(), kActivationOffset));
    StoreCodes(code, stored + i);
  });
  for (const uint32_t col : outlier_columns) {
    stored[PlaceOf(col)] = static_cast<StoredCode>(kActivationOffset);
  }
}

// Where the outputs of some rows of a panel go: to y, or, where the panel is not full, to a copy.
class PanelOutput {
 public:
  PanelOutput(const Int8Matrix& weights, const QuantizedRows& x, const Int8Product& product,
              size_t panel, size_t first_row)
      : x_(x),
        product_(product),
        first_row_(first_row),
        first_out_(panel * kPanelWidth),
        num_outputs_(weights.PanelOutputs(panel)),
        scales_(weights.PanelScales(panel)) {}

  // Of rows [first_row, first_row + kRows): y = (float(acc) * row scale) * output scale, plus the
  // bias where no outlier columns follow.
  HWY_INLINE void Store(size_t r, size_t out, Int32Vector acc) {
    const FloatTag d;
    const size_t row = first_row_ + r;
    const auto scaled = hn::Mul(hn::ConvertTo(d, acc), hn::Set(d, x_.scales[row]));
    auto value = hn::Mul(scaled, hn::LoadU(d, scales_ + out));
    float* y = product_.y.data + row * product_.y.stride + first_out_;
    const float* bias = product_.bias;
    if (x_.has_outliers[row]) bias = nullptr;
    if (HWY_LIKELY(out + kLanes <= num_outputs_)) {
      if (bias != nullptr) value = hn::Add(value, hn::LoadU(d, bias + first_out_ + out));
      hn::StoreU(value, d, y + out);
      return;
    }
    HWY_ALIGN float copy[kLanes];
    hn::Store(value, d, copy);
    for (size_t i = 0; out + i < num_outputs_; ++i) {
      y[out + i] = bias == nullptr ? copy[i] : copy[i] + bias[first_out_ + out + i];
    }
  }

 private:
  const QuantizedRows& x_;
  const Int8Product& product_;
  size_t first_row_;
  size_t first_out_;
  size_t num_outputs_;
  const float* scales_;
};

// The integer part of some rows and one panel.
template <size_t kRows>
HWY_INLINE void MultiplyRowsOfPanel(const Int8Matrix& weights, const QuantizedRows& x,
                                    const Int8Product& product, size_t panel, size_t first_row) {
  PanelOutput output(weights, x, product, panel, first_row);
  for (size_t lane = 0; lane < weights.PanelOutputs(panel); lane += kTileWidth) {
    MultiplyWords<kRows>(
        x.codes.data() + first_row * x.row_bytes, x.row_bytes, weights.PanelWords(panel) + lane,
        weights.num_words(), weights.PanelSums(panel) + lane,
        [&](size_t r, size_t i, Int32Vector sums) HWY_ATTR { output.Store(r, lane + i, sums); });
  }
}

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3

// Rows from which widening the weights once pays.
constexpr size_t kMinWidenedRows = 16;

template <size_t kRows>
HWY_INLINE void MultiplyRowsOfWidened(const Int8Matrix& weights, const QuantizedRows& x,
                                      const Int8Product& product, size_t panel, size_t lane,
                                      const int16_t* tile, size_t first_row) {
  PanelOutput output(weights, x, product, panel, first_row);
  MultiplyWidened<kRows>(
      x.codes.data() + first_row * x.row_bytes, x.row_bytes, tile, weights.num_words(),
      [&](size_t r, size_t i, Int32Vector sums) HWY_ATTR { output.Store(r, lane + i, sums); });
}

void MultiplyPanelWidened(const Int8Matrix& weights, const QuantizedRows& x,
                          const Int8Product& product, size_t panel) {
  const auto tile = hwy::AllocateAligned<int16_t>(weights.num_words() * kWidenedPerWord);
  for (size_t lane = 0; lane < weights.PanelOutputs(panel); lane += kTileWidth) {
    WidenTile(weights.PanelWords(panel) + lane, weights.num_words(), tile.get());
    ForEachGroupOfRows<kWidenedRows>(product.rows, [&](auto rows, size_t first_row) {
      MultiplyRowsOfWidened<rows>(weights, x, product, panel, lane, tile.get(), first_row);
    });
  }
}

#endif

// The integer part of one panel. The bias is added here for rows without outlier columns.
void MultiplyPanelIntegers(const Int8Matrix& weights, const QuantizedRows& x,
                           const Int8Product& product, size_t panel) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  if (product.rows.size() >= kMinWidenedRows) {
    return MultiplyPanelWidened(weights, x, product, panel);
  }
#endif
  ForEachGroupOfRows<kInt8Rows>(product.rows, [&](auto rows, size_t first_row) {
    MultiplyRowsOfPanel<rows>(weights, x, product, panel, first_row);
  });
}

// tile[i][kPanelWidth] = q[o][columns[i]] * s[o].
void DecodeColumns(const Int8Matrix& weights, size_t panel, std::span<const uint32_t> columns,
                   float* HWY_RESTRICT tile) {
  const FloatTag d;
  const Int32Tag di;
  const int32_t* words = reinterpret_cast<const int32_t*>(weights.PanelWords(panel));
  const float* scales = weights.PanelScales(panel);
  for (size_t i = 0; i < columns.size(); ++i) {
    const int32_t* word = words + columns[i] / kBytesPerWord * kPanelWidth;
    const int shift = static_cast<int>(24 - 8 * (columns[i] % kBytesPerWord));
    for (size_t lane = 0; lane < kPanelWidth; lane += kLanes) {
      const auto code = hn::ShiftRight<24>(hn::ShiftLeftSame(hn::Load(di, word + lane), shift));
      hn::Store(hn::Mul(hn::ConvertTo(d, code), hn::LoadU(d, scales + lane)), d,
                tile + i * kPanelWidth + lane);
    }
  }
}

constexpr size_t kColumnsOfTile = 128;

// Adds the outlier columns of the rows of one call that the product covers, then the bias.
void AddOutlierColumns(const Int8Matrix& weights, const QuantizedRows::Call& call,
                       const Int8Product& product, size_t panel) {
  const size_t begin = HWY_MAX(call.rows.begin, product.rows.begin);
  const size_t end = HWY_MIN(call.rows.end, product.rows.end);
  if (begin >= end || call.outlier_columns.empty()) return;
  HWY_ALIGN float tile[kColumnsOfTile * kPanelWidth];
  const size_t first_out = panel * kPanelWidth;
  const std::span<const uint32_t> columns = call.outlier_columns;
  const float* x = call.outliers.data() + (begin - call.rows.begin) * columns.size();
  for (size_t first = 0; first < columns.size(); first += kColumnsOfTile) {
    const size_t count = HWY_MIN(kColumnsOfTile, columns.size() - first);
    DecodeColumns(weights, panel, columns.subspan(first, count), tile);
    const bool adds_bias = product.bias != nullptr && first + count == columns.size();
    MultiplyRows(end - begin, x + first, columns.size(), tile, kPanelWidth, count,
                 weights.PanelOutputs(panel),
                 {.c = product.y.data + begin * product.y.stride + first_out,
                  .c_stride = product.y.stride,
                  .begin = TileSums::Begin::kContinue,
                  .bias = adds_bias ? product.bias + first_out : nullptr});
  }
}

void Multiply(const Int8Matrix& weights, const QuantizedRows& x, const Int8Product& product) {
  for (size_t panel = product.first_panel; panel < product.end_panel; ++panel) {
    MultiplyPanelIntegers(weights, x, product, panel);
    for (const QuantizedRows::Call& call : x.calls) {
      AddOutlierColumns(weights, call, product, panel);
    }
  }
}

Int8Kernels Int8KernelsOfTarget() {
  return {.row_bytes = RowBytes,
          .scan_row = ScanRow,
          .quantize_row = QuantizeRow,
          .multiply = Multiply};
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

HWY_EXPORT(Int8KernelsOfTarget);

// Rows that one thread scans or quantizes at a time.
constexpr size_t kRowsOfScan = 16;
constexpr size_t kMaxRowsOfPart = 512;
constexpr size_t kMaxPanelsOfPart = 8;
constexpr size_t kWantedParts = 32;

template <class Work>
void ForEachRow(size_t num_rows, ThreadPool& threads, const Work& work) {
  threads.ForEachPart((num_rows + kRowsOfScan - 1) / kRowsOfScan, [&](size_t part, size_t) {
    const size_t end = std::min(num_rows, (part + 1) * kRowsOfScan);
    for (size_t row = part * kRowsOfScan; row < end; ++row) work(row);
  });
}

// The columns of x that are marked, and what stands in them.
QuantizedRows::Call TakeOutliers(RowRange rows, ConstMatrixView x,
                                 std::span<const uint8_t> is_outlier) {
  QuantizedRows::Call call{.rows = rows, .outlier_columns = {}, .outliers = {}};
  for (size_t col = 0; col < is_outlier.size(); ++col) {
    if (is_outlier[col] != 0) call.outlier_columns.push_back(static_cast<uint32_t>(col));
  }
  const size_t num_columns = call.outlier_columns.size();
  call.outliers.Resize(rows.size(), num_columns);
  for (size_t row = 0; row < rows.size(); ++row) {
    for (size_t i = 0; i < num_columns; ++i) {
      call.outliers.Row(row)[i] = x.Row(rows.begin + row)[call.outlier_columns[i]];
    }
  }
  return call;
}

void SplitOutliersOnThreads(const Int8Kernels& kernels, float threshold, ConstMatrixView x,
                            std::span<const RowRange> calls, ThreadPool& threads,
                            QuantizedRows& result) {
  threshold = ThroughF16(threshold);
  const size_t num_words = (x.cols + kBytesPerWord - 1) / kBytesPerWord;
  result.row_bytes = kernels.row_bytes(num_words);
  result.codes.resize(x.rows * result.row_bytes);
  result.scales.resize(x.rows);
  result.has_outliers.resize(x.rows);
  result.calls.resize(calls.size());

  std::vector<uint32_t> call_of_row(x.rows);
  for (size_t call = 0; call < calls.size(); ++call) {
    std::fill(call_of_row.begin() + static_cast<ptrdiff_t>(calls[call].begin),
              call_of_row.begin() + static_cast<ptrdiff_t>(calls[call].end),
              static_cast<uint32_t>(call));
  }
  std::vector<uint8_t> is_outlier(calls.size() * x.cols);
  std::vector<float> absmax(x.rows);
  ForEachRow(x.rows, threads, [&](size_t row) {
    absmax[row] = kernels.scan_row(x.Row(row).data(), x.cols, threshold,
                                   is_outlier.data() + call_of_row[row] * x.cols);
  });
  threads.ForEachPart(calls.size(), [&](size_t call, size_t) {
    result.calls[call] =
        TakeOutliers(calls[call], x, std::span(is_outlier).subspan(call * x.cols, x.cols));
  });
  ForEachRow(x.rows, threads, [&](size_t row) {
    const std::vector<uint32_t>& columns = result.calls[call_of_row[row]].outlier_columns;
    kernels.quantize_row(x.Row(row).data(), x.cols, 127.0f / absmax[row], columns,
                         result.codes.data() + row * result.row_bytes);
    result.scales[row] = absmax[row] / 127.0f;
    result.has_outliers[row] = columns.empty() ? 0 : 1;
  });
}

// The same for W8A8: no calls, no outliers.
void RoundOnThreads(const Int8Kernels& kernels, const Execution& execution, ConstMatrixView x,
                    ThreadPool& threads, QuantizedRows& result) {
  const size_t num_words = (x.cols + kBytesPerWord - 1) / kBytesPerWord;
  result.row_bytes = kernels.row_bytes(num_words);
  result.codes.resize(x.rows * result.row_bytes);
  result.scales.resize(x.rows);
  result.has_outliers.assign(x.rows, 0);
  result.calls.clear();
  ForEachRow(x.rows, threads, [&](size_t row) {
    std::vector<float> codes(x.cols);
    result.scales[row] = RoundToInt8(x.Row(row), execution, codes);
    // Whole numbers of seven bits pass through the kernel's FP16 and rounding as they are.
    kernels.quantize_row(codes.data(), codes.size(), 1.0f, {},
                         result.codes.data() + row * result.row_bytes);
  });
}

}  // namespace

Int8Kernels Int8KernelsFor(int64_t target) {
  return BITLOSS_KERNELS_FOR(target, Int8KernelsOfTarget);
}

void QuantizeOnThreads(const Int8Kernels& kernels, const Execution& execution, ConstMatrixView x,
                       std::span<const RowRange> calls, ThreadPool& threads, QuantizedRows& rows) {
  if (execution.kind == Execution::Kind::kW8A8) {
    RoundOnThreads(kernels, execution, x, threads, rows);
  } else {
    SplitOutliersOnThreads(kernels, execution.outlier_threshold, x, calls, threads, rows);
  }
}

void MultiplyInt8OnThreads(const Int8Kernels& kernels, std::span<const WholeInt8Product> products,
                           const QuantizedRows& x, ThreadPool& threads) {
  const size_t num_rows = products[0].y.rows;
  const size_t row_parts = (num_rows + kMaxRowsOfPart - 1) / kMaxRowsOfPart;
  const auto runs = CutIntoRuns(products, row_parts, kWantedParts, kMaxPanelsOfPart);
  threads.ForEachPart(row_parts * runs.size(), [&](size_t part, size_t) {
    const size_t row_part = part / runs.size();
    const auto& run = runs[part % runs.size()];
    const WholeInt8Product& product = *run.product;
    kernels.multiply(
        *product.weights, x,
        {.first_panel = run.first_panel,
         .end_panel = run.end_panel,
         .rows = {row_part * num_rows / row_parts, (row_part + 1) * num_rows / row_parts},
         .bias = product.bias.empty() ? nullptr : product.bias.data(),
         .y = product.y});
  });
}

}  // namespace bitloss
#endif  // HWY_ONCE
