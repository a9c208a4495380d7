#include "bitloss/compute/backend.h"

#include <algorithm>
#include <array>
#include <limits>

#include "bitloss/base/stopwatch.h"
#include "bitloss/compute/host_tensor.h"
#include "bitloss/compute/recurrence.h"
#include "bitloss/compute/rounded_arithmetic.h"
#include "bitloss/compute/rounded_inputs.h"
#include "bitloss/quant/fit/gram.h"

namespace bitloss {
namespace {

// Does rows in parallel; the error of the first bad row, if there is one.
template <class Work>
Status ForEachRow(ThreadPool& threads, size_t num_rows, const Work& work) {
  std::vector<Status> rows(num_rows);
  threads.ForEachPart(num_rows, [&](size_t row, size_t thread) { rows[row] = work(row, thread); });
  for (const Status& row : rows) BITLOSS_DO(row);
  return Ok();
}

constexpr size_t kDistancesAtOnce = 4;  // sums side by side: none waits for its last addition

template <size_t kRows>
void AddDistances(ConstMatrixView x, ConstMatrixView y, size_t first, std::span<double> sums) {
  std::array<double, kRows> sum{};
  for (size_t i = 0; i < x.cols; ++i) {
    for (size_t r = 0; r < kRows; ++r) {
      const double difference = double{x.Row(first + r)[i]} - double{y.Row(first + r)[i]};
      sum[r] += difference * difference;
    }
  }
  std::ranges::copy(sum, sums.begin() + static_cast<ptrdiff_t>(first));
}

// No NaN and no +inf; -inf is a token that cannot come.
bool AllComparable(std::span<const float> logits) {
  bool comparable = true;
  for (const float logit : logits) comparable &= logit < std::numeric_limits<float>::infinity();
  return comparable;
}

}  // namespace

Tensor Backend::ToTensor(ConstMatrixView values) const {
  Tensor tensor(memory(), values.rows, values.cols);
  if (values.rows > 0) Upload(values, tensor);
  return tensor;
}

Tensor Backend::ToTensor(std::span<const float> values) const {
  return ToTensor(
      ConstMatrixView{values.data(), values.empty() ? 0u : 1u, values.size(), values.size()});
}

Matrix Backend::ToMatrix(ConstDeviceView values) const {
  Matrix matrix(values.rows, values.cols);
  Download(values, matrix);
  return matrix;
}

void Backend::Embed(const EncodedMatrix& table, std::span<const int32_t> tokens,
                    DeviceView x) const {
  BITLOSS_CHECK(tokens.size() == x.rows && table.cols == x.cols);
  Matrix rows(x.rows, x.cols);
  threads().ForEachPart(x.rows, [&](size_t row, size_t) {
    BITLOSS_CHECK(tokens[row] >= 0 && static_cast<size_t>(tokens[row]) < table.rows);
    table.format.decode(table, static_cast<size_t>(tokens[row]), 0, rows.Row(row));
  });
  Upload(rows, x);
}

void Backend::CopyAll(std::span<const Move> moves) const {
  for (const Move& move : moves) Copy(move.from, move.to);
}

Result<std::unique_ptr<PackedMatrix>> Backend::Pack(const EncodedMatrix& weights,
                                                    const Execution& execution,
                                                    Packing packing) const {
  const ActivationRounding* rounding = RoundingOf(execution, weights.format);
  if (rounding == nullptr) return PackMatrix(weights, execution, packing);
  BITLOSS_TRY(auto matrix, PackMatrix(weights, Execution{}, packing));
  return std::unique_ptr<PackedMatrix>(
      std::make_unique<RoundedInputs>(std::move(matrix), *rounding, execution.activation_scale));
}

void Backend::MatMul(const PackedMatrix& weights, ConstDeviceView bias, ConstDeviceView x,
                     std::span<const RowRange> calls, DeviceView y) const {
  const auto* rounded = dynamic_cast<const RoundedInputs*>(&weights);
  if (rounded == nullptr) return Multiply(weights, bias, x, calls, y);
  const Tensor inputs = rounded->Round(*this, x);
  Multiply(rounded->matrix(), bias, inputs, calls, y);
}

void Backend::MatMuls(std::span<const Product> products, ConstDeviceView x,
                      std::span<const RowRange> calls) const {
  std::vector<const RoundedInputs*> rounded;
  for (const Product& product : products) {
    const auto* inputs = dynamic_cast<const RoundedInputs*>(product.weights);
    if (inputs != nullptr) rounded.push_back(inputs);
  }
  if (rounded.empty()) return MultiplyAll(products, x, calls);
  const bool are_alike = rounded.size() == products.size() &&
                         std::ranges::all_of(rounded, [&](const RoundedInputs* inputs) {
                           return inputs->RoundsLike(*rounded[0]);
                         });
  if (!are_alike) {
    for (const Product& product : products) {
      MatMul(*product.weights, product.bias, x, calls, product.y);
    }
    return;
  }
  const Tensor inputs = rounded[0]->Round(*this, x);
  std::vector<Product> inner(products.begin(), products.end());
  for (size_t i = 0; i < inner.size(); ++i) inner[i].weights = &rounded[i]->matrix();
  MultiplyAll(inner, inputs, calls);
}

void Backend::MultiplyAll(std::span<const Product> products, ConstDeviceView x,
                          std::span<const RowRange> calls) const {
  for (const Product& product : products) {
    Multiply(*product.weights, product.bias, x, calls, product.y);
  }
}

std::unique_ptr<InputSums> Backend::SumInputs(ConstDeviceView x) const {
  Matrix staging;
  return bitloss::SumInputs(OnHost(x, staging), threads());
}

std::vector<double> Backend::SquaredDistances(ConstDeviceView a, ConstDeviceView b) const {
  BITLOSS_CHECK(a.rows == b.rows && a.cols == b.cols);
  constexpr size_t kRowsOfPart = 64;
  Matrix staging_a;
  Matrix staging_b;
  const ConstMatrixView x = OnHost(a, staging_a);
  const ConstMatrixView y = OnHost(b, staging_b);
  std::vector<double> sums(a.rows);
  threads().ForEachPart((a.rows + kRowsOfPart - 1) / kRowsOfPart, [&](size_t part, size_t) {
    const size_t end = std::min(a.rows, (part + 1) * kRowsOfPart);
    size_t row = part * kRowsOfPart;
    for (; row + kDistancesAtOnce <= end; row += kDistancesAtOnce) {
      AddDistances<kDistancesAtOnce>(x, y, row, sums);
    }
    for (; row < end; ++row) AddDistances<1>(x, y, row, sums);
  });
  return sums;
}

void Backend::RoundActivations(Execution::Kind execution, ConstDeviceView from,
                               DeviceView to) const {
  Matrix rows = ToMatrix(from);
  RoundRows(execution, threads(), rows);
  Upload(rows, to);
}

void Backend::ChangeRows(DeviceView x, const std::function<void(std::span<float>)>& change) const {
  Matrix staging;
  const bool on_host = OnHost(x, staging).data == x.data;
  const MatrixView rows = on_host ? HostView(x) : staging.view();
  threads().ForEachPart(rows.rows, [&](size_t row, size_t) { change(rows.Row(row)); });
  if (!on_host) Upload(rows, x);
}

void Backend::AttentionInFp16(const AttentionShape& shape, ConstDeviceView queries,
                              std::span<const AttentionSequence> sequences, DeviceView out) const {
  std::vector<Matrix> staging(2 * sequences.size() + 1);
  std::vector<HostSequence> on_host;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const AttentionSequence& sequence = sequences[i];
    on_host.push_back({sequence.rows, sequence.first_position,
                       OnHost(sequence.keys, staging[2 * i]),
                       OnHost(sequence.values, staging[2 * i + 1])});
  }
  Matrix sinks;
  AttentionShape host_shape = shape;
  if (shape.sinks.rows > 0) {
    const ConstMatrixView on = OnHost(shape.sinks, sinks);
    host_shape.sinks = {on.data, on.rows, on.cols, on.stride};
  }
  Matrix result = ToMatrix(out);  // rows of other sequences stay as they are
  AttendInFp16(host_shape, OnHost(queries, staging.back()), on_host, threads(), result);
  Upload(result, out);
}

