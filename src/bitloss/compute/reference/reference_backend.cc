// The definition of every operation: plain loops, double precision, rounded to FP32 once at the
// end. Never optimised.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "bitloss/base/check.h"
#include "bitloss/compute/host_tensor.h"
#include "bitloss/compute/reference/integer_products.h"
#include "bitloss/compute/reference/llm_int8_reference.h"

namespace bitloss {
namespace {

class ReferenceMatrix final : public PackedMatrix {
 public:
  ReferenceMatrix(const EncodedMatrix& weights, const Execution& execution, Int8Weights int8,
                  GgmlWeights blocks)
      : weights_(weights),
        execution_(execution),
        int8_(std::move(int8)),
        blocks_(std::move(blocks)) {}

  size_t out_features() const override { return weights_.rows; }
  size_t in_features() const override { return weights_.cols; }
  size_t num_bytes() const override {
    return weights_.num_bytes() + int8_.codes.size() + int8_.scales.size() * sizeof(float) +
           blocks_.codes.size() + (blocks_.scales.size() + blocks_.offsets.size()) * sizeof(float);
  }

  const EncodedMatrix& weights() const { return weights_; }
  const Execution& execution() const { return execution_; }
  const Int8Weights& int8() const { return int8_; }      // empty unless kLlmInt8 or kW8A8
  const GgmlWeights& blocks() const { return blocks_; }  // empty unless kGgml

 private:
  EncodedMatrix weights_;
  Execution execution_;
  Int8Weights int8_;
  GgmlWeights blocks_;
};

double Dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

// The score of a query and a key.
double ScoreOf(const AttentionShape& shape, std::span<const float> query,
               std::span<const float> key) {
  double score = Dot(query, key);
  score = shape.scale != 0 ? score * double{shape.scale}
                           : score / std::sqrt(static_cast<double>(query.size()));
  if (shape.softcap > 0) score = double{shape.softcap} * std::tanh(score / double{shape.softcap});
  return score;
}

// One head of one query at `position`: softmax(scores) v over the keys that it sees.
void AttendOneHead(const AttentionShape& shape, size_t head, size_t position,
                   std::span<const float> query, ConstMatrixView keys, ConstMatrixView values,
                   std::span<float> out) {
  const size_t first = shape.FirstKey(position);
  std::vector<double> weights;
  double top = shape.sinks.rows > 0 ? double{HostRow(shape.sinks)[head]}
                                    : -std::numeric_limits<double>::infinity();
  const double sink = top;
  for (size_t key = first; key <= position; ++key) {
    weights.push_back(ScoreOf(shape, query, keys.Row(key)));
    top = std::max(top, weights.back());
  }
  double total = shape.sinks.rows > 0 ? std::exp(sink - top) : 0.0;
  for (double& weight : weights) {
    weight = std::exp(weight - top);
    total += weight;
  }
  for (size_t i = 0; i < out.size(); ++i) {
    double sum = 0.0;
    for (size_t key = first; key <= position; ++key) {
      sum += weights[key - first] * double{values.Row(key)[i]};
    }
    out[i] = static_cast<float>(sum / total);
  }
}

double GateOne(const GatedUnit& unit, double z, double up) {
  const double limit = unit.limit;
  switch (unit.gating) {
    case Gating::kSilu:
      return z / (1.0 + std::exp(-z)) * up;
    case Gating::kGeluTanh:
      return 0.5 * z *
             (1.0 + std::tanh(std::sqrt(2.0 / std::numbers::pi) * (z + 0.044715 * z * z * z))) * up;
    case Gating::kReluSquared:
      return std::max(up, 0.0) * std::max(up, 0.0);
    case Gating::kClamped:
      z = std::min(z, limit);
      return (std::clamp(up, -limit, limit) + 1.0) * z / (1.0 + std::exp(-double{unit.alpha} * z));
    case Gating::kSigmoid:
      return up / (1.0 + std::exp(-z));
    case Gating::kProduct:
      return z * up;
  }
  return 0.0;
}

// One value head of a sequence.
void RunDeltaHead(const DeltaShape& shape, const DeltaInputs& inputs,
                  const RecurrentSequence& sequence, size_t head, MatrixView out) {
  const size_t key_dim = shape.key_dim;
  const size_t value_dim = shape.value_dim;
  const MatrixView kept = HostView(sequence.state);
  std::vector<double> state(key_dim * value_dim);
  for (size_t i = 0; kept.rows > 0 && i < key_dim; ++i) {
    for (size_t j = 0; j < value_dim; ++j) {
      state[i * value_dim + j] = double{kept.Row(head * key_dim + i)[j]};
    }
  }
  const size_t key_at = shape.KeyHeadOf(head) * key_dim;
  for (size_t row = sequence.rows.begin; row < sequence.rows.end; ++row) {
    const auto q = HostView(inputs.queries).Row(row).subspan(key_at, key_dim);
    const auto k = HostView(inputs.keys).Row(row).subspan(key_at, key_dim);
    const auto v = HostView(inputs.values).Row(row).subspan(head * value_dim, value_dim);
    for (double& s : state) s *= double{inputs.decays.Row(row)[head]};
    for (size_t j = 0; j < value_dim; ++j) {
      double recalled = 0.0;
      for (size_t i = 0; i < key_dim; ++i) recalled += state[i * value_dim + j] * double{k[i]};
      const double change = double{inputs.rates.Row(row)[head]} * (double{v[j]} - recalled);
      double sum = 0.0;
      for (size_t i = 0; i < key_dim; ++i) {
        state[i * value_dim + j] += double{k[i]} * change;
        sum += state[i * value_dim + j] * double{q[i]};
      }
      out.Row(row)[head * value_dim + j] = static_cast<float>(sum);
    }
  }
  for (size_t i = 0; kept.rows > 0 && i < key_dim; ++i) {
    for (size_t j = 0; j < value_dim; ++j) {
      kept.Row(head * key_dim + i)[j] = static_cast<float>(state[i * value_dim + j]);
    }
  }
}

class ReferenceBackend final : public HostBackend {
 public:
  ReferenceBackend() : HostBackend(one_thread_) {}

