#include "bitloss/eval/forward_bench.h"

#include <algorithm>

#include "bitloss/base/random.h"
#include "bitloss/base/stopwatch.h"
#include "bitloss/eval/scoring.h"
#include "bitloss/quant/format.h"
#include "bitloss/quant/scheme.h"

namespace bitloss {
namespace {

// Small enough that activations stay finite through any number of layers.
Matrix RandomWeights(size_t rows, size_t cols) {
  const RandomStream random(0, "forward bench");
  Matrix matrix(rows, cols);
  for (size_t i = 0; i < rows * cols; ++i) {
    const uint64_t bits = random.Bits(i / 4) >> (i % 4 * 16) & 0xFFFF;
    matrix.flat()[i] = (static_cast<float>(bits) - 32768.0f) * 0x1p-20f;
  }
  return matrix;
}

std::vector<int32_t> RandomTokens(const ModelConfig& config, size_t count) {
  const RandomStream random(0, "forward bench tokens");
  std::vector<int32_t> tokens(count);
  for (size_t i = 0; i < count; ++i) {
    tokens[i] = static_cast<int32_t>(random.Bits(i) % config.vocab_size);
  }
  return tokens;
}

// Of one token that sees `keys` keys, in all layers.
double AttentionFlops(const ModelConfig& config, double keys) {
  return 4.0 * keys * static_cast<double>(config.num_layers * config.num_heads * config.head_dim);
}

void Rate(const MachineLimits& limits, double tokens, double flops, double bytes,
          ForwardRecord& record) {
  record.tokens_per_second = tokens / record.seconds;
  record.gflops = 1e-9 * flops / record.seconds;
  record.gigabytes = 1e-9 * bytes / record.seconds;
  record.share = ShareOf(limits, Multiplier::kFloat, record.gflops, record.gigabytes);
}

}  // namespace

Result<BenchModel> BenchModel::Make(const ModelConfig& config, std::string_view scheme_text,
                                    const Backend& backend) {
  BenchModel model;
  model.config_ = config;
  const size_t widths[] = {config.hidden_size, config.intermediate_size,
                           config.num_heads * config.head_dim};
  BITLOSS_TRY(Scheme scheme, ParseScheme(scheme_text));
  BITLOSS_TRY(scheme, ResolveForWidths(std::move(scheme), widths));
  LaneWeights& weights = model.weights_;
  const auto plan = std::make_shared<const LayerPlan>(PlanLayer(config, 0));
  weights.layers.resize(config.num_layers);
  for (LayerWeights& layer : weights.layers) {
    layer.plan = plan;
    layer.linears.resize(plan->linears.size());
    for (size_t i = 0; i < plan->linears.size(); ++i) {
      layer.biases.emplace_back(backend.memory());
    }
    layer.execution = scheme.execution.kind;
    for (const KeptSpec& kept : plan->kept) {
      layer.kept[static_cast<size_t>(kept.kept)] =
          backend.ToTensor(std::vector<float>(kept.cols, 1.0f));
    }
  }
  for (size_t i = 0; i < plan->linears.size(); ++i) {
    const LinearShape shape = plan->linears[i].shape;
    BITLOSS_TRY(const EncodedMatrix encoded,
                scheme.format.encode(scheme.format, RandomWeights(shape.out, shape.in)));
    for (LayerWeights& layer : weights.layers) {
      BITLOSS_TRY(layer.linears[i], backend.Pack(encoded, scheme.execution));
      model.packed_bytes_ += layer.linears[i]->num_bytes();
    }
  }
  weights.final_norm = std::make_shared<const Tensor>(
      backend.ToTensor(std::vector<float>(config.hidden_size, 1.0f)));
  const Format& half = F16Format();
  BITLOSS_TRY(weights.embedding,
              half.encode(half, RandomWeights(config.vocab_size, config.hidden_size)));
  BITLOSS_TRY(weights.head, backend.Pack(weights.embedding, {}));
  model.packed_bytes_ += weights.head->num_bytes();
  return model;
}

double BenchModel::linear_flops() const {
  double weights = 0;
  for (const LinearSpec& linear : PlanLayer(config_, 0).linears) {
    weights += static_cast<double>(linear.shape.out * linear.shape.in);
  }
  return 2.0 * weights * static_cast<double>(config_.num_layers);
}

double BenchModel::head_flops() const {
  return 2.0 * static_cast<double>(config_.vocab_size * config_.hidden_size);
}

Result<ForwardRecord> BenchmarkText(const BenchModel& model, const Backend& backend,
                                    const MachineLimits& limits, size_t sequences, size_t tokens) {
  const std::vector<int32_t> ids = RandomTokens(model.config(), sequences * tokens);
  std::vector<ScoredSequence> group;
  for (size_t s = 0; s < sequences; ++s) {
    group.push_back({std::span(ids).subspan(s * tokens, tokens), tokens / 2});
  }
  Transformer transformer(model.config(), backend);
  Scorer scorer(transformer, {{"fp16", &model.weights()}});
  BITLOSS_DO(scorer.Score(group));  // the first pass meets cold memory
  BITLOSS_TRY(const Scorer::GroupScores scores, scorer.Score(group));
  ForwardRecord record{.work = "text", .sequences = sequences, .tokens = tokens};
  record.seconds = scores.lane_seconds[0];
  const double num_tokens = static_cast<double>(sequences * tokens);
  const double scored = static_cast<double>(sequences * group[0].num_scored());
  const double keys = 0.5 * static_cast<double>(tokens + 1);
  Rate(limits, num_tokens,
       num_tokens * (model.linear_flops() + AttentionFlops(model.config(), keys)) +
           scored * model.head_flops(),
       static_cast<double>(model.packed_bytes()), record);
  return record;
}

ForwardRecord BenchmarkDecode(const BenchModel& model, const Backend& backend,
                              const MachineLimits& limits, size_t sequences, size_t tokens,
                              double seconds) {
  const ModelConfig& config = model.config();
  constexpr size_t kSteps = 256;  // at most
  const std::vector<size_t> capacities(sequences, tokens + kSteps);
  KvCache cache(config, capacities, backend.memory());
  const std::vector<int32_t> ids = RandomTokens(config, sequences * tokens);
  Transformer transformer(config, backend);
  Tensor hidden(backend.memory());
  for (size_t s = 0; s < sequences; ++s) {
    Batch prompt;
    prompt.Continue(std::span(ids).subspan(s * tokens, tokens), cache, s);
    transformer.Hidden(model.weights(), prompt, &cache, hidden);
  }
  ForwardRecord record{.work = "decode", .sequences = sequences, .tokens = tokens};
  record.seconds = 1e30;
  Tensor logits(backend.memory(), sequences, config.vocab_size);
  const Clock::time_point begin = Clock::now();
  for (size_t step = 0; step < kSteps && (step < 3 || SecondsSince(begin) < seconds); ++step) {
    const Clock::time_point start = Clock::now();
    Batch batch;
    for (size_t s = 0; s < sequences; ++s) batch.Continue({&ids[s], 1}, cache, s);
    transformer.Hidden(model.weights(), batch, &cache, hidden);
    transformer.LmHead(model.weights(), hidden, logits);
    backend.FindTop(logits, 1);
    record.seconds = std::min(record.seconds, SecondsSince(start));
  }
  const double num_tokens = static_cast<double>(sequences);
  Rate(limits, num_tokens,
       num_tokens * (model.linear_flops() + model.head_flops() +
                     AttentionFlops(config, static_cast<double>(tokens))),
       static_cast<double>(model.packed_bytes()), record);
  return record;
}

}  // namespace bitloss