namespace {

// The states of sequences on the host, which go back to where they lie when it is over.
class StatesOnHost {
 public:
  StatesOnHost(const Backend& backend, std::span<const RecurrentSequence> sequences)
      : backend_(backend), sequences_(sequences), states_(sequences.size()) {
    for (size_t i = 0; i < sequences.size(); ++i) {
      if (sequences[i].state.rows > 0) states_[i] = backend.ToMatrix(sequences[i].state);
      on_host_.push_back({sequences[i].rows, states_[i]});
    }
  }
  std::span<const HostRecurrentSequence> sequences() const { return on_host_; }
  void Upload() const {
    for (size_t i = 0; i < states_.size(); ++i) {
      if (states_[i].rows() > 0) backend_.Upload(states_[i], sequences_[i].state);
    }
  }

 private:
  const Backend& backend_;
  std::span<const RecurrentSequence> sequences_;
  std::vector<Matrix> states_;
  std::vector<HostRecurrentSequence> on_host_;
};

}  // namespace

void Backend::ShortConvolution(ConstDeviceView kernel, ConstDeviceView x,
                               std::span<const RecurrentSequence> sequences, DeviceView y) const {
  BITLOSS_CHECK(kernel.rows == x.cols && y.cols == x.cols && y.rows == x.rows && kernel.cols > 0);
  Matrix kernel_staging;
  Matrix x_staging;
  const StatesOnHost states(*this, sequences);
  Matrix result(y.rows, y.cols);
  ConvolveRows(OnHost(kernel, kernel_staging), OnHost(x, x_staging), states.sequences(), threads(),
               result);
  Upload(result, y);
  states.Upload();
}