  std::string Describe() const override { return "reference, double precision, 1 thread"; }

  Result<std::unique_ptr<PackedMatrix>> PackMatrix(const EncodedMatrix& weights,
                                                   const Execution& execution,
                                                   Packing /*packing*/) const override {
    Int8Weights int8;
    GgmlWeights blocks;
    if (execution.kind == Execution::Kind::kLlmInt8 || execution.kind == Execution::Kind::kW8A8) {
      BITLOSS_TRY(int8, UnpackInt8(weights));
    } else if (execution.kind == Execution::Kind::kGgml) {
      BITLOSS_TRY(blocks, UnpackGgml(weights));
    }
    return std::unique_ptr<PackedMatrix>(
        std::make_unique<ReferenceMatrix>(weights, execution, std::move(int8), std::move(blocks)));
  }

  void Multiply(const PackedMatrix& packed, ConstDeviceView bias_tensor, ConstDeviceView x_tensor,
                std::span<const RowRange> calls, DeviceView y_tensor) const override {
    const std::span<const float> bias = HostRow(bias_tensor);
    const ConstMatrixView x = HostView(x_tensor);
    const MatrixView y = HostView(y_tensor);
    const auto& matrix = dynamic_cast<const ReferenceMatrix&>(packed);
    BITLOSS_CHECK(x.cols == matrix.in_features() && y.cols == matrix.out_features());
    BITLOSS_CHECK(x.rows == y.rows);
    BITLOSS_CHECK(bias.empty() || bias.size() == y.cols);
    BITLOSS_CHECK(CoverRows(calls, x.rows));
    if (matrix.execution().kind == Execution::Kind::kLlmInt8) {
      for (const RowRange& call : calls) {
        LlmInt8MatMul(matrix.int8(), matrix.execution().outlier_threshold, bias,
                      x.Rows(call.begin, call.end), y.Rows(call.begin, call.end));
      }
      return;
    }
    if (matrix.execution().kind == Execution::Kind::kW8A8) {
      return W8A8MatMul(matrix.int8(), matrix.execution(), bias, x, y);
    }
    if (matrix.execution().kind == Execution::Kind::kGgml) {
      return GgmlMatMul(matrix.blocks(), bias, x, y);
    }
    std::vector<float> weights(x.cols);
    for (size_t out = 0; out < y.cols; ++out) {
      matrix.weights().format.decode(matrix.weights(), out, 0, weights);
      const double offset = bias.empty() ? 0.0 : double{bias[out]};
      for (size_t token = 0; token < x.rows; ++token) {
        y.Row(token)[out] = static_cast<float>(Dot(x.Row(token), weights) + offset);
      }
    }
  }

