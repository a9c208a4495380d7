#include "bitloss/quant/fit/gram.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "bitloss/base/check.h"

// Kernels need a fused multiply-add, or bits would differ between instruction sets.
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bitloss/quant/fit/gram.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#ifndef BITLOSS_QUANT_FIT_GRAM_CONSTANTS_
#define BITLOSS_QUANT_FIT_GRAM_CONSTANTS_
namespace bitloss {

constexpr size_t kPanel = 8;   // neighbouring columns of the inputs that are summed at once
constexpr size_t kBlock = 16;  // rows of deltas that go through the products side by side

}  // namespace bitloss
#endif

HWY_BEFORE_NAMESPACE();
namespace bitloss {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR

inline double Fma(double a, double b, double c) { return std::fma(a, b, c); }

void PanelProducts(const double* left, const double* right, size_t num_inputs, double* out) {
  std::fill(out, out + kPanel * kPanel, 0.0);
  for (size_t t = 0; t < num_inputs; ++t) {
    for (size_t i = 0; i < kPanel; ++i) {
      for (size_t j = 0; j < kPanel; ++j) {
        double& sum = out[i * kPanel + j];
        sum = Fma(left[t * kPanel + i], right[t * kPanel + j], sum);
      }
    }
  }
}

void AddForms(const double* folded, size_t size, size_t begin, size_t end, const double* deltas,
              double* forms) {
  for (size_t i = begin; i < end; ++i) {
    for (size_t lane = 0; lane < kBlock; ++lane) {
      double sum = 0.0;
      for (size_t j = 0; j <= i; ++j) {
        sum = Fma(folded[i * size + j], deltas[j * kBlock + lane], sum);
      }
      forms[lane] = Fma(deltas[i * kBlock + lane], sum, forms[lane]);
    }
  }
}

#else

using DoubleTag = hn::CappedTag<double, kPanel>;
using DoubleVector = hn::Vec<DoubleTag>;
constexpr size_t kLanes = HWY_MIN(HWY_LANES(double), kPanel);

// out[i][j] = sum_t left[t][i] * right[t][j], t ascending. left, right [inputs][kPanel].
void PanelProducts(const double* HWY_RESTRICT left, const double* HWY_RESTRICT right,
                   size_t num_inputs, double* HWY_RESTRICT out) {
  constexpr size_t kVectors = kPanel / kLanes;
  constexpr size_t kRows = kLanes < 8 ? 4 : 8;  // eight sums of either width hide the latency
  const DoubleTag d;
  for (size_t first = 0; first < kPanel; first += kRows) {
    DoubleVector sum[kRows][kVectors];
    for (auto& row : sum) {
      for (DoubleVector& v : row) v = hn::Zero(d);
    }
    for (size_t t = 0; t < num_inputs; ++t) {
      DoubleVector r[kVectors];
      for (size_t v = 0; v < kVectors; ++v) r[v] = hn::LoadU(d, right + t * kPanel + v * kLanes);
      for (size_t i = 0; i < kRows; ++i) {
        const DoubleVector l = hn::Set(d, left[t * kPanel + first + i]);
        for (size_t v = 0; v < kVectors; ++v) sum[i][v] = hn::MulAdd(l, r[v], sum[i][v]);
      }
    }
    for (size_t i = 0; i < kRows; ++i) {
      for (size_t v = 0; v < kVectors; ++v) {
        hn::StoreU(sum[i][v], d, out + (first + i) * kPanel + v * kLanes);
      }
    }
  }
}

// kRows rows of the folded matrix from `i` on, for kBlock deltas.
template <size_t kRows>
HWY_INLINE void AddRows(const double* HWY_RESTRICT folded, size_t size, size_t i,
                        const double* HWY_RESTRICT deltas, double* HWY_RESTRICT forms) {
  constexpr size_t kVectors = kBlock / kLanes;
  const DoubleTag d;
  DoubleVector sum[kRows][kVectors];
  for (auto& row : sum) {
    for (DoubleVector& v : row) v = hn::Zero(d);
  }
  for (size_t j = 0; j < i + kRows; ++j) {  // zeros above the diagonal change no sum
    DoubleVector x[kVectors];
    for (size_t v = 0; v < kVectors; ++v) x[v] = hn::LoadU(d, deltas + j * kBlock + v * kLanes);
    for (size_t r = 0; r < kRows; ++r) {
      const DoubleVector g = hn::Set(d, folded[(i + r) * size + j]);
      for (size_t v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(g, x[v], sum[r][v]);
    }
  }
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t v = 0; v < kVectors; ++v) {
      const DoubleVector x = hn::LoadU(d, deltas + (i + r) * kBlock + v * kLanes);
      double* form = forms + v * kLanes;
      hn::StoreU(hn::MulAdd(x, sum[r][v], hn::LoadU(d, form)), d, form);
    }
  }
}

