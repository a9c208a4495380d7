// What a block does to each row by itself: one MLP, or those of the experts that its router
// chooses.
#include <cmath>

#include "bitloss/model/transformer.h"

namespace bitloss {

void Transformer::FeedForward(const Pass& pass, ConstDeviceView input, ConstDeviceView x,
                              Tensor& delta) {
  if (HasExpertsBeside(*pass.weights.plan)) return FeedForwardBeside(pass, input, x, delta);
  if (pass.weights.plan->experts.empty()) {
    RunMlp(pass, *pass.weights.plan->mlp, pass.batch.sequences(), input, delta);
  } else {
    RunExperts(pass, input, x, delta);
  }
  if (pass.tap != nullptr) pass.tap->AfterPart(BlockPart::kMlp, {input}, delta);
}

// delta = n1(mlp(input)) + n2(experts(n(x))).
void Transformer::FeedForwardBeside(const Pass& pass, ConstDeviceView input, ConstDeviceView x,
                                    Tensor& delta) {
  Scratch& s = scratch_;
  RunMlp(pass, *pass.weights.plan->mlp, pass.batch.sequences(), input, delta);
  if (pass.tap != nullptr) pass.tap->AfterPart(BlockPart::kMlp, {input}, delta);
  const auto norm = [&](Kept kept, ConstDeviceView from, DeviceView to) {
    Norm(config_.norm_kind, from, pass.weights.part(kept), config_.rms_norm_eps, to);
  };
  norm(Kept::kPostDenseNorm, delta, delta);
  s.normed.Resize(x.rows, x.cols);
  norm(Kept::kPreExpertsNorm, x, s.normed);
  RunExperts(pass, s.normed, x, s.parallel);
  if (pass.tap != nullptr) pass.tap->AfterPart(BlockPart::kExperts, {s.normed, x}, s.parallel);
  norm(Kept::kPostExpertsNorm, s.parallel, s.parallel);
  backend_.Add(s.parallel, delta);
}

// delta = down(activation(gate, up)) of `input`.
void Transformer::RunMlp(const Pass& pass, const MlpPlaces& mlp, std::span<const RowRange> calls,
                         ConstDeviceView input, Tensor& delta) {
  Scratch& s = scratch_;
  if (mlp.gate) {
    const LinearOutput both[] = {{*mlp.gate, &s.gate}, {mlp.up, &s.activated}};
    Multiply(pass, both, calls, input);
    const std::optional<double> cutoff = config_.layer(pass.layer).gate_cutoff;
    if (cutoff) CutGates(*cutoff, s.gate);
    backend_.Gate(config_.activation, s.gate, s.activated, s.activated);
  } else {
    const LinearOutput up{mlp.up, &s.activated};
    Multiply(pass, {&up, 1}, calls, input);
    backend_.Gate(config_.activation, {}, s.activated, s.activated);
  }
  const LinearOutput down{mlp.down, &delta};
  Multiply(pass, {&down, 1}, calls, s.activated);
}

Routing Transformer::RouteRows(const Pass& pass, ConstDeviceView input) {
  Scratch& s = scratch_;
  const ExpertsSpec& experts = *config_.experts;
  s.routed.Resize(input.rows, experts.count);
  backend_.MatMul(pass.weights.matrix(Kept::kRouter), pass.weights.part(Kept::kRouterBias), input,
                  pass.batch.sequences(), s.routed);
  Matrix logits, bias, scale;
  const auto on_host = [&](Kept kept, Matrix& staging) {
    const ConstDeviceView part = pass.weights.part(kept);
    return part.rows > 0 ? backend_.OnHost(part, staging).Row(0) : std::span<const float>();
  };
  return Route(experts, backend_.OnHost(s.routed, logits), on_host(Kept::kSelectionBias, bias),
               on_host(Kept::kExpertScale, scale));
}

// Rows are grouped by expert, and experts add to a token in ascending order.
void Transformer::RunExperts(const Pass& pass, ConstDeviceView input, ConstDeviceView x,
                             Tensor& delta) {
  Scratch& s = scratch_;
  const ExpertsSpec& experts = *config_.experts;
  ConstDeviceView router_input = input;
  if (experts.router.reads_stream) {
    s.router_input.Resize(x.rows, x.cols);
    backend_.RmsNorm(x, pass.weights.part(Kept::kRouterScale),
                     static_cast<float>(config_.rms_norm_eps), s.router_input);
    backend_.Scale(1.0f / std::sqrt(static_cast<float>(x.cols)), s.router_input);
    router_input = s.router_input;
  }
  const Routing routing = RouteRows(pass, router_input);
  if (watch_ != nullptr) watch_->Chosen(pass.layer, pass.first_row, routing);
  Matrix zeros(input.rows, input.cols);
  zeros.Fill(0.0f);
  delta.Resize(input.rows, input.cols);
  backend_.Upload(zeros, delta);
  for (size_t e = 0; e < experts.count; ++e) {
    RunExpert(pass, e, routing.experts[e], input, delta);
  }
  if (experts.shared != ExpertsSpec::Shared::kNone) AddSharedExpert(pass, input, delta);
}

namespace {

// Rows of a batch, ascending, cut where its sequences are.
std::vector<RowRange> CallsOf(std::span<const size_t> rows, std::span<const RowRange> sequences) {
  std::vector<RowRange> calls;
  size_t begin = 0;
  for (const RowRange& sequence : sequences) {
    size_t end = begin;
    while (end < rows.size() && rows[end] < sequence.end) ++end;
    if (end > begin) calls.push_back({begin, end});
    begin = end;
  }
  return calls;
}

}  // namespace

void Transformer::RunExpert(const Pass& pass, size_t expert, const Routing::Visits& visits,
                            ConstDeviceView input, Tensor& delta) {
  Scratch& s = scratch_;
  const MlpPlaces& mlp = pass.weights.plan->experts[expert];
  Pass seen = pass;
  if (pass.tap != nullptr && pass.tap->WantsAllRows(visits.rows.size())) {
    RunMlp(pass, mlp, pass.batch.sequences(), input, s.expert_output);
    seen.tap = nullptr;
  }
  if (visits.rows.empty()) return;
  s.expert_input.Resize(visits.rows.size(), input.cols);
  backend_.GatherRows(input, visits.rows, s.expert_input);
  const bool weighs_input = config_.experts->router.weighs_input;
  if (weighs_input) backend_.ScaleRows(visits.weights, s.expert_input);
  RunMlp(seen, mlp, CallsOf(visits.rows, pass.batch.sequences()), s.expert_input, s.expert_output);
  const std::vector<float> ones(visits.rows.size(), 1.0f);
  backend_.AddWeighted(s.expert_output, visits.rows, weighs_input ? ones : visits.weights, delta);
}

void Transformer::AddSharedExpert(const Pass& pass, ConstDeviceView input, Tensor& delta) {
  Scratch& s = scratch_;
  RunMlp(pass, *pass.weights.plan->mlp, pass.batch.sequences(), input, s.expert_output);
  if (config_.experts->shared == ExpertsSpec::Shared::kGated) {
    s.routed.Resize(input.rows, 1);
    backend_.MatMul(pass.weights.matrix(Kept::kSharedGate), {}, input, pass.batch.sequences(),
                    s.routed);
    Matrix staging;
    const ConstMatrixView logits = backend_.OnHost(s.routed, staging);
    std::vector<float> factors;
    for (size_t row = 0; row < logits.rows; ++row) {
      factors.push_back(static_cast<float>(1.0 / (1.0 + std::exp(-double{logits.Row(row)[0]}))));
    }
    backend_.ScaleRows(factors, s.expert_output);
  }
  backend_.Add(s.expert_output, delta);
}

}  // namespace bitloss
