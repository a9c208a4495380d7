#include "bitloss/model/observed.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace bitloss {
namespace {

class Recorder final : public BlockTap {
 public:
  Recorder(const Backend& backend, Observed& seen) : backend_(backend), seen_(seen) {}

  void BeforeLinears(std::span<const size_t> linears, ConstDeviceView inputs) override {
    seen_.inputs.push_back({{linears.begin(), linears.end()}, backend_.ToMatrix(inputs)});
  }
  void AfterPart(BlockPart part, const PartInput& input, ConstDeviceView output) override {
    Observed::Part& seen = seen_.parts[static_cast<size_t>(part)];
    seen.input = backend_.ToMatrix(input.input);
    if (input.stream.rows > 0) seen.stream = backend_.ToMatrix(input.stream);
    seen.output = backend_.ToMatrix(output);
  }
  bool WantsAllRows(size_t num_rows) override { return num_rows < kFewestExpertRows; }

 private:
  const Backend& backend_;
  Observed& seen_;
};

}  // namespace

const Matrix& Observed::InputOf(size_t linear) const {
  const auto found = std::ranges::find_if(inputs, [linear](const Input& input) {
    return std::ranges::find(input.linears, linear) != input.linears.end();
  });
  BITLOSS_CHECK(found != inputs.end());
  return found->rows;
}

Matrix& Observed::InputOf(size_t linear) {
  return const_cast<Matrix&>(std::as_const(*this).InputOf(linear));  // NOLINT: it is its own
}

Observed Observe(Transformer& transformer, const LayerWeights& weights, size_t layer,
                 const Batch& batch, ConstDeviceView inputs) {
  const Backend& backend = transformer.backend();
  Observed seen;
  Recorder recorder(backend, seen);
  Tensor x(backend.memory(), inputs.rows, inputs.cols);
  backend.Copy(inputs, x);
  transformer.Layer(weights, layer, batch, recorder, x);
  return seen;
}

std::vector<float> MeanSquares(ConstMatrixView x) {
  std::vector<double> sums(x.cols);
  for (size_t row = 0; row < x.rows; ++row) {
    const std::span<const float> values = x.Row(row);
    for (size_t i = 0; i < values.size(); ++i) sums[i] += double{values[i]} * double{values[i]};
  }
  std::vector<float> means;
  for (const double sum : sums) means.push_back(static_cast<float>(sum / double(x.rows)));
  return means;
}

std::vector<float> ColumnMaxima(ConstMatrixView x) {
  std::vector<float> maxima(x.cols);
  for (size_t row = 0; row < x.rows; ++row) {
    const std::span<const float> values = x.Row(row);
    for (size_t i = 0; i < values.size(); ++i) maxima[i] = std::max(maxima[i], std::abs(values[i]));
  }
  return maxima;
}

Matrix CopyOf(ConstMatrixView from) {
  Matrix copy(from.rows, from.cols);
  for (size_t row = 0; row < from.rows; ++row) {
    std::ranges::copy(from.Row(row), copy.Row(row).begin());
  }
  return copy;
}

LayerSource CopyOfKept(const LayerSource& from) {
  LayerSource copy{
      .plan = from.plan, .weights = {}, .biases = from.biases, .kept = {}, .plain = from.plain};
  copy.weights.resize(from.weights.size());
  for (size_t i = 0; i < kNumKept; ++i) copy.kept[i] = CopyOf(from.kept[i]);
  return copy;
}

LayerSource CopyOf(const LayerSource& from) {
  LayerSource copy = CopyOfKept(from);
  for (size_t i = 0; i < from.weights.size(); ++i) copy.weights[i] = CopyOf(from.weights[i]);
  return copy;
}

}  // namespace bitloss