  void RmsNorm(ConstDeviceView x_tensor, ConstDeviceView weight_tensor, float eps,
               DeviceView y_tensor) const override {
    const ConstMatrixView x = HostView(x_tensor);
    const std::span<const float> weight = HostRow(weight_tensor);
    const MatrixView y = HostView(y_tensor);
    for (size_t token = 0; token < x.rows; ++token) {
      const std::span<const float> row = x.Row(token);
      const double mean = Dot(row, row) / static_cast<double>(x.cols);
      const double scale = 1.0 / std::sqrt(mean + double{eps});
      for (size_t i = 0; i < x.cols; ++i) {
        y.Row(token)[i] = static_cast<float>(double{row[i]} * scale * double{weight[i]});
      }
    }
  }

  void Center(ConstDeviceView x_tensor, DeviceView y_tensor) const override {
    const ConstMatrixView x = HostView(x_tensor);
    const MatrixView y = HostView(y_tensor);
    for (size_t token = 0; token < x.rows; ++token) {
      double sum = 0.0;
      for (const float value : x.Row(token)) sum += double{value};
      const double mean = sum / static_cast<double>(x.cols);
      for (size_t i = 0; i < x.cols; ++i) {
        y.Row(token)[i] = static_cast<float>(double{x.Row(token)[i]} - mean);
      }
    }
  }

  void Rope(const RopeTable& table, std::span<const uint32_t> positions, size_t head_dim,
            DeviceView x_tensor) const override {
    const MatrixView x = HostView(x_tensor);
    const ConstMatrixView cosines = HostView(table.cos.view());
    const ConstMatrixView sines = HostView(table.sin.view());
    const size_t half = table.cos.cols();
    const bool halves = table.pairing == RopePairing::kHalves;
    for (size_t token = 0; token < x.rows; ++token) {
      const std::span<const float> cos = cosines.Row(positions[token]);
      const std::span<const float> sin = sines.Row(positions[token]);
      for (size_t head = 0; head < x.cols / head_dim; ++head) {
        const std::span<float> v = x.Row(token).subspan(head * head_dim, head_dim);
        for (size_t i = 0; i < half; ++i) {
          float& first = v[halves ? i : 2 * i];
          float& second = v[halves ? i + half : 2 * i + 1];
          const double a = first;
          const double b = second;
          first = static_cast<float>(a * double{cos[i]} - b * double{sin[i]});
          second = static_cast<float>(b * double{cos[i]} + a * double{sin[i]});
        }
      }
    }
  }

  void Attention(const AttentionShape& shape, ConstDeviceView query_tensor,
                 std::span<const AttentionSequence> sequences,
                 DeviceView out_tensor) const override {
    const ConstMatrixView queries = HostView(query_tensor);
    const MatrixView out = HostView(out_tensor);
    const size_t queries_per_kv = shape.num_heads / shape.num_kv_heads;
    const size_t dim = shape.head_dim;
    const size_t value_dim = shape.ValueDim();
    for (const AttentionSequence& sequence : sequences) {
      const ConstMatrixView keys = HostView(sequence.keys);
      const ConstMatrixView values = HostView(sequence.values);
      for (size_t row = sequence.rows.begin; row < sequence.rows.end; ++row) {
        const size_t position = sequence.first_position + (row - sequence.rows.begin);
        for (size_t head = 0; head < shape.num_heads; ++head) {
          const size_t kv = head / queries_per_kv;
          AttendOneHead(shape, head, position, queries.Row(row).subspan(head * dim, dim),
                        keys.Cols(kv * dim, (kv + 1) * dim),
                        values.Cols(kv * value_dim, (kv + 1) * value_dim),
                        out.Row(row).subspan(head * value_dim, value_dim));
        }
      }
    }
  }

