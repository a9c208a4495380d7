#include "bitloss/quant/fit/awq.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "bitloss/base/sum.h"

namespace bitloss {
namespace {

constexpr size_t kColumnsOfPart = 64;
constexpr size_t kSliceRows = 64;  // rows of a matrix that are one part of the work
// Of a limit: sums that are rounded may fall short of their parts by less than this.
constexpr double kRoundedUp = 1.0 + 1e-12;

// 0 to count - 1, the middle first.
std::vector<size_t> FromTheMiddle(size_t count) {
  std::vector<size_t> order;
  const size_t middle = count / 2;
  for (size_t distance = 0; order.size() < count; ++distance) {
    if (distance <= middle) order.push_back(middle - distance);
    if (distance > 0 && middle + distance < count) order.push_back(middle + distance);
  }
  return order;
}

std::vector<float> ToFloats(std::span<const double> values) {
  std::vector<float> floats;
  for (const double value : values) floats.push_back(static_cast<float>(value));
  return floats;
}

struct Slice {
  size_t matrix;
  size_t begin;  // rows
  size_t end;
};

std::vector<Slice> CutIntoSlices(std::span<const ConstMatrixView> matrices) {
  std::vector<Slice> slices;
  for (size_t m = 0; m < matrices.size(); ++m) {
    for (size_t row = 0; row < matrices[m].rows; row += kSliceRows) {
      slices.push_back({m, row, std::min(row + kSliceRows, matrices[m].rows)});
    }
  }
  return slices;
}

// Work on slices that can fail; the first failure in the order of slices is what is returned.
Status ForEachSlice(std::span<const Slice> slices, ThreadPool& threads,
                    const std::function<Status(const Slice&)>& work) {
  std::vector<Status> results(slices.size());
  threads.ForEachPart(slices.size(),
                      [&](size_t part, size_t) { results[part] = work(slices[part]); });
  const auto failed = std::ranges::find_if(results, [](const Status& s) { return !s.ok(); });
  return failed == results.end() ? Ok() : *failed;
}

// out = Q(weights diag(scales)) diag(scales)^-1.
Status ScaledRoundTrip(const Format& format, ConstMatrixView weights, std::span<const float> scales,
                       MatrixView out) {
  for (size_t row = 0; row < out.rows; ++row) {
    const std::span<const float> from = weights.Row(row);
    const std::span<float> to = out.Row(row);
    for (size_t i = 0; i < to.size(); ++i) to[i] = from[i] * scales[i];
  }
  BITLOSS_DO(Round(format, out, out));
  for (size_t row = 0; row < out.rows; ++row) {
    const std::span<float> to = out.Row(row);
    for (size_t i = 0; i < to.size(); ++i) to[i] /= scales[i];
  }
  return Ok();
}

float AbsMax(std::span<const float> values) {
  float absmax = 0.0f;
  for (const float value : values) absmax = std::max(absmax, std::abs(value));
  return absmax;
}

// The grams of a matrix's groups of input columns.
std::vector<Gram> GroupGrams(ConstMatrixView x, size_t group_size, size_t step,
                             ThreadPool& threads) {
  std::vector<Gram> grams(x.cols / group_size);
  threads.ForEachPart(grams.size(), [&](size_t group, size_t) {
    grams[group] = MakeGram(x.Cols(group * group_size, (group + 1) * group_size), step);
  });
  return grams;
}

// The clipping search on a slice of rows.
class SliceClipper {
 public:
  SliceClipper(const Format& format, std::span<const Gram> grams, MatrixView weights)
      : format_(format),
        grams_(grams),
        weights_(weights),
        clipped_(weights.rows, weights.cols),
        bounds_(weights.rows * grams.size()),
        best_bounds_(bounds_.size(), std::numeric_limits<float>::infinity()),
        best_errors_(bounds_.size(), std::numeric_limits<double>::infinity()) {}

  Status Run() {
    for (size_t step = 0; step < kAwqClipSteps; ++step) BITLOSS_DO(Try(step));
    ForEachGroup([&](size_t index, std::span<float> group, std::span<float>) {
      Clamp(group, best_bounds_[index], group);
    });
    return Ok();
  }

