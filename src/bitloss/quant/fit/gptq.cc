#include "bitloss/quant/fit/gptq.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>

#include "bitloss/quant/fit/cholesky.h"
#include "bitloss/quant/formats/round_to_even.h"

namespace bitloss {
namespace {

constexpr double kDampingStep = 0.01;
constexpr size_t kPanelRows = 16;  // rows that go through the columns side by side

double Moment(const Gram& gram, size_t i, size_t j) {
  if (i < j) std::swap(i, j);
  const double folded = gram.folded[i * gram.size + j];
  return i == j ? folded : folded / 2;
}

// The values that a format can decode to, given a group's scale.
class Quantizer {
 public:
  explicit Quantizer(const GroupedCodes& grouped)
      : kind_(grouped.kind), max_code_(static_cast<float>((1 << grouped.bits) - 1)) {
    if (kind_ != GroupedCodes::Kind::kTable) return;
    for (size_t code = 0; code < size_t{1} << grouped.bits; ++code) {
      if (std::isfinite(grouped.table[code])) ascending_.push_back(static_cast<uint8_t>(code));
    }
    table_ = grouped.table;
    std::ranges::stable_sort(ascending_, {}, [&](uint8_t code) { return table_[code]; });
  }

  uint8_t Code(float w, float scale, float zero) const {
    if (kind_ == GroupedCodes::Kind::kTable) return Nearest(scale == 0.0f ? 0.0f : w / scale);
    if (scale == 0.0f) return kind_ == GroupedCodes::Kind::kOffset ? 0 : Clamped(zero);
    return kind_ == GroupedCodes::Kind::kOffset ? Clamped((w - zero) / scale)
                                                : Clamped(RoundToEven(Bounded(w / scale)) + zero);
  }

  float Value(uint8_t code, float scale, float zero) const {
    switch (kind_) {
      case GroupedCodes::Kind::kTable:
        return table_[code] * scale;
      case GroupedCodes::Kind::kZeroPoint:
        return (static_cast<float>(code) - zero) * scale;
      case GroupedCodes::Kind::kOffset:
        return std::fma(static_cast<float>(code), scale, zero);
    }
    return 0.0f;
  }

 private:
  // Far beyond all codes, but within what RoundToEven takes.
  static float Bounded(float steps) { return std::clamp(steps, -4096.0f, 4096.0f); }
  uint8_t Clamped(float steps) const {
    return static_cast<uint8_t>(RoundToEven(std::clamp(steps, 0.0f, max_code_)));
  }
  // A tie goes to the lower level.
  uint8_t Nearest(float x) const {
    const auto value = [&](uint8_t code) { return table_[code]; };
    const auto above = std::ranges::lower_bound(ascending_, x, {}, value);
    if (above == ascending_.begin()) return *above;
    if (above == ascending_.end()) return ascending_.back();
    return x - value(*(above - 1)) <= value(*above) - x ? *(above - 1) : *above;
  }

  GroupedCodes::Kind kind_;
  float max_code_;
  std::array<float, 256> table_{};
  std::vector<uint8_t> ascending_;  // finite codes by their level
};

// The weights, those of columns that meet no input 0.
Matrix WithoutDead(ConstMatrixView weights, const GptqFactor& factor) {
  Matrix copy(weights.rows, weights.cols);
  for (size_t row = 0; row < weights.rows; ++row) {
    for (size_t i = 0; i < weights.cols; ++i) {
      copy.Row(row)[i] = factor.dead[i] ? 0.0f : weights.Row(row)[i];
    }
  }
  return copy;
}

bool GroupsCanWait(const Format& format) {
  return format.row_coding == RowCoding::kIndependent && format.group_size > 0;
}

// Rounds some rows of a matrix, kPanelRows at a time.
class RowRounder {
 public:
  RowRounder(const Format& format, ConstMatrixView weights, const GptqFactor& factor,
             bool static_groups, GroupedCodes& grouped)
      : format_(format),
        weights_(weights),
        factor_(factor),
        static_groups_(static_groups),
        quantizer_(grouped),
        grouped_(grouped),
        num_groups_((weights.cols + grouped.group_size - 1) / grouped.group_size),
        outer_(weights.cols),
        lost_(kGptqBlock) {}

  Status Round(size_t first_row, size_t num_rows) {
    first_row_ = first_row;
    num_rows_ = num_rows;
    const size_t size = weights_.cols;
    for (size_t p = 0; p < size; ++p) {
      const size_t col = factor_.order[p];
      for (size_t r = 0; r < kPanelRows; ++r) {
        outer_[p][r] = r < num_rows ? double{weights_.Row(first_row + r)[col]} : 0.0;
      }
    }
    for (size_t begin = 0; begin < size; begin += kGptqBlock) {
      BITLOSS_DO(RoundBlock(begin, std::min(begin + kGptqBlock, size)));
    }
    return Ok();
  }

 private:
  using Column = std::array<double, kPanelRows>;

  Status RoundBlock(size_t begin, size_t end) {
    const size_t size = weights_.cols;
    std::vector<Column> inner(outer_.begin() + static_cast<ptrdiff_t>(begin),
                              outer_.begin() + static_cast<ptrdiff_t>(end));
    for (size_t i = begin; i < end; ++i) {
      if (!static_groups_ && i % format_.group_size == 0) BITLOSS_DO(FindGroup(i));
      const double* upper = factor_.upper.data() + i * size;
      RoundColumn(i, inner[i - begin], upper[i], lost_[i - begin]);
      for (size_t j = i + 1; j < end; ++j) Subtract(lost_[i - begin], upper[j], inner[j - begin]);
    }
    for (size_t i = begin; i < end; ++i) {
      const double* upper = factor_.upper.data() + i * size;
      for (size_t j = end; j < size; ++j) Subtract(lost_[i - begin], upper[j], outer_[j]);
    }
    return Ok();
  }

