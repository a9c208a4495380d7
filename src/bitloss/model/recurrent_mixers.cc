// What mixes tokens through a state instead of keys and values: delta rules and short convolutions.
#include <cmath>

#include "bitloss/model/transformer.h"

namespace bitloss {
namespace {

double Logistic(double x) { return 1.0 / (1.0 + std::exp(-x)); }
// log(1 + e^x).
double SoftPlus(double x) { return x > 20.0 ? x : std::log1p(std::exp(x)); }

std::vector<RecurrentSequence> Columns(std::span<const RecurrentSequence> sequences, size_t first,
                                       size_t count) {
  std::vector<RecurrentSequence> columns;
  for (const RecurrentSequence& sequence : sequences) {
    const DeviceView state = sequence.state;
    columns.push_back({sequence.rows, state.rows == 0 ? state : state.Cols(first, first + count)});
  }
  return columns;
}

}  // namespace

std::vector<RecurrentSequence> Transformer::Begin(const Pass& pass,
                                                  DeviceView (KvCache::*state)(size_t, size_t)) {
  BITLOSS_CHECK(!pass.batch.has_branches());  // a state is of one sequence
  std::vector<RecurrentSequence> sequences;
  for (size_t i = 0; i < pass.batch.sequences().size(); ++i) {
    RecurrentSequence& sequence = sequences.emplace_back();
    sequence.rows = pass.batch.sequences()[i];
    if (pass.cache == nullptr) continue;
    sequence.state = (pass.cache->*state)(pass.batch.slots()[i], pass.layer);
    if (pass.batch.first_position(i) > 0) continue;
    Matrix zeros(sequence.state.rows, sequence.state.cols);
    zeros.Fill(0.0f);
    backend_.Upload(zeros, sequence.state);
  }
  return sequences;
}

// Convolves what stands for channels [first, first + x.cols).
void Transformer::ConvolveColumns(const Pass& pass, std::span<const RecurrentSequence> sequences,
                                  size_t first, ConstDeviceView x, Tensor& y) {
  const ConstDeviceView kernel = pass.weights.part(Kept::kConvolution);
  y.Resize(x.rows, x.cols);
  backend_.ShortConvolution(kernel.Rows(first, first + x.cols), x,
                            Columns(sequences, first, x.cols), y);
}

Transformer::Rates Transformer::RatesOf(const Pass& pass, ConstDeviceView input) {
  const size_t heads = config_.delta->shape.value_heads;
  Rates result{Matrix(input.rows, heads), Matrix(input.rows, heads)};
  Matrix bias_staging;
  Matrix log_staging;
  const auto bias = backend_.OnHost(pass.weights.part(Kept::kDecayBias), bias_staging).Row(0);
  const auto log = backend_.OnHost(pass.weights.part(Kept::kDecayLog), log_staging).Row(0);
  Matrix staging;
  const auto multiply = [&](Kept kept) {
    scratch_.routed.Resize(input.rows, heads);
    backend_.MatMul(pass.weights.matrix(kept), {}, input, pass.batch.sequences(), scratch_.routed);
    return backend_.OnHost(scratch_.routed, staging);
  };
  const ConstMatrixView decays = multiply(Kept::kDecayInput);
  for (size_t row = 0; row < input.rows; ++row) {
    for (size_t head = 0; head < heads; ++head) {
      const double step = SoftPlus(double{decays.Row(row)[head]} + double{bias[head]});
      result.decays.Row(row)[head] =
          static_cast<float>(std::exp(-std::exp(double{log[head]}) * step));
    }
  }
  const ConstMatrixView rates = multiply(Kept::kRateInput);
  for (size_t row = 0; row < input.rows; ++row) {
    for (size_t head = 0; head < heads; ++head) {
      result.rates.Row(row)[head] = static_cast<float>(Logistic(double{rates.Row(row)[head]}));
    }
  }
  return result;
}

void Transformer::RunDeltaRule(const Pass& pass, ConstDeviceView input) {
  Scratch& s = scratch_;
  const DeltaSpec& delta = *config_.delta;
  const LayerPlan& plan = *pass.weights.plan;
  const LinearOutput projections[] = {{plan.At(Linear::kQuery), &s.queries},
                                      {plan.At(Linear::kKey), &s.keys},
                                      {plan.At(Linear::kValue), &s.values},
                                      {plan.At(Linear::kHeadGate), &s.gating}};
  Multiply(pass, projections, pass.batch.sequences(), input);
  const Rates rates = RatesOf(pass, input);

  const std::vector<RecurrentSequence> past = Begin(pass, &KvCache::Past);
  size_t first = 0;
  for (Tensor* x : {&s.queries, &s.keys, &s.values}) {
    ConvolveColumns(pass, past, first, *x, s.projected);
    first += x->cols();
    std::swap(*x, s.projected);
    backend_.Gate({.gating = Gating::kSigmoid}, *x, *x, *x);  // silu
  }
  // To length 1, queries to 1 / sqrt(dim).
  const size_t dim = delta.shape.key_dim;
  const float eps = 1e-6f / static_cast<float>(dim);
  backend_.RmsNorm(ByHead(s.queries, dim), query_units_, eps, ByHead(s.queries, dim));
  backend_.RmsNorm(ByHead(s.keys, dim), key_units_, eps, ByHead(s.keys, dim));

  s.heads.Resize(input.rows, delta.value_width());
  backend_.DeltaRule(delta.shape, {s.queries, s.keys, s.values, rates.decays, rates.rates},
                     Begin(pass, &KvCache::State), s.heads);
  const DeviceView heads = ByHead(s.heads, delta.shape.value_dim);
  backend_.RmsNorm(heads, pass.weights.part(Kept::kStateNorm),
                   static_cast<float>(config_.rms_norm_eps), heads);
  backend_.Gate({.gating = Gating::kSilu}, s.gating, s.heads, s.heads);
}

// heads = C (convolution of B y), with B, C and y in the columns of one projection.
void Transformer::Convolve(const Pass& pass, ConstDeviceView input) {
  Scratch& s = scratch_;
  const size_t width = config_.hidden_size;
  const LinearOutput projection{pass.weights.plan->At(Linear::kConvolved), &s.projected};
  Multiply(pass, {&projection, 1}, pass.batch.sequences(), input);
  const ConstDeviceView all = s.projected;
  s.values.Resize(input.rows, width);
  backend_.Gate({.gating = Gating::kProduct}, all.Cols(0, width), all.Cols(2 * width, 3 * width),
                s.values);
  ConvolveColumns(pass, Begin(pass, &KvCache::Past), 0, s.values, s.heads);
  backend_.Gate({.gating = Gating::kProduct}, all.Cols(width, 2 * width), s.heads, s.heads);
}

}  // namespace bitloss
