// The definition of every operation: plain loops, double precision, rounded to FP32 once at the
// end. Never optimised.
#include <algorithm>
#include <cmath>
#include <limits>
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

// One head of one query: softmax(q . k / sqrt(head_dim)) v over the first `num_keys` keys.
void AttendOneHead(std::span<const float> query, ConstMatrixView keys, ConstMatrixView values,
                   size_t num_keys, std::span<float> out) {
  std::vector<double> weights(num_keys);
  double top = -std::numeric_limits<double>::infinity();
  for (size_t key = 0; key < num_keys; ++key) {
    weights[key] = Dot(query, keys.Row(key)) / std::sqrt(static_cast<double>(query.size()));
    top = std::max(top, weights[key]);
  }
  double total = 0.0;
  for (double& weight : weights) {
    weight = std::exp(weight - top);
    total += weight;
  }
  for (size_t i = 0; i < out.size(); ++i) {
    double sum = 0.0;
    for (size_t key = 0; key < num_keys; ++key) sum += weights[key] * double{values.Row(key)[i]};
    out[i] = static_cast<float>(sum / total);
  }
}

class ReferenceBackend final : public HostBackend {
 public:
  ReferenceBackend() : HostBackend(one_thread_) {}

  std::string Describe() const override { return "reference, double precision, 1 thread"; }

  Result<std::unique_ptr<PackedMatrix>> Pack(const EncodedMatrix& weights,
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

  void MatMul(const PackedMatrix& packed, ConstDeviceView bias_tensor, ConstDeviceView x_tensor,
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

  void Rope(const RopeTable& table, std::span<const uint32_t> positions, size_t head_dim,
            DeviceView x_tensor) const override {
    const MatrixView x = HostView(x_tensor);
    const ConstMatrixView cosines = HostView(table.cos.view());
    const ConstMatrixView sines = HostView(table.sin.view());
    const size_t half = head_dim / 2;
    for (size_t token = 0; token < x.rows; ++token) {
      const std::span<const float> cos = cosines.Row(positions[token]);
      const std::span<const float> sin = sines.Row(positions[token]);
      for (size_t head = 0; head < x.cols / head_dim; ++head) {
        const std::span<float> v = x.Row(token).subspan(head * head_dim, head_dim);
        for (size_t i = 0; i < half; ++i) {
          const double a = v[i];
          const double b = v[i + half];
          v[i] = static_cast<float>(a * double{cos[i]} - b * double{sin[i]});
          v[i + half] = static_cast<float>(b * double{cos[i]} + a * double{sin[i]});
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
    for (const AttentionSequence& sequence : sequences) {
      const ConstMatrixView keys = HostView(sequence.keys);
      const ConstMatrixView values = HostView(sequence.values);
      for (size_t row = sequence.rows.begin; row < sequence.rows.end; ++row) {
        const size_t num_keys = sequence.first_position + (row - sequence.rows.begin) + 1;
        for (size_t head = 0; head < shape.num_heads; ++head) {
          const size_t kv = head / queries_per_kv * dim;
          AttendOneHead(queries.Row(row).subspan(head * dim, dim), keys.Cols(kv, kv + dim),
                        values.Cols(kv, kv + dim), num_keys, out.Row(row).subspan(head * dim, dim));
        }
      }
    }
  }

  void SwiGlu(ConstDeviceView gate_tensor, ConstDeviceView up_tensor,
              DeviceView out_tensor) const override {
    const ConstMatrixView gate = HostView(gate_tensor);
    const ConstMatrixView up = HostView(up_tensor);
    const MatrixView out = HostView(out_tensor);
    for (size_t token = 0; token < gate.rows; ++token) {
      for (size_t i = 0; i < gate.cols; ++i) {
        const double z = gate.Row(token)[i];
        const double silu = z / (1.0 + std::exp(-z));
        out.Row(token)[i] = static_cast<float>(silu * double{up.Row(token)[i]});
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