 private:
  static void Clamp(std::span<const float> group, float bound, std::span<float> out) {
    for (size_t i = 0; i < out.size(); ++i) out[i] = std::min(std::max(group[i], -bound), bound);
  }

  // work(index, group of the weights, the same group of clipped_).
  template <class Work>
  void ForEachGroup(const Work& work) {
    const size_t size = format_.group_size;
    for (size_t row = 0; row < weights_.rows; ++row) {
      for (size_t g = 0; g < grams_.size(); ++g) {
        work(row * grams_.size() + g, weights_.Row(row).subspan(g * size, size),
             clipped_.Row(row).subspan(g * size, size));
      }
    }
  }

  // Measures one bound of every group and keeps it where it is the best so far.
  Status Try(size_t step) {
    const float share = static_cast<float>(1.0 - static_cast<double>(step) / 20.0);
    ForEachGroup([&](size_t index, std::span<const float> group, std::span<float> out) {
      bounds_[index] = AbsMax(group) * share;
      Clamp(group, bounds_[index], out);
    });
    BITLOSS_DO(Round(format_, clipped_, clipped_));
    ForEachGroup([](size_t, std::span<const float> group, std::span<float> out) {
      for (size_t i = 0; i < out.size(); ++i) out[i] -= group[i];
    });
    std::vector<double> errors(weights_.rows);
    for (size_t g = 0; g < grams_.size(); ++g) {
      const size_t first = g * format_.group_size;
      QuadraticForms(grams_[g], clipped_.view().Cols(first, first + format_.group_size), errors);
      for (size_t row = 0; row < errors.size(); ++row) {
        const size_t index = row * grams_.size() + g;
        if (!(errors[row] < best_errors_[index])) continue;
        best_errors_[index] = errors[row];
        best_bounds_[index] = bounds_[index];
      }
    }
    return Ok();
  }