// forms[lane] += sum_{begin <= i < end} delta_i sum_{j <= i} folded_ij delta_j.
// deltas [size][kBlock].
void AddForms(const double* HWY_RESTRICT folded, size_t size, size_t begin, size_t end,
              const double* HWY_RESTRICT deltas, double* HWY_RESTRICT forms) {
  constexpr size_t kRows = kLanes < 8 ? 2 : 4;  // eight sums in either case
  size_t i = begin;
  for (; i + kRows <= end; i += kRows) AddRows<kRows>(folded, size, i, deltas, forms);
  for (; i < end; ++i) AddRows<1>(folded, size, i, deltas, forms);
}

#endif  // HWY_TARGET == HWY_SCALAR

}  // namespace

void PanelProductsOfTarget(const double* left, const double* right, size_t num_inputs,
                           double* out) {
  PanelProducts(left, right, num_inputs, out);
}
void AddFormsOfTarget(const double* folded, size_t size, size_t begin, size_t end,
                      const double* deltas, double* forms) {
  AddForms(folded, size, begin, end, deltas, forms);
}

}  // namespace HWY_NAMESPACE
}  // namespace bitloss
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bitloss {

HWY_EXPORT(PanelProductsOfTarget);
HWY_EXPORT(AddFormsOfTarget);

namespace {

size_t NumPanels(size_t size) { return (size + kPanel - 1) / kPanel; }

// One panel of [panels][inputs][kPanel] from its columns of x; the columns that the last lacks stay
// zeros.
void FillPanel(ConstMatrixView x, size_t step, size_t num_inputs, size_t panel,
               std::vector<double>& panels) {
  const size_t first = panel * kPanel;
  const ConstMatrixView cols = x.Cols(first, std::min(first + kPanel, x.cols));
  double* out = panels.data() + panel * num_inputs * kPanel;
  for (size_t t = 0; t < num_inputs; ++t) {
    const std::span<const float> row = cols.Row(t * step);
    for (size_t i = 0; i < row.size(); ++i) out[t * kPanel + i] = row[i];
  }
}

// The kPanel rows of the folded matrix from panel `left` on.
void FillRows(const std::vector<double>& panels, size_t left, Gram& gram) {
  const size_t panel_size = gram.num_inputs * kPanel;
  for (size_t right = 0; right <= left; ++right) {
    double products[kPanel * kPanel];
    HWY_DYNAMIC_DISPATCH(PanelProductsOfTarget)
    (panels.data() + left * panel_size, panels.data() + right * panel_size, gram.num_inputs,
     products);
    for (size_t i = 0; i < kPanel; ++i) {
      const size_t row = left * kPanel + i;
      for (size_t j = 0; j < kPanel; ++j) {
        const size_t col = right * kPanel + j;
        if (row >= gram.size || col > row) continue;
        gram.folded[row * gram.size + col] = products[i * kPanel + j] * (col < row ? 2.0 : 1.0);
      }
    }
  }
}

// Rows [first, first + kBlock) side by side: [size][kBlock], missing rows as zeros.
void Interleave(ConstMatrixView deltas, size_t first, std::span<double> out) {
  for (size_t lane = 0; lane < kBlock; ++lane) {
    if (first + lane >= deltas.rows) {
      for (size_t i = 0; i < deltas.cols; ++i) out[i * kBlock + lane] = 0.0;
      continue;
    }
    const std::span<const float> row = deltas.Row(first + lane);
    for (size_t i = 0; i < row.size(); ++i) out[i * kBlock + lane] = row[i];
  }
}

}  // namespace

Gram MakeGram(ConstMatrixView x, ThreadPool& threads) {
  Gram gram{x.cols, x.rows, std::vector<double>(x.cols * x.cols)};
  const size_t num_panels = NumPanels(x.cols);
  std::vector<double> panels(num_panels * x.rows * kPanel);
  threads.ForEachPart(num_panels,
                      [&](size_t panel, size_t) { FillPanel(x, 1, x.rows, panel, panels); });
  // The longest rows first: they take the longest.
  threads.ForEachPart(num_panels,
                      [&](size_t part, size_t) { FillRows(panels, num_panels - 1 - part, gram); });
  return gram;
}

Gram MakeGram(ConstMatrixView x, size_t step) {
  Gram gram{x.cols, (x.rows + step - 1) / step, std::vector<double>(x.cols * x.cols)};
  const size_t num_panels = NumPanels(x.cols);
  std::vector<double> panels(num_panels * gram.num_inputs * kPanel);
  for (size_t panel = 0; panel < num_panels; ++panel) {
    FillPanel(x, step, gram.num_inputs, panel, panels);
  }
  for (size_t panel = 0; panel < num_panels; ++panel) FillRows(panels, panel, gram);
  return gram;
}

void QuadraticForms(const Gram& gram, ConstMatrixView deltas, std::span<double> forms) {
  // So many rows of the folded matrix stay in the nearest cache while all deltas meet them.
  constexpr size_t kCachedRows = 32;
  BITLOSS_CHECK(deltas.cols == gram.size && forms.size() == deltas.rows);
  const size_t num_blocks = (deltas.rows + kBlock - 1) / kBlock;
  const size_t block_size = gram.size * kBlock;
  std::vector<double> blocks(num_blocks * block_size);
  std::vector<double> sums(num_blocks * kBlock);
  for (size_t b = 0; b < num_blocks; ++b) {
    Interleave(deltas, b * kBlock, std::span(blocks).subspan(b * block_size, block_size));
  }
  for (size_t begin = 0; begin < gram.size; begin += kCachedRows) {
    const size_t end = std::min(begin + kCachedRows, gram.size);
    for (size_t b = 0; b < num_blocks; ++b) {
      HWY_DYNAMIC_DISPATCH(AddFormsOfTarget)
      (gram.folded.data(), gram.size, begin, end, blocks.data() + b * block_size,
       sums.data() + b * kBlock);
    }
  }
  std::copy_n(sums.begin(), forms.size(), forms.begin());
}

namespace {

class HostSums final : public InputSums {
 public:
  HostSums(Gram gram, ThreadPool& threads) : gram_(std::move(gram)), threads_(threads) {}

  size_t num_inputs() const override { return gram_.num_inputs; }
  size_t rows_at_once() const override {
    return kRowsOfPart * std::max(kFewestParts, threads_.num_threads());
  }
  void FormsOf(ConstMatrixView deltas, std::span<double> forms) const override {
    threads_.ForEachPart((deltas.rows + kRowsOfPart - 1) / kRowsOfPart, [&](size_t part, size_t) {
      const size_t begin = part * kRowsOfPart;
      const size_t end = std::min(begin + kRowsOfPart, deltas.rows);
      QuadraticForms(gram_, deltas.Rows(begin, end), forms.subspan(begin, end - begin));
    });
  }
  Gram Take() override { return std::move(gram_); }

 private:
  // The fewer, the sooner a search may stop; the more, the less often the matrix is read.
  static constexpr size_t kRowsOfPart = 64;
  static constexpr size_t kFewestParts = 4;

  Gram gram_;
  ThreadPool& threads_;
};

}  // namespace

std::unique_ptr<InputSums> SumInputs(ConstMatrixView x, ThreadPool& threads) {
  return std::make_unique<HostSums>(MakeGram(x, threads), threads);
}

}  // namespace bitloss
#endif  // HWY_ONCE