  void ShortConvolution(ConstDeviceView kernel_tensor, ConstDeviceView x_tensor,
                        std::span<const RecurrentSequence> sequences,
                        DeviceView y_tensor) const override {
    const ConstMatrixView kernel = HostView(kernel_tensor);
    const ConstMatrixView x = HostView(x_tensor);
    const MatrixView y = HostView(y_tensor);
    const size_t past = kernel.cols - 1;
    for (const RecurrentSequence& sequence : sequences) {
      const MatrixView state = HostView(sequence.state);
      // Rows from `past` before the first new one on.
      const auto at = [&](size_t row, size_t channel) {
        if (row >= past) return double{x.Row(sequence.rows.begin + row - past)[channel]};
        return state.rows == 0 ? 0.0 : double{state.Row(row)[channel]};
      };
      for (size_t row = 0; row < sequence.rows.size(); ++row) {
        for (size_t channel = 0; channel < x.cols; ++channel) {
          double sum = 0.0;
          for (size_t s = 0; s < kernel.cols; ++s) {
            sum += double{kernel.Row(channel)[s]} * at(row + s, channel);
          }
          y.Row(sequence.rows.begin + row)[channel] = static_cast<float>(sum);
        }
      }
      for (size_t i = 0; i < state.rows; ++i) {
        for (size_t channel = 0; channel < x.cols; ++channel) {
          state.Row(i)[channel] = static_cast<float>(at(sequence.rows.size() + i, channel));
        }
      }
    }
  }

  void DeltaRule(const DeltaShape& shape, const DeltaInputs& inputs,
                 std::span<const RecurrentSequence> sequences,
                 DeviceView out_tensor) const override {
    for (const RecurrentSequence& sequence : sequences) {
      for (size_t head = 0; head < shape.value_heads; ++head) {
        RunDeltaHead(shape, inputs, sequence, head, HostView(out_tensor));
      }
    }
  }

  void Gate(const GatedUnit& unit, ConstDeviceView gate_tensor, ConstDeviceView up_tensor,
            DeviceView out_tensor) const override {
    const ConstMatrixView up = HostView(up_tensor);
    const ConstMatrixView gate = gate_tensor.rows > 0 ? HostView(gate_tensor) : up;
    const MatrixView out = HostView(out_tensor);
    for (size_t token = 0; token < up.rows; ++token) {
      for (size_t i = 0; i < up.cols; ++i) {
        out.Row(token)[i] = static_cast<float>(GateOne(unit, gate.Row(token)[i], up.Row(token)[i]));
      }
    }
  }

  void SoftCap(float cap, DeviceView x_tensor) const override {
    const MatrixView x = HostView(x_tensor);
    for (size_t token = 0; token < x.rows; ++token) {
      for (float& value : x.Row(token)) {
        value = static_cast<float>(double{cap} * std::tanh(double{value} / double{cap}));
      }
    }
  }

  void Add(ConstDeviceView delta_tensor, DeviceView x_tensor) const override {
    const ConstMatrixView delta = HostView(delta_tensor);
    const MatrixView x = HostView(x_tensor);
    for (size_t token = 0; token < x.rows; ++token) {
      for (size_t i = 0; i < x.cols; ++i) x.Row(token)[i] += delta.Row(token)[i];
    }
  }

 private:
  ThreadPool one_thread_{1};
};

}  // namespace

std::unique_ptr<Backend> MakeReferenceBackend() { return std::make_unique<ReferenceBackend>(); }

}  // namespace bitloss
