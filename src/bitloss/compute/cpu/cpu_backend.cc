#include <fmt/format.h>

#include <vector>

#include "bitloss/base/check.h"
#include "bitloss/compute/cpu/attention.h"
#include "bitloss/compute/cpu/block_int8_matmul.h"
#include "bitloss/compute/cpu/cpu_backend.h"
#include "bitloss/compute/cpu/instruction_sets.h"
#include "bitloss/compute/cpu/int8_matmul.h"
#include "bitloss/compute/cpu/int8_matrix.h"
#include "bitloss/compute/cpu/matmul.h"
#include "bitloss/compute/cpu/panel_matrix.h"
#include "bitloss/compute/cpu/row_ops.h"
#include "bitloss/compute/host_tensor.h"
#include "bitloss/compute/reference/split_product.h"
#include "hwy/targets.h"

namespace bitloss {
namespace {

// Elements of a part of an element-wise operation: some microseconds of work.
constexpr size_t kElementsOfPart = 16384;

class CpuBackend final : public HostBackend {
 public:
  CpuBackend(int64_t target, Arithmetic arithmetic, ThreadPool& threads)
      : HostBackend(threads),
        target_(target),
        arithmetic_(arithmetic),
        matmul_(MatMulKernelsFor(target)),
        int8_(Int8KernelsFor(target)),
        blocks_(BlockInt8KernelFor(target)),
        rows_(RowKernelsFor(target)),
        attention_(AttentionKernelsFor(target)) {}

  std::string Describe() const override {
    return fmt::format("cpu, {}, {}{} thread{}", hwy::TargetName(target_),
                       arithmetic_ == Arithmetic::kSplit ? "split emulated, " : "",
                       threads_.num_threads(), threads_.num_threads() == 1 ? "" : "s");
  }

  Result<std::unique_ptr<PackedMatrix>> PackMatrix(const EncodedMatrix& weights,
                                                   const Execution& execution,
                                                   Packing packing) const override {
    if (execution.kind == Execution::Kind::kLlmInt8 || execution.kind == Execution::Kind::kW8A8) {
      BITLOSS_TRY(const Int8Weights int8, UnpackInt8(weights));
      return std::unique_ptr<PackedMatrix>(
          std::make_unique<Int8Matrix>(weights.rows, weights.cols, int8, execution, threads_));
    }
    if (execution.kind == Execution::Kind::kGgml) {
      BITLOSS_TRY(const GgmlWeights blocks, UnpackGgml(weights));
      return std::unique_ptr<PackedMatrix>(
          std::make_unique<BlockInt8Matrix>(weights.rows, weights.cols, blocks, threads_));
    }
    if (arithmetic_ == Arithmetic::kSplit) {
      return std::unique_ptr<PackedMatrix>(std::make_unique<SplitMatrix>(weights, threads_));
    }
    return std::unique_ptr<PackedMatrix>(std::make_unique<PanelMatrix>(weights, packing, threads_));
  }

  void Multiply(const PackedMatrix& packed, ConstDeviceView bias_tensor, ConstDeviceView x_tensor,
                std::span<const RowRange> calls, DeviceView y_tensor) const override {
    const std::span<const float> bias = HostRow(bias_tensor);
    const ConstMatrixView x = HostView(x_tensor);
    const MatrixView y = HostView(y_tensor);
    BITLOSS_CHECK(x.cols == packed.in_features() && y.cols == packed.out_features());
    BITLOSS_CHECK(x.rows == y.rows);
    BITLOSS_CHECK(bias.empty() || bias.size() == y.cols);
    BITLOSS_CHECK(CoverRows(calls, x.rows));
    if (const auto* int8 = dynamic_cast<const Int8Matrix*>(&packed)) {
      QuantizeOnThreads(int8_, int8->execution(), x, calls, threads_, int8_scratch_);
      const WholeInt8Product product{int8, bias, y};
      MultiplyInt8OnThreads(int8_, {&product, 1}, int8_scratch_, threads_);
    } else if (const auto* blocks = dynamic_cast<const BlockInt8Matrix*>(&packed)) {
      MultiplyBlocksOnThreads(int8_, blocks_, *blocks, bias, x, y, threads_);
    } else if (const auto* split = dynamic_cast<const SplitMatrix*>(&packed)) {
      MultiplySplit(*split, bias, x, threads_, y);
    } else {
      const WholeProduct product{&dynamic_cast<const PanelMatrix&>(packed), bias, y};
      MultiplyOnThreads(matmul_, {&product, 1}, x, threads_);
    }
  }