void Backend::DeltaRule(const DeltaShape& shape, const DeltaInputs& inputs,
                        std::span<const RecurrentSequence> sequences, DeviceView out) const {
  std::array<Matrix, 3> staging;
  const HostDeltaInputs on_host{OnHost(inputs.queries, staging[0]), OnHost(inputs.keys, staging[1]),
                                OnHost(inputs.values, staging[2]), inputs.decays, inputs.rates};
  const StatesOnHost states(*this, sequences);
  Matrix result(out.rows, out.cols);
  RunDeltaRule(shape, on_host, states.sequences(), threads(), result);
  Upload(result, out);
  states.Upload();
}

Result<std::vector<RowSummary>> Backend::Summarize(ConstDeviceView logits) const {
  Matrix staging;
  const ConstMatrixView rows = OnHost(logits, staging);
  std::vector<RowSummary> summaries(rows.rows);
  BITLOSS_DO(ForEachRow(threads(), rows.rows, [&](size_t row, size_t) -> Status {
    BITLOSS_TRY(summaries[row], bitloss::Summarize(rows.Row(row)));
    return Ok();
  }));
  return summaries;
}

Result<Backend::Comparison> Backend::Compare(ConstDeviceView base,
                                             std::span<const RowSummary> base_summaries,
                                             ConstDeviceView lane) const {
  BITLOSS_CHECK(base.rows == lane.rows && base.cols == lane.cols);
  BITLOSS_CHECK(base_summaries.size() == base.rows);
  Matrix base_staging;
  Matrix lane_staging;
  const ConstMatrixView base_rows = OnHost(base, base_staging);
  const ConstMatrixView lane_rows = OnHost(lane, lane_staging);
  Comparison comparison{std::vector<RowSummary>(lane.rows), std::vector<Divergence>(lane.rows)};
  std::vector<double> seconds(threads().num_threads());
  BITLOSS_DO(ForEachRow(threads(), lane.rows, [&](size_t row, size_t thread) -> Status {
    RowSummary& summary = comparison.summaries[row];
    BITLOSS_TRY(summary, bitloss::Summarize(lane_rows.Row(row)));
    const auto start = Clock::now();
    comparison.divergences[row] =
        bitloss::Compare(base_rows.Row(row), base_summaries[row], lane_rows.Row(row), summary);
    seconds[thread] += SecondsSince(start);
    return Ok();
  }));
  for (const double s : seconds) comparison.seconds += s / static_cast<double>(seconds.size());
  return comparison;
}

std::vector<Backend::TopTokens> Backend::FindTop(ConstDeviceView logits, size_t k) const {
  Matrix staging;
  const ConstMatrixView rows = OnHost(logits, staging);
  std::vector<TopTokens> tops(rows.rows);
  threads().ForEachPart(rows.rows, [&](size_t i, size_t) {
    const std::span<const float> row = rows.Row(i);
    if (!AllComparable(row)) return;
    tops[i].comparable = true;
    if (k > 1) {
      tops[i].tokens = TopK(row, k);
    } else {
      const int32_t best = ArgMax(row);
      tops[i].tokens = {{best, row[static_cast<size_t>(best)]}};
    }
  });
  return tops;
}

void Backend::Read(ConstDeviceView from, std::span<const Element> elements,
                   std::span<float> values) const {
  BITLOSS_CHECK(elements.size() == values.size());
  Matrix staging;
  const ConstMatrixView rows = OnHost(from, staging);
  for (size_t i = 0; i < elements.size(); ++i) {
    BITLOSS_CHECK(elements[i].col < rows.cols);
    values[i] = rows.Row(elements[i].row)[elements[i].col];
  }
}

bool CoverRows(std::span<const RowRange> ranges, size_t num_rows) {
  size_t row = 0;
  for (const RowRange& range : ranges) {
    if (range.begin != row || range.end < range.begin) return false;
    row = range.end;
  }
  return row == num_rows;
}

}  // namespace bitloss