  static void Subtract(const Column& lost, double share, Column& w) {
    for (size_t r = 0; r < kPanelRows; ++r) w[r] -= lost[r] * share;
  }

  // The scales of the group whose first column is i, from the weights as they stand.
  Status FindGroup(size_t i) {
    const size_t size = std::min(format_.group_size, weights_.cols - i);
    Matrix group(num_rows_, size);
    for (size_t r = 0; r < num_rows_; ++r) {
      for (size_t k = 0; k < size; ++k) group.Row(r)[k] = static_cast<float>(outer_[i + k][r]);
    }
    BITLOSS_TRY(const EncodedMatrix encoded, format_.encode(format_, group));
    const GroupedCodes found = encoded.format.unpack(encoded);
    for (size_t r = 0; r < num_rows_; ++r) {
      const size_t at = (first_row_ + r) * num_groups_ + i / format_.group_size;
      grouped_.scales[at] = found.scales[r];
      if (!grouped_.zeros.empty()) grouped_.zeros[at] = found.zeros[r];
    }
    return Ok();
  }

  void RoundColumn(size_t p, const Column& w, double pivot, Column& lost) {
    const size_t col = factor_.order[p];
    lost = {};
    for (size_t r = 0; r < num_rows_; ++r) {
      const size_t row = first_row_ + r;
      const size_t group = row * num_groups_ + grouped_.GroupOf(col);
      const float scale = grouped_.scales[group];
      const float zero = grouped_.zeros.empty() ? 0.0f : grouped_.zeros[group];
      const uint8_t code = quantizer_.Code(static_cast<float>(w[r]), scale, zero);
      grouped_.codes[row * weights_.cols + col] = code;
      lost[r] = (w[r] - double{quantizer_.Value(code, scale, zero)}) / pivot;
    }
  }

  const Format& format_;
  ConstMatrixView weights_;
  const GptqFactor& factor_;
  bool static_groups_;
  Quantizer quantizer_;
  GroupedCodes& grouped_;
  size_t num_groups_;
  size_t first_row_ = 0;
  size_t num_rows_ = 0;
  std::vector<Column> outer_;  // in rounding order, with the updates of whole blocks
  std::vector<Column> lost_;   // of the block's columns
};

}  // namespace

Result<GptqFactor> FactorGptq(const Gram& gram, const GptqOptions& options, ThreadPool& threads) {
  const size_t size = gram.size;
  GptqFactor factor;
  factor.order.resize(size);
  std::iota(factor.order.begin(), factor.order.end(), size_t{0});
  if (options.order == GptqOptions::Order::kByActivation) {
    std::ranges::stable_sort(factor.order, std::greater<>(),
                             [&](size_t i) { return Moment(gram, i, i); });
  }
  std::vector<double> h(size * size);
  threads.ForEachPart(size, [&](size_t i, size_t) {
    for (size_t j = 0; j < size; ++j) {
      h[i * size + j] = Moment(gram, factor.order[i], factor.order[j]);
    }
  });
  if (!std::ranges::all_of(h, [](double moment) { return std::isfinite(moment); })) {
    return BadInput("gptq: the inputs' second moments are not finite");
  }
  factor.dead.resize(size);
  double sum = 0.0;
  for (size_t i = 0; i < size; ++i) {
    double& moment = h[i * size + i];
    factor.dead[factor.order[i]] = moment == 0.0;
    if (moment == 0.0) moment = 1.0;
    sum += moment;
  }
  const double mean = sum / static_cast<double>(size);
  for (factor.damping = options.damping; factor.damping <= 1.0; factor.damping += kDampingStep) {
    std::vector<double> damped = h;
    for (size_t i = 0; i < size; ++i) damped[i * size + i] += factor.damping * mean;
    factor.upper = UpperFactorOfInverse(damped, size, threads);
    if (!factor.upper.empty()) return factor;
  }
  return BadInput("gptq: the inputs' second moments cannot be inverted, damped by {} and more",
                  options.damping);
}

Result<EncodedMatrix> EncodeGptq(const Format& format, ConstMatrixView weights,
                                 const GptqFactor& factor, const GptqOptions& options,
                                 ThreadPool& threads) {
  if (format.pack == nullptr) {
    return Unsupported("gptq: {} makes its scales of others and cannot keep those of a fit",
                       format.name);
  }
  BITLOSS_CHECK(factor.order.size() == weights.cols);
  const Matrix alive = WithoutDead(weights, factor);
  BITLOSS_TRY(const EncodedMatrix nearest, format.encode(format, alive));
  GroupedCodes grouped = format.unpack(nearest);
  const bool reorders = options.order == GptqOptions::Order::kByActivation;
  const bool static_groups = options.groups == GptqOptions::Groups::kStatic ||
                             (reorders && format.group_order == GroupOrder::kNeighbours) ||
                             !GroupsCanWait(format);
  if (!static_groups && reorders) {
    for (size_t p = 0; p < weights.cols; ++p) {
      grouped.group_of[factor.order[p]] = static_cast<uint32_t>(p / format.group_size);
    }
  }
  std::vector<Status> results((weights.rows + kPanelRows - 1) / kPanelRows);
  threads.ForEachPart(results.size(), [&](size_t part, size_t) {
    const size_t first = part * kPanelRows;
    results[part] = RowRounder(format, alive, factor, static_groups, grouped)
                        .Round(first, std::min(kPanelRows, weights.rows - first));
  });
  for (const Status& status : results) BITLOSS_DO(status);
  return format.pack(format, weights.rows, weights.cols, grouped);
}

}  // namespace bitloss