  void MultiplyAll(std::span<const Product> products, ConstDeviceView x_tensor,
                   std::span<const RowRange> calls) const override {
    const ConstMatrixView x = HostView(x_tensor);
    BITLOSS_CHECK(CoverRows(calls, x.rows));
    for (const Product& product : products) {
      BITLOSS_CHECK(x.cols == product.weights->in_features() && x.rows == product.y.rows);
      BITLOSS_CHECK(product.y.cols == product.weights->out_features());
      BITLOSS_CHECK(product.bias.cols == 0 || product.bias.cols == product.y.cols);
    }
    if (ShareInt8Activations(products)) {
      std::vector<WholeInt8Product> whole;
      for (const Product& product : products) {
        whole.push_back({static_cast<const Int8Matrix*>(product.weights), HostRow(product.bias),
                         HostView(product.y)});
      }
      QuantizeOnThreads(int8_, whole[0].weights->execution(), x, calls, threads_, int8_scratch_);
      MultiplyInt8OnThreads(int8_, whole, int8_scratch_, threads_);
      return;
    }
    std::vector<WholeProduct> whole;
    for (const Product& product : products) {
      const auto* panels = dynamic_cast<const PanelMatrix*>(product.weights);
      if (panels == nullptr) return Backend::MultiplyAll(products, x_tensor, calls);
      whole.push_back({panels, HostRow(product.bias), HostView(product.y)});
    }
    MultiplyOnThreads(matmul_, whole, x, threads_);
  }

  void RmsNorm(ConstDeviceView x_tensor, ConstDeviceView weight_tensor, float eps,
               DeviceView y_tensor) const override {
    const ConstMatrixView x = HostView(x_tensor);
    const std::span<const float> weight = HostRow(weight_tensor);
    const MatrixView y = HostView(y_tensor);
    BITLOSS_CHECK(x.cols == weight.size() && y.cols == x.cols && y.rows == x.rows);
    ForEachRow(x.rows, x.cols, [&](size_t row) {
      rows_.rms_norm(x.Row(row).data(), weight.data(), x.cols, eps, y.Row(row).data());
    });
  }

  void Center(ConstDeviceView x_tensor, DeviceView y_tensor) const override {
    const ConstMatrixView x = HostView(x_tensor);
    const MatrixView y = HostView(y_tensor);
    BITLOSS_CHECK(y.cols == x.cols && y.rows == x.rows);
    ForEachRow(x.rows, x.cols,
               [&](size_t row) { rows_.center(x.Row(row).data(), x.cols, y.Row(row).data()); });
  }

  void Rope(const RopeTable& table, std::span<const uint32_t> positions, size_t head_dim,
            DeviceView x_tensor) const override {
    const MatrixView x = HostView(x_tensor);
    const ConstMatrixView cosines = HostView(table.cos.view());
    const ConstMatrixView sines = HostView(table.sin.view());
    const size_t half = table.cos.cols();
    BITLOSS_CHECK(positions.size() == x.rows && x.cols % head_dim == 0 && 2 * half <= head_dim);
    BITLOSS_CHECK(table.sin.cols() == half);
    const auto rotate = table.pairing == RopePairing::kHalves ? rows_.rope : rows_.rope_neighbours;
    ForEachRow(x.rows, x.cols, [&](size_t row) {
      BITLOSS_CHECK(positions[row] < table.cos.rows());
      const float* cos = cosines.Row(positions[row]).data();
      const float* sin = sines.Row(positions[row]).data();
      for (size_t col = 0; col < x.cols; col += head_dim) {
        rotate(cos, sin, half, x.Row(row).data() + col);
      }
    });
  }

  void Attention(const AttentionShape& shape, ConstDeviceView queries,
                 std::span<const AttentionSequence> sequences, DeviceView out) const override {
    BITLOSS_CHECK(shape.num_kv_heads > 0 && shape.num_heads % shape.num_kv_heads == 0);
    BITLOSS_CHECK(queries.cols == shape.num_heads * shape.head_dim);
    BITLOSS_CHECK(out.cols == shape.num_heads * shape.ValueDim());
    BITLOSS_CHECK(shape.sinks.rows == 0 || shape.sinks.cols == shape.num_heads);
    for (const AttentionSequence& sequence : sequences) {
      const size_t num_keys = sequence.first_position + sequence.rows.size();
      BITLOSS_CHECK(sequence.rows.end <= queries.rows && sequence.rows.end <= out.rows);
      BITLOSS_CHECK(sequence.keys.rows >= num_keys && sequence.values.rows >= num_keys);
      BITLOSS_CHECK(sequence.keys.cols == shape.num_kv_heads * shape.head_dim);
      BITLOSS_CHECK(sequence.values.cols == shape.num_kv_heads * shape.ValueDim());
    }
    AttendOnThreads(attention_, shape, HostView(queries), HostSequences(sequences), threads_,
                    attention_scratch_, HostView(out));
  }

