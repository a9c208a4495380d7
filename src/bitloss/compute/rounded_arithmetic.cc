#include "bitloss/compute/rounded_arithmetic.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "bitloss/base/check.h"
#include "bitloss/tensor/dtype.h"

namespace bitloss {
namespace {

// One key/value head of a sequence: keys [head_dim][num_keys], so that neighbouring keys are summed
// side by side, and values [num_keys][value_dim], all rounded to FP16.
struct HeadCache {
  size_t num_keys = 0;
  Matrix keys;
  Matrix values;
};

HeadCache ReadHead(const AttentionShape& shape, const HostSequence& sequence, size_t num_keys,
                   size_t head) {
  const size_t key_dim = shape.head_dim;
  const size_t value_dim = shape.ValueDim();
  HeadCache cache{num_keys, Matrix(key_dim, num_keys), Matrix(num_keys, value_dim)};
  for (size_t key = 0; key < num_keys; ++key) {
    const auto k = sequence.keys.Row(key).subspan(head * key_dim, key_dim);
    const auto v = sequence.values.Row(key).subspan(head * value_dim, value_dim);
    for (size_t i = 0; i < key_dim; ++i) cache.keys.Row(i)[key] = ThroughF16(k[i]);
    for (size_t i = 0; i < value_dim; ++i) cache.values.Row(key)[i] = ThroughF16(v[i]);
  }
  return cache;
}

// Scores of one query against keys first, first + 1, ..., scores.size() of them.
void Score(const AttentionShape& shape, const HeadCache& cache, std::span<const float> query,
           size_t first, std::span<float> scores) {
  std::ranges::fill(scores, 0.0f);
  for (size_t i = 0; i < query.size(); ++i) {
    const float q = ThroughF16(query[i]);
    const float* keys = cache.keys.Row(i).data() + first;
    for (size_t key = 0; key < scores.size(); ++key) scores[key] += q * keys[key];
  }
  const float scale = ThroughF16(
      shape.scale != 0 ? shape.scale : 1.0f / std::sqrt(static_cast<float>(query.size())));
  for (float& score : scores) score = ThroughF16(ThroughF16(score) * scale);
  if (shape.softcap == 0) return;
  const float cap = shape.softcap;
  for (float& score : scores) {
    score = ThroughF16(ThroughF16(std::tanh(ThroughF16(score / cap))) * cap);
  }
}

// `sink`: the score of a key without a value, or -inf.
void Softmax(float sink, std::span<float> scores) {
  const float largest = std::max(sink, *std::ranges::max_element(scores));
  float sum = std::exp(sink - largest);
  for (float& score : scores) sum += score = std::exp(score - largest);
  for (float& score : scores) score = ThroughF16(score / sum);
}

void WeightedSum(const HeadCache& cache, std::span<const float> probabilities, size_t first,
                 std::span<float> out) {
  std::ranges::fill(out, 0.0f);
  for (size_t key = 0; key < probabilities.size(); ++key) {
    const float* values = cache.values.Row(first + key).data();
    for (size_t i = 0; i < out.size(); ++i) out[i] += probabilities[key] * values[i];
  }
  for (float& value : out) value = ThroughF16(value);
}

// All query heads of a sequence that read one key/value head.
void AttendHead(const AttentionShape& shape, ConstMatrixView queries, const HostSequence& sequence,
                size_t kv_head, MatrixView out) {
  const size_t sharing = shape.num_heads / shape.num_kv_heads;
  const size_t num_keys = sequence.first_position + sequence.rows.size();
  const HeadCache cache = ReadHead(shape, sequence, num_keys, kv_head);
  const std::span<const float> sinks = HostRow(shape.sinks);
  std::vector<float> scores;
  for (size_t i = 0; i < sequence.rows.size(); ++i) {
    const size_t row = sequence.rows.begin + i;
    const size_t position = sequence.first_position + i;
    const size_t first = shape.FirstKey(position);
    scores.resize(position + 1 - first);
    for (size_t head = kv_head * sharing; head < (kv_head + 1) * sharing; ++head) {
      Score(shape, cache, queries.Row(row).subspan(head * shape.head_dim, shape.head_dim), first,
            scores);
      Softmax(sinks.empty() ? -std::numeric_limits<float>::infinity() : sinks[head], scores);
      WeightedSum(cache, scores, first,
                  out.Row(row).subspan(head * shape.ValueDim(), shape.ValueDim()));
    }
  }
}

}  // namespace

bool RoundsActivations(Execution::Kind execution) {
  return execution == Execution::Kind::kBf16Activations ||
         execution == Execution::Kind::kFp16Emulation;
}

void RoundRows(Execution::Kind execution, ThreadPool& threads, MatrixView x) {
  BITLOSS_CHECK(RoundsActivations(execution));
  threads.ForEachPart(x.rows, [&](size_t row, size_t) {
    if (execution == Execution::Kind::kBf16Activations) {
      for (float& value : x.Row(row)) value = ToFloat(RoundToBF16(value));
    } else {
      for (float& value : x.Row(row)) value = ThroughF16(value);
    }
  });
}

void AttendInFp16(const AttentionShape& shape, ConstMatrixView queries,
                  std::span<const HostSequence> sequences, ThreadPool& threads, MatrixView out) {
  threads.ForEachPart(sequences.size() * shape.num_kv_heads, [&](size_t part, size_t) {
    AttendHead(shape, queries, sequences[part / shape.num_kv_heads], part % shape.num_kv_heads,
               out);
  });
}

}  // namespace bitloss