  const Format& format_;
  std::span<const Gram> grams_;
  MatrixView weights_;
  Matrix clipped_;  // then what it lost
  std::vector<float> bounds_;
  std::vector<float> best_bounds_;
  std::vector<double> best_errors_;
};

}  // namespace

std::vector<float> ActivationMeans(ConstMatrixView x, ThreadPool& threads) {
  std::vector<double> sums(x.cols);
  threads.ForEachPart((x.cols + kColumnsOfPart - 1) / kColumnsOfPart, [&](size_t part, size_t) {
    const size_t first = part * kColumnsOfPart;
    const ConstMatrixView some = x.Cols(first, std::min(first + kColumnsOfPart, x.cols));
    for (size_t row = 0; row < some.rows; ++row) {
      const std::span<const float> values = some.Row(row);
      for (size_t i = 0; i < values.size(); ++i) sums[first + i] += std::abs(values[i]);
    }
  });
  for (double& sum : sums) sum /= static_cast<double>(x.rows);
  return ToFloats(sums);
}

std::vector<float> WeightMeans(std::span<const ConstMatrixView> weights, size_t group_size,
                               ThreadPool& threads) {
  std::vector<double> sums(weights[0].cols);
  size_t num_rows = 0;
  for (const ConstMatrixView& matrix : weights) num_rows += matrix.rows;
  threads.ForEachPart(sums.size() / group_size, [&](size_t part, size_t) {
    const size_t first = part * group_size;
    for (const ConstMatrixView& matrix : weights) {
      for (size_t row = 0; row < matrix.rows; ++row) {
        const auto group = matrix.Row(row).subspan(first, group_size);
        const double largest = AbsMax(group) + 1e-6;
        for (size_t i = 0; i < group_size; ++i) sums[first + i] += std::abs(group[i]) / largest;
      }
    }
  });
  for (double& sum : sums) sum /= static_cast<double>(num_rows);
  return ToFloats(sums);
}

std::vector<float> CandidateScales(double ratio, std::span<const float> x_means,
                                   std::span<const float> w_means) {
  std::vector<double> scales(x_means.size());
  for (size_t i = 0; i < scales.size(); ++i) {
    const double x = std::pow(double{x_means[i]}, ratio);
    const double w = std::pow(double{w_means[i]}, 1.0 - ratio);
    scales[i] = std::max(x / (w + 1e-4), 1e-4);
  }
  const auto [least, greatest] = std::ranges::minmax(scales);
  const double middle = std::sqrt(greatest * least);
  for (double& scale : scales) {
    scale /= middle;
    if (!std::isfinite(scale)) scale = 1.0;
  }
  return ToFloats(scales);
}

Result<ScaleChoice> SearchScale(const Format& format, std::span<const ConstMatrixView> weights,
                                std::span<const float> x_means, const CandidateLoss& loss,
                                ThreadPool& threads) {
  BITLOSS_CHECK(format.row_coding == RowCoding::kIndependent && format.group_size > 0);
  const std::vector<float> w_means = WeightMeans(weights, format.group_size, threads);
  const std::vector<Slice> slices = CutIntoSlices(weights);
  std::vector<Matrix> candidates;
  for (const ConstMatrixView& matrix : weights) candidates.emplace_back(matrix.rows, matrix.cols);

  ScaleChoice best;
  best.losses.resize(kAwqRatios);
  double best_loss = std::numeric_limits<double>::infinity();
  for (const size_t k : FromTheMiddle(kAwqRatios)) {
    const double ratio = static_cast<double>(k) / kAwqRatios;
    std::vector<float> scales = CandidateScales(ratio, x_means, w_means);
    BITLOSS_DO(ForEachSlice(slices, threads, [&](const Slice& s) {
      return ScaledRoundTrip(format, weights[s.matrix].Rows(s.begin, s.end), scales,
                             candidates[s.matrix].view().Rows(s.begin, s.end));
    }));
    BITLOSS_TRY(best.losses[k], loss(candidates, best_loss * kRoundedUp));
    const bool is_better =
        best.losses[k] < best_loss || (best.losses[k] == best_loss && ratio < best.ratio);
    if (!is_better || !std::isfinite(best.losses[k])) continue;
    best_loss = best.losses[k];
    best.ratio = ratio;
    best.scales = std::move(scales);
  }
  if (best.scales.empty()) {
    return BadInput("awq: no candidate's loss is a finite number; the activations overflow");
  }
  return best;
}

double LinearLoss(const InputSums& inputs, ConstMatrixView weights, ConstMatrixView candidate,
                  ThreadPool& threads, double limit) {
  const auto num_errors = static_cast<double>(inputs.num_inputs() * weights.rows);
  const size_t step = std::min(inputs.rows_at_once(), weights.rows);
  Matrix deltas(step, weights.cols);
  std::vector<double> errors(step);
  Sum total;
  for (size_t first = 0; first < weights.rows; first += step) {
    const size_t count = std::min(step, weights.rows - first);
    threads.ForEachPart(count, [&](size_t row, size_t) {
      const std::span<const float> to = candidate.Row(first + row);
      const std::span<const float> from = weights.Row(first + row);
      const std::span<float> delta = deltas.Row(row);
      for (size_t i = 0; i < delta.size(); ++i) delta[i] = to[i] - from[i];
    });
    const std::span<double> some = std::span(errors).first(count);
    inputs.FormsOf(deltas.view().Rows(0, count), some);
    for (const double error : some) total.Add(error);
    if (total.Total() / num_errors > limit) break;
  }
  return total.Total() / num_errors;
}

Status ClipGroups(const Format& format, ConstMatrixView x, ThreadPool& threads,
                  MatrixView weights) {
  BITLOSS_CHECK(format.row_coding == RowCoding::kIndependent && format.group_size > 0);
  const size_t step = std::max<size_t>(1, x.rows / kAwqClipInputs);
  const std::vector<Gram> grams = GroupGrams(x, format.group_size, step, threads);
  const ConstMatrixView all = weights;
  return ForEachSlice(CutIntoSlices({&all, 1}), threads, [&](const Slice& s) {
    return SliceClipper(format, grams, weights.Rows(s.begin, s.end)).Run();
  });
}

}  // namespace bitloss