  void Gate(const GatedUnit& unit, ConstDeviceView gate_tensor, ConstDeviceView up_tensor,
            DeviceView out_tensor) const override {
    const bool has_gate = unit.gating != Gating::kReluSquared;
    const ConstMatrixView up = HostView(up_tensor);
    const ConstMatrixView gate = has_gate ? HostView(gate_tensor) : up;
    const MatrixView out = HostView(out_tensor);
    BITLOSS_CHECK(gate.rows == up.rows && gate.cols == up.cols);
    BITLOSS_CHECK(gate.rows == out.rows && gate.cols == out.cols);
    ForEachRow(gate.rows, gate.cols, [&](size_t row) {
      rows_.gate(unit, gate.Row(row).data(), up.Row(row).data(), gate.cols, out.Row(row).data());
    });
  }

  void SoftCap(float cap, DeviceView x_tensor) const override {
    const MatrixView x = HostView(x_tensor);
    ForEachRow(x.rows, x.cols, [&](size_t row) { rows_.soft_cap(cap, x.cols, x.Row(row).data()); });
  }

  void Add(ConstDeviceView delta_tensor, DeviceView x_tensor) const override {
    const ConstMatrixView delta = HostView(delta_tensor);
    const MatrixView x = HostView(x_tensor);
    BITLOSS_CHECK(delta.rows == x.rows && delta.cols == x.cols);
    ForEachRow(x.rows, x.cols,
               [&](size_t row) { rows_.add(delta.Row(row).data(), x.cols, x.Row(row).data()); });
  }

 private:
  // Whether all are integer products that turn activations into the same integers.
  static bool ShareInt8Activations(std::span<const Product> products) {
    const Execution* first = nullptr;
    for (const Product& product : products) {
      const auto* int8 = dynamic_cast<const Int8Matrix*>(product.weights);
      if (int8 == nullptr) return false;
      const Execution& execution = int8->execution();
      if (execution.static_activations) return false;  // a scale of the matrix's own
      if (first == nullptr) first = &execution;
      if (execution.kind != first->kind ||
          execution.outlier_threshold != first->outlier_threshold) {
        return false;
      }
    }
    return first != nullptr;
  }

  template <class Work>
  void ForEachRow(size_t num_rows, size_t num_cols, const Work& work) const {
    const size_t rows_of_part =
        std::max<size_t>(1, kElementsOfPart / std::max<size_t>(1, num_cols));
    const size_t num_parts = (num_rows + rows_of_part - 1) / rows_of_part;
    threads_.ForEachPart(num_parts, [&](size_t part, size_t) {
      const size_t end = std::min(num_rows, (part + 1) * rows_of_part);
      for (size_t row = part * rows_of_part; row < end; ++row) work(row);
    });
  }

  int64_t target_;
  Arithmetic arithmetic_;
  MatMulKernels matmul_;
  Int8Kernels int8_;
  BlockInt8Kernel blocks_;
  RowKernels rows_;
  AttentionKernels attention_;
  // Memory that stays from call to call, so that an operation does not begin by asking for it.
  mutable QuantizedRows int8_scratch_;
  mutable AttentionScratch attention_scratch_;
};

}  // namespace

Result<std::unique_ptr<Backend>> MakeCpuBackend(ThreadPool& threads,
                                                std::string_view instruction_set) {
  BITLOSS_TRY(const int64_t target, ChooseCpuTarget(instruction_set));
  return std::unique_ptr<Backend>(
      std::make_unique<CpuBackend>(target, Arithmetic::kExact, threads));
}

Result<std::unique_ptr<Backend>> MakeCpuBackend(ThreadPool& threads, Arithmetic arithmetic) {
  BITLOSS_TRY(const int64_t target, ChooseCpuTarget({}));
  return std::unique_ptr<Backend>(std::make_unique<CpuBackend>(target, arithmetic, threads));
}

}  // namespace bitloss
