// Gemma 3n's blocks: a token has several residual streams, of which a block computes one; the
// others are predicted from all of them, and corrected by what it found (AltUp, Baykal et al.
// 2023). Beside attention runs a narrow way of its own.
#include <cmath>
#include <numeric>

#include "bitloss/model/transformer.h"

namespace bitloss {
namespace {

std::vector<size_t> AllRows(size_t count) {
  std::vector<size_t> rows(count);
  std::iota(rows.begin(), rows.end(), size_t{0});
  return rows;
}

std::vector<float> Column(ConstMatrixView matrix, size_t col) {
  std::vector<float> values;
  for (size_t row = 0; row < matrix.rows; ++row) values.push_back(matrix.Row(row)[col]);
  return values;
}

double MeanSquare(std::span<const float> row) {
  double sum = 0.0;
  for (const float value : row) sum += double{value} * double{value};
  return sum / static_cast<double>(row.size());
}

}  // namespace

DeviceView Transformer::StreamOf(DeviceView stream, size_t number) const {
  const size_t width = config_.hidden_size;
  return stream.Cols(number * width, (number + 1) * width);
}

// y times rms(like) / rms(y), row by row.
void Transformer::MatchMagnitude(ConstDeviceView like, DeviceView y) const {
  constexpr double kLeast = 1e-5;  // of a mean square
  Matrix like_staging, staging;
  const ConstMatrixView target = backend_.OnHost(like, like_staging);
  const ConstMatrixView rows = backend_.OnHost(y, staging);
  std::vector<float> factors;
  for (size_t row = 0; row < rows.rows; ++row) {
    const double size = std::max(MeanSquare(rows.Row(row)), kLeast);
    factors.push_back(static_cast<float>(std::sqrt(MeanSquare(target.Row(row)) / size)));
  }
  backend_.ScaleRows(factors, y);
}

// The other streams of an embedded token, each a projection as large as the first.
void Transformer::SpreadStreams(const LaneWeights& lane, DeviceView stream) const {
  const DeviceView first = StreamOf(stream, 0);
  const RowRange all{0, stream.rows};
  Tensor projected(backend_.memory(), first.rows, first.cols);
  for (size_t k = 1; k < config_.altup->streams; ++k) {
    backend_.MatMul(*lane.per_layer->into_streams[k - 1], {}, first, {&all, 1}, projected);
    MatchMagnitude(first, projected);
    backend_.Copy(projected, StreamOf(stream, k));
  }
}

// The mean of all of them, projected back, in the place of the first.
void Transformer::GatherStreams(const LaneWeights& lane, DeviceView stream) const {
  const DeviceView first = StreamOf(stream, 0);
  const RowRange all{0, stream.rows};
  Tensor projected(backend_.memory(), first.rows, first.cols);
  Tensor sum(backend_.memory(), first.rows, first.cols);
  backend_.Copy(first, sum);
  for (size_t k = 1; k < config_.altup->streams; ++k) {
    backend_.MatMul(*lane.per_layer->out_of_streams[k - 1], {}, StreamOf(stream, k), {&all, 1},
                    projected);
    MatchMagnitude(first, projected);
    backend_.Add(projected, sum);
  }
  backend_.Scale(1.0f / static_cast<float>(config_.altup->streams), sum);
  backend_.Copy(sum, first);
}

// W tanh(R norm(x) / hidden_size): what is predicted or corrected by how much.
Matrix Transformer::StreamCoefficients(const Pass& pass, Kept coefficients, ConstDeviceView x) {
  Scratch& s = scratch_;
  const std::span<const RowRange> calls = pass.batch.sequences();
  const size_t streams = config_.altup->streams;
  s.normed.Resize(x.rows, x.cols);
  Norm(config_.norm_kind, x, pass.weights.part(Kept::kStreamRouterNorm), config_.rms_norm_eps,
       s.normed);
  backend_.Scale(1.0f / static_cast<float>(config_.hidden_size), s.normed);
  s.routed.Resize(x.rows, streams);
  backend_.MatMul(pass.weights.matrix(Kept::kStreamRouter), {}, s.normed, calls, s.routed);
  backend_.ChangeRows(s.routed, [](std::span<float> row) {
    for (float& value : row) value = static_cast<float>(std::tanh(double{value}));
  });
  Tensor result(backend_.memory(), x.rows, pass.weights.matrix(coefficients).out_features());
  backend_.MatMul(pass.weights.matrix(coefficients), {}, s.routed, calls, result);
  return backend_.ToMatrix(result);
}

// predictions_q = x_q + sum_p c[q][p] x_p.
void Transformer::PredictStreams(const Pass& pass, DeviceView stream) {
  Scratch& s = scratch_;
  const size_t streams = config_.altup->streams;
  const Matrix coefficients =
      StreamCoefficients(pass, Kept::kStreamPrediction, StreamOf(stream, config_.altup->active));
  const std::vector<size_t> rows = AllRows(stream.rows);
  s.predictions.Resize(stream.rows, streams * config_.hidden_size);
  backend_.Copy(stream.Cols(0, s.predictions.cols()), s.predictions);
  for (size_t q = 0; q < streams; ++q) {
    for (size_t p = 0; p < streams; ++p) {
      backend_.AddWeighted(StreamOf(stream, p), rows, Column(coefficients, q * streams + p),
                           StreamOf(s.predictions, q));
    }
  }
}

// x_q = predictions_q + (1 + c[q]) (found - predictions_active).
void Transformer::CorrectStreams(const Pass& pass, ConstDeviceView found, DeviceView stream) {
  Scratch& s = scratch_;
  Matrix coefficients = StreamCoefficients(pass, Kept::kStreamCorrection, found);
  for (float& value : coefficients.flat()) value += 1.0f;
  const std::vector<size_t> rows = AllRows(stream.rows);
  s.delta.Resize(found.rows, found.cols);
  backend_.Copy(found, s.delta);
  backend_.AddWeighted(StreamOf(s.predictions, config_.altup->active), rows,
                       std::vector<float>(rows.size(), -1.0f), s.delta);
  backend_.Copy(s.predictions, stream.Cols(0, s.predictions.cols()));
  for (size_t q = 0; q < config_.altup->streams; ++q) {
    backend_.AddWeighted(s.delta, rows, Column(coefficients, q), StreamOf(stream, q));
  }
}

// The way around attention: x + norm(W' W x).
void Transformer::RunLaurel(const Pass& pass, ConstDeviceView x) {
  Scratch& s = scratch_;
  const std::span<const RowRange> calls = pass.batch.sequences();
  s.narrow.Resize(x.rows, config_.altup->laurel_rank);
  backend_.MatMul(pass.weights.matrix(Kept::kLaurelDown), {}, x, calls, s.narrow);
  s.laurel.Resize(x.rows, x.cols);
  backend_.MatMul(pass.weights.matrix(Kept::kLaurelUp), {}, s.narrow, calls, s.laurel);
  Norm(config_.norm_kind, s.laurel, pass.weights.part(Kept::kLaurelNorm), config_.rms_norm_eps,
       s.laurel);
  backend_.Add(x, s.laurel);
}

void Transformer::StreamsBlock(const Pass& pass, DeviceView stream) {
  Scratch& s = scratch_;
  PredictStreams(pass, stream);
  s.parallel.Resize(stream.rows, config_.hidden_size);
  backend_.Copy(StreamOf(s.predictions, config_.altup->active), s.parallel);
  const DeviceView x = s.parallel;
  const ConstDeviceView input = InputOf(pass, BlockPart::kAttention, x);
  RunLaurel(pass, input);
  MixTokens(pass, input, s.delta);
  AddPart(pass, BlockPart::kAttention, s.delta, x);
  backend_.Add(s.laurel, x);
  backend_.Scale(std::sqrt(0.5f), x);
  FeedForward(pass, InputOf(pass, BlockPart::kMlp, x), x, s.delta);
  AddPart(pass, BlockPart::kMlp, s.delta, x);
  CorrectStreams(pass, x, stream);

  backend_.Copy(StreamOf(stream, config_.altup->active), x);
  if (config_.altup->scales_output) {
    Matrix staging;
    const std::span<const float> scale =
        backend_.OnHost(pass.weights.part(Kept::kStreamScale), staging).Row(0);
    backend_.ChangeRows(x, [scale](std::span<float> row) {
      for (size_t i = 0; i < row.size(); ++i) row[i] *= scale[i];
    });
  }
  PerLayerOutput(pass, x, s.delta);
  for (size_t k = 1; k < config_.altup->streams; ++k) backend_.Add(s.delta, StreamOf(stream, k));
}

// Of gates only what is far above their mean is left: max(z - mean - cutoff * deviation, 0).
void Transformer::CutGates(double cutoff, DeviceView gates) const {
  backend_.ChangeRows(gates, [cutoff](std::span<float> row) {
    double sum = 0.0;
    for (const float value : row) sum += double{value};
    const double mean = sum / static_cast<double>(row.size());
    double squares = 0.0;
    for (const float value : row) squares += (double{value} - mean) * (double{value} - mean);
    const double deviation = std::sqrt(squares / static_cast<double>(row.size()));
    const auto least = static_cast<float>(mean + cutoff * deviation);
    for (float& value : row) value = std::max(value - least, 0.0f);
  });
}

}  // namespace bitloss
