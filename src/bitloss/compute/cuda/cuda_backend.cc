#include "bitloss/compute/cuda/cuda_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include "bitloss/base/check.h"
#include "bitloss/base/random.h"
#include "bitloss/compute/cuda/cuda_device.h"
#include "bitloss/compute/cuda/cuda_matrix.h"
#include "bitloss/compute/cuda/cuda_sums.h"
#include "bitloss/compute/host_tensor.h"
#include "bitloss/compute/reference/split_product.h"
#include "bitloss/metrics/row_sums.h"
#include "bitloss/tensor/dtype.h"

namespace bitloss {
namespace {

constexpr int kOldestComputeMajor = 8;

CudaRows Rows(DeviceView view) { return {view.data, view.rows, view.cols, view.stride}; }
ConstCudaRows Rows(ConstDeviceView view) { return {view.data, view.rows, view.cols, view.stride}; }
const float* VectorOrNull(ConstDeviceView vector) {
  return vector.rows * vector.cols == 0 ? nullptr : vector.data;
}

class CudaBackend final : public Backend {
 public:
  CudaBackend(std::unique_ptr<CudaDevice> device, std::unique_ptr<Backend> host,
              Arithmetic arithmetic, ThreadPool& threads)
      : device_(std::move(device)),
        host_(std::move(host)),
        memory_bytes_(device_->Memory().usable),
        arithmetic_(arithmetic),
        threads_(threads) {}

  std::string Describe() const override {
    return fmt::format("{}, {}, {} host thread{}", device_->name(), Name(arithmetic_),
                       threads_.num_threads(), threads_.num_threads() == 1 ? "" : "s");
  }
  TensorMemory& memory() const override { return *device_; }
  WorkSizes work_sizes() const override {
    constexpr size_t kMostLogitBytes = size_t{5} << 28;
    // Half a megabyte a token in the widest of models, and no more than an eighth of the memory.
    constexpr size_t kTokenStep = 512;
    const size_t tokens = (memory_bytes_ >> 22) / kTokenStep * kTokenStep;
    const size_t at_once = std::clamp<size_t>(tokens, kTokenStep, 16384);
    return {.layer_tokens = at_once,
            .group_tokens = at_once,
            .logit_bytes = std::min(kMostLogitBytes, memory_bytes_ / 32),
            .logit_row_step = 64,
            .most_logit_rows = 4096,
            .queued = 16};
  }
  std::optional<DeviceMemory> device_memory() const override {
    const CudaMemory memory = device_->Memory();
    return DeviceMemory{memory.used, memory.most, memory.usable};
  }
  void Wait() const override { Check(Api().wait(Context())); }
  std::optional<DeviceLimits> MeasureLimits() const override {
    CudaLimits limits{};
    Check(Api().measure_limits(Context(), &limits));
    return DeviceLimits{limits.fma_gflops, limits.byte_gops, limits.copy_gigabytes};
  }
  ThreadPool& threads() const override { return threads_; }

  void Upload(ConstMatrixView from, DeviceView to) const override {
    BITLOSS_CHECK(from.rows == to.rows && from.cols == to.cols);
    Check(Api().upload(Context(), from.data, Bytes(from.stride), to.data, Bytes(to.stride),
                       Bytes(from.cols), from.rows));
  }
  void Download(ConstDeviceView from, MatrixView to) const override {
    BITLOSS_CHECK(from.rows == to.rows && from.cols == to.cols);
    Check(Api().download(Context(), from.data, Bytes(from.stride), to.data, Bytes(to.stride),
                         Bytes(from.cols), from.rows));
  }
  ConstMatrixView OnHost(ConstDeviceView from, Matrix& staging) const override {
    staging.Resize(from.rows, from.cols);
    Download(from, staging);
    return staging;
  }
  void Copy(ConstDeviceView from, DeviceView to) const override {
    BITLOSS_CHECK(from.rows == to.rows && from.cols == to.cols);
    Check(Api().copy(Context(), from.data, Bytes(from.stride), to.data, Bytes(to.stride),
                     Bytes(from.cols), from.rows));
  }
  void CopyAll(std::span<const Move> moves) const override {
    std::vector<CudaMove> on_device;
    for (const Move& move : moves) {
      BITLOSS_CHECK(move.from.rows == move.to.rows && move.from.cols == move.to.cols);
      on_device.push_back({Rows(move.from), Rows(move.to)});
    }
    Check(Api().copy_all(Context(), on_device.data(), on_device.size()));
  }
  void GatherRows(ConstDeviceView from, std::span<const size_t> rows,
                  DeviceView to) const override {
    BITLOSS_CHECK(rows.size() == to.rows && from.cols == to.cols);
    for (const size_t row : rows) BITLOSS_CHECK(row < from.rows);
    Check(Api().gather_rows(Context(), Rows(from), rows.data(), Rows(to)));
  }

  void Embed(const EncodedMatrix& table, std::span<const int32_t> tokens,
             DeviceView x) const override {
    BITLOSS_CHECK(tokens.size() == x.rows && table.cols == x.cols);
    if (x.rows == 0) return;
    staging_.Reserve(*device_, Bytes(x.rows * x.cols));
    const MatrixView rows{staging_.as<float>(), x.rows, x.cols, x.cols};
    threads_.ForEachPart(x.rows, [&](size_t row, size_t) {
      BITLOSS_CHECK(tokens[row] >= 0 && static_cast<size_t>(tokens[row]) < table.rows);
      table.format.decode(table, static_cast<size_t>(tokens[row]), 0, rows.Row(row));
    });
    Upload(rows, x);
  }

  Result<std::unique_ptr<PackedMatrix>> PackMatrix(const EncodedMatrix& weights,
                                                   const Execution& execution,
                                                   Packing /*packing*/) const override {
    BITLOSS_TRY(std::unique_ptr<CudaMatrix> matrix,
                CudaMatrix::Pack(*device_, weights, execution, arithmetic_, threads_));
    return std::unique_ptr<PackedMatrix>(std::move(matrix));
  }

  void Multiply(const PackedMatrix& packed, ConstDeviceView bias, ConstDeviceView x,
                std::span<const RowRange> calls, DeviceView y) const override {
    const Product product{&packed, bias, y};
    MultiplyAll({&product, 1}, x, calls);
  }

  void MultiplyAll(std::span<const Product> products, ConstDeviceView x,
                   std::span<const RowRange> calls) const override {
    BITLOSS_CHECK(CoverRows(calls, x.rows));
    const Execution* rounded = nullptr;  // how the activations lie as integers now
    CudaInt8Rows rows{};
    std::vector<CudaProduct> floats;      // of one kind, that go together
    std::vector<CudaSplitProduct> split;  // all of one x
    for (const Product& product : products) {
      const auto& matrix = dynamic_cast<const CudaMatrix&>(*product.weights);
      BITLOSS_CHECK(x.cols == matrix.in_features() && x.rows == product.y.rows);
      BITLOSS_CHECK(product.y.cols == matrix.out_features());
      BITLOSS_CHECK(product.bias.cols == 0 || product.bias.cols == product.y.cols);
      if (x.rows == 0) continue;
      if (matrix.kind() == CudaMatrix::Kind::kInt8) {
        if (rounded == nullptr || !SameRounding(*rounded, matrix.execution())) {
          rows = RoundRows(matrix.execution(), x, calls);
          rounded = &matrix.execution();
        }
        MultiplyInt8(matrix, product, rows, x);
      } else if (matrix.kind() == CudaMatrix::Kind::kBlocks) {
        MultiplyBlocks(matrix, product, x);
      } else if (matrix.kind() == CudaMatrix::Kind::kSplit) {
        split.push_back({matrix.planes(), VectorOrNull(product.bias), Rows(product.y)});
      } else {
        const CudaProduct next = FloatProduct(matrix, product, x);
        if (floats.size() == kMostCudaProducts ||
            (!floats.empty() && floats[0].kind != next.kind)) {
          Check(Api().multiply(Context(), floats.data(), floats.size()));
          floats.clear();
        }
        floats.push_back(next);
      }
    }
    Check(Api().multiply(Context(), floats.data(), floats.size()));
    MultiplySplit(split, x);
  }

  void RmsNorm(ConstDeviceView x, ConstDeviceView weight, float eps, DeviceView y) const override {
    BITLOSS_CHECK(x.cols == weight.rows * weight.cols && y.cols == x.cols && y.rows == x.rows);
    Check(Api().rms_norm(Context(), Rows(x), weight.data, eps, Rows(y)));
  }

  void Center(ConstDeviceView x, DeviceView y) const override {
    Matrix rows = ToMatrix(x);
    host_->Center(AsTensor(std::as_const(rows)), AsTensor(rows));
    Upload(rows, y);
  }

  void Rope(const RopeTable& table, std::span<const uint32_t> positions, size_t head_dim,
            DeviceView x) const override {
    BITLOSS_CHECK(positions.size() == x.rows && x.cols % head_dim == 0);
    BITLOSS_CHECK(2 * table.cos.cols() <= head_dim && table.sin.cols() == table.cos.cols());
    if (table.pairing != RopePairing::kHalves || 2 * table.cos.cols() != head_dim) {
      return RopeOnHost(table, positions, head_dim, x);
    }
    for (const uint32_t position : positions) BITLOSS_CHECK(position < table.cos.rows());
    Check(Api().rope(Context(), table.cos.view().data, table.sin.view().data, positions.data(),
                     head_dim, Rows(x)));
  }

  void Attention(const AttentionShape& shape, ConstDeviceView queries,
                 std::span<const AttentionSequence> sequences, DeviceView out) const override {
    BITLOSS_CHECK(shape.num_kv_heads > 0 && shape.num_heads % shape.num_kv_heads == 0);
    BITLOSS_CHECK(queries.cols == shape.num_heads * shape.head_dim);
    BITLOSS_CHECK(out.cols == shape.num_heads * shape.ValueDim());
    if (!shape.IsPlain() || shape.head_dim > kCudaMaxHeadDim) {
      return AttendOnHost(shape, queries, sequences, out);
    }
    std::vector<CudaSequence> on_device;
    for (const AttentionSequence& sequence : sequences) {
      const size_t num_keys = sequence.first_position + sequence.rows.size();
      BITLOSS_CHECK(sequence.rows.end <= queries.rows && sequence.rows.end <= out.rows);
      BITLOSS_CHECK(sequence.keys.rows >= num_keys && sequence.values.rows >= num_keys);
      BITLOSS_CHECK(sequence.keys.cols == shape.num_kv_heads * shape.head_dim);
      BITLOSS_CHECK(sequence.values.cols == sequence.keys.cols);
      on_device.push_back({sequence.rows.begin, sequence.rows.size(), sequence.first_position,
                           sequence.keys.data, sequence.keys.stride, sequence.values.data,
                           sequence.values.stride});
    }
    const CudaAttention attention{
        shape.num_heads,
        shape.num_kv_heads,
        shape.head_dim,
        shape.scale != 0 ? shape.scale : 1.0f / std::sqrt(static_cast<float>(shape.head_dim)),
        Rows(queries),
        Rows(out),
        on_device.data(),
        on_device.size()};
    Check(Api().attention(Context(), &attention));
  }

  void Gate(const GatedUnit& unit, ConstDeviceView gate, ConstDeviceView up,
            DeviceView out) const override {
    BITLOSS_CHECK(up.rows == out.rows && up.cols == out.cols);
    if (unit.gating == Gating::kSilu) {
      BITLOSS_CHECK(gate.rows == up.rows && gate.cols == up.cols);
      return Check(Api().swiglu(Context(), Rows(gate), Rows(up), Rows(out)));
    }
    const Matrix gates = gate.rows > 0 ? ToMatrix(gate) : Matrix();
    Matrix ups = ToMatrix(up);
    host_->Gate(unit, AsTensor(gates), AsTensor(std::as_const(ups)), AsTensor(ups));
    Upload(ups, out);
  }

  void ScaleRows(std::span<const float> factors, DeviceView x) const override {
    Matrix rows = ToMatrix(x);
    host_->ScaleRows(factors, AsTensor(rows));
    Upload(rows, x);
  }
  void SoftCap(float cap, DeviceView x) const override {
    Matrix rows = ToMatrix(x);
    host_->SoftCap(cap, AsTensor(rows));
    Upload(rows, x);
  }
  void AddWeighted(ConstDeviceView from, std::span<const size_t> rows,
                   std::span<const float> weights, DeviceView to) const override {
    const Matrix addends = ToMatrix(from);
    Matrix sums = ToMatrix(to);
    host_->AddWeighted(AsTensor(addends), rows, weights, AsTensor(sums));
    Upload(sums, to);
  }

  void Add(ConstDeviceView delta, DeviceView x) const override {
    BITLOSS_CHECK(delta.rows == x.rows && delta.cols == x.cols);
    Check(Api().add(Context(), Rows(delta), Rows(x)));
  }

  std::unique_ptr<InputSums> SumInputs(ConstDeviceView x) const override {
    return std::make_unique<CudaSums>(*device_, Rows(x));
  }
  std::vector<double> SquaredDistances(ConstDeviceView a, ConstDeviceView b) const override {
    BITLOSS_CHECK(a.rows == b.rows && a.cols == b.cols);
    std::vector<double> sums(a.rows);
    Check(Api().squared_distances(Context(), Rows(a), Rows(b), sums.data()));
    return sums;
  }

  Result<std::vector<RowSummary>> Summarize(ConstDeviceView logits) const override {
    std::vector<CudaRowSums> sums(logits.rows);
    Check(Api().sum_rows(Context(), Rows(logits), sums.data()));
    std::vector<RowSummary> summaries(logits.rows);
    for (size_t row = 0; row < logits.rows; ++row) {
      const CudaRowSums& s = sums[row];
      if (s.usable == 0) {  // the host says what is wrong with it
        const Matrix bad = ToMatrix(logits.Rows(row, row + 1));
        BITLOSS_TRY(summaries[row], bitloss::Summarize(bad.Row(0)));
        continue;
      }
      summaries[row] =
          SummaryOfSums({.max = s.max, .min = s.min, .top1 = s.top1}, s.sum, s.weighted);
    }
    return summaries;
  }

  Result<Comparison> Compare(ConstDeviceView base, std::span<const RowSummary> base_summaries,
                             ConstDeviceView lane) const override {
    BITLOSS_CHECK(base.rows == lane.rows && base.cols == lane.cols);
    BITLOSS_CHECK(base_summaries.size() == base.rows);
    Comparison comparison;
    BITLOSS_TRY(comparison.summaries, Summarize(lane));
    std::vector<CudaComparedRow> rows(lane.rows);
    for (size_t row = 0; row < lane.rows; ++row) {
      const RowSummary& b = base_summaries[row];
      const RowSummary& l = comparison.summaries[row];
      rows[row] = {double{b.max}, b.log_sum, double{l.max}, l.log_sum,
                   StaysNormal(b) && StaysNormal(l) ? 1 : 0};
    }
    std::vector<CudaDivergence> divergences(lane.rows);
    const auto start = std::chrono::steady_clock::now();
    Check(Api().compare_rows(Context(), Rows(base), Rows(lane), rows.data(), divergences.data()));
    comparison.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    for (size_t row = 0; row < lane.rows; ++row) {
      comparison.divergences.push_back(
          {divergences[row].kl, divergences[row].kl_reverse,
           base_summaries[row].top1 == comparison.summaries[row].top1});
    }
    return comparison;
  }

  std::vector<TopTokens> FindTop(ConstDeviceView logits, size_t k) const override {
    if (2 * k > std::min(logits.cols, kMostCudaTokens)) return Backend::FindTop(logits, k);
    const size_t places = k == 1 ? 1 : kMostCudaTokens;
    std::vector<CudaTop> tops(logits.rows);
    std::vector<CudaToken> tokens(logits.rows * places);
    Check(Api().find_top(Context(), Rows(logits), k, tops.data(), tokens.data()));
    std::vector<TopTokens> found(logits.rows);
    for (size_t row = 0; row < logits.rows; ++row) {
      if (tops[row].comparable == 0) continue;
      if (tops[row].num_tokens > places) {  // too many are equal
        found[row] = Backend::FindTop(logits.Rows(row, row + 1), k)[0];
        continue;
      }
      found[row].comparable = true;
      for (size_t i = 0; i < tops[row].num_tokens; ++i) {
        const CudaToken& token = tokens[row * places + i];
        found[row].tokens.push_back({token.id, token.logit});
      }
      std::ranges::sort(found[row].tokens, RanksBefore);
      found[row].tokens.resize(k);
    }
    return found;
  }

  void Read(ConstDeviceView from, std::span<const Element> elements,
            std::span<float> values) const override {
    BITLOSS_CHECK(elements.size() == values.size());
    std::vector<size_t> rows;
    std::vector<size_t> cols;
    for (const Element& element : elements) {
      BITLOSS_CHECK(element.row < from.rows && element.col < from.cols);
      rows.push_back(element.row);
      cols.push_back(element.col);
    }
    Check(
        Api().read(Context(), Rows(from), rows.data(), cols.data(), values.size(), values.data()));
  }

 private:
  static size_t Bytes(size_t floats) { return floats * sizeof(float); }
  const CudaApi& Api() const { return device_->api(); }
  CudaContext* Context() const { return device_->context(); }
  void Check(CudaError error) const { device_->Check(error); }

  // What the device has no kernel for is done by the CPU's, with the same bits.
  void RopeOnHost(const RopeTable& table, std::span<const uint32_t> positions, size_t head_dim,
                  DeviceView x) const {
    RopeTable on_host{host_->ToTensor(ToMatrix(table.cos)), host_->ToTensor(ToMatrix(table.sin)),
                      table.pairing};
    Matrix rows = ToMatrix(x);
    host_->Rope(on_host, positions, head_dim, AsTensor(rows));
    Upload(rows, x);
  }
  void AttendOnHost(const AttentionShape& shape, ConstDeviceView queries,
                    std::span<const AttentionSequence> sequences, DeviceView out) const {
    std::vector<Matrix> keys_and_values;
    std::vector<AttentionSequence> on_host;
    keys_and_values.reserve(2 * sequences.size());
    for (const AttentionSequence& sequence : sequences) {
      const Matrix& keys = keys_and_values.emplace_back(ToMatrix(sequence.keys));
      const Matrix& values = keys_and_values.emplace_back(ToMatrix(sequence.values));
      on_host.push_back({sequence.rows, sequence.first_position, AsTensor(keys), AsTensor(values)});
    }
    const Matrix sinks = shape.sinks.rows > 0 ? ToMatrix(shape.sinks) : Matrix();
    AttentionShape host_shape = shape;
    host_shape.sinks = AsTensor(sinks);
    const Matrix rows = ToMatrix(queries);
    Matrix result = ToMatrix(out);  // rows of other sequences stay as they are
    host_->Attention(host_shape, AsTensor(rows), on_host, AsTensor(result));
    Upload(result, out);
  }

  // Whether two turn activations into the same integers.
  static bool SameRounding(const Execution& a, const Execution& b) {
    return a.kind == b.kind && a.outlier_threshold == b.outlier_threshold &&
           !a.static_activations && !b.static_activations;
  }

  CudaInt8Rows RoundRows(const Execution& execution, ConstDeviceView x,
                         std::span<const RowRange> calls) const {
    const bool splits = execution.kind == Execution::Kind::kLlmInt8;
    codes_.Reserve(*device_, x.rows * ((x.cols + 3) / 4) * sizeof(uint32_t));
    scales_.Reserve(*device_, x.rows * sizeof(float));
    CudaInt8Rows rows{};
    rows.codes = codes_.as<uint32_t>();
    rows.scales = scales_.as<float>();
    std::vector<uint32_t> call_of_row;
    if (splits) {
      rows.rounding = CudaRounding::kLlmInt8;
      rows.parameter = ThroughF16(execution.outlier_threshold);
      for (size_t call = 0; call < calls.size(); ++call) {
        call_of_row.resize(calls[call].end, static_cast<uint32_t>(call));
      }
      const size_t marks = calls.size() * x.cols;
      calls_.Reserve(*device_, x.rows * sizeof(uint32_t));
      is_outlier_.Reserve(*device_, marks);
      outlier_columns_.Reserve(*device_, marks * sizeof(uint32_t));
      num_outliers_.Reserve(*device_, calls.size() * sizeof(uint32_t));
      rows.call_of_row = call_of_row.data();
      rows.num_calls = calls.size();
      rows.calls = calls_.as<uint32_t>();
      rows.is_outlier = is_outlier_.as<uint8_t>();
      rows.outlier_columns = outlier_columns_.as<uint32_t>();
      rows.num_outliers = num_outliers_.as<uint32_t>();
    } else {
      rows.rounding =
          execution.static_activations ? CudaRounding::kW8A8Static : CudaRounding::kW8A8;
      rows.parameter = execution.activation_scale;
    }
    Check(Api().round_rows(Context(), Rows(x), &rows));
    rows.call_of_row = nullptr;
    return rows;
  }

  static CudaProduct FloatProduct(const CudaMatrix& matrix, const Product& product,
                                  ConstDeviceView x) {
    return {matrix.kind() == CudaMatrix::Kind::kF16 ? CudaWeights::kF16 : CudaWeights::kF32,
            matrix.weights(), VectorOrNull(product.bias), Rows(x), Rows(product.y)};
  }

  // Those with low halves apart from those without.
  void MultiplySplit(std::span<CudaSplitProduct> products, ConstDeviceView x) const {
    if (products.empty()) return;
    const size_t plane_bytes = CudaPlaneBytes(x.rows, x.cols);
    const size_t chunks = CudaSplitChunks(x.cols);
    high_.Reserve(*device_, plane_bytes);
    low_.Reserve(*device_, plane_bytes);
    factors_.Reserve(*device_, Bytes(CudaSplitBlocks(x.rows) * kCudaSplitRows * chunks));
    const CudaPlanes planes{high_.as<uint16_t>(), low_.as<uint16_t>(), factors_.as<float>(), x.rows,
                            chunks};
    Check(Api().split_activations(Context(), Rows(x), &planes));
    const auto with_low = std::ranges::stable_partition(
        products, [](const CudaSplitProduct& p) { return p.weights.low == nullptr; });
    const std::span<CudaSplitProduct> kinds[] = {products.first(products.size() - with_low.size()),
                                                 std::span(with_low)};
    for (const std::span<CudaSplitProduct> kind : kinds) {
      for (size_t first = 0; first < kind.size(); first += kMostCudaProducts) {
        const size_t count = std::min(kMostCudaProducts, kind.size() - first);
        Check(Api().multiply_split(Context(), &planes, &kind[first], count));
      }
    }
  }

  void MultiplyInt8(const CudaMatrix& matrix, const Product& product, const CudaInt8Rows& rows,
                    ConstDeviceView x) const {
    const CudaInt8Product int8{static_cast<const uint32_t*>(matrix.weights()),
                               matrix.scales(),
                               VectorOrNull(product.bias),
                               &rows,
                               Rows(x),
                               Rows(product.y)};
    Check(Api().multiply_int8(Context(), &int8));
  }

  void MultiplyBlocks(const CudaMatrix& matrix, const Product& product, ConstDeviceView x) const {
    constexpr size_t kBlock = 32;
    const size_t num_blocks = x.rows * (x.cols / kBlock);
    codes_.Reserve(*device_, x.rows * x.cols);
    scales_.Reserve(*device_, num_blocks * sizeof(float));
    block_sums_.Reserve(*device_, num_blocks * sizeof(float));
    const CudaBlockProduct blocks{static_cast<const uint32_t*>(matrix.weights()),
                                  matrix.scales(),
                                  matrix.offsets(),
                                  VectorOrNull(product.bias),
                                  Rows(x),
                                  Rows(product.y),
                                  codes_.as<uint32_t>(),
                                  scales_.as<float>(),
                                  block_sums_.as<float>()};
    Check(Api().multiply_blocks(Context(), &blocks));
  }

  std::unique_ptr<CudaDevice> device_;
  std::unique_ptr<Backend> host_;
  size_t memory_bytes_;  // that may be used
  Arithmetic arithmetic_;
  ThreadPool& threads_;
  // Memory that stays from call to call: embedded rows on their way, activations as halves and as
  // integers.
  mutable PinnedBuffer staging_;
  mutable CudaBuffer high_;
  mutable CudaBuffer low_;
  mutable CudaBuffer factors_;
  mutable CudaBuffer codes_;
  mutable CudaBuffer scales_;
  mutable CudaBuffer block_sums_;
  mutable CudaBuffer calls_;
  mutable CudaBuffer is_outlier_;
  mutable CudaBuffer outlier_columns_;
  mutable CudaBuffer num_outliers_;
};

Result<CudaDeviceInfo> LookAt(const CudaApi& api, int device) {
  int count = 0;
  if (const CudaError error = api.count_devices(&count)) return Unsupported("{}", error);
  if (count == 0) return Unsupported("no CUDA device");
  if (device >= count) {
    return Unsupported("there is no such device: {} here, numbered from 0", count);
  }
  CudaDeviceInfo info{};
  if (const CudaError error = api.describe(device, &info)) return Unsupported("{}", error);
  if (info.compute_major < kOldestComputeMajor) {
    return Unsupported("{} has compute capability {}.{}; {}.0 is the oldest that works", info.name,
                       info.compute_major, info.compute_minor, kOldestComputeMajor);
  }
  return info;
}

// Numbers of wide exponents, some of them zero.
Matrix UnevenNumbers(size_t rows, size_t cols, std::string_view name) {
  const RandomStream random(1, name);
  Matrix matrix(rows, cols);
  for (size_t i = 0; i < rows * cols; ++i) {
    const int exponent = -static_cast<int>(random.Bits(0, i) % 24);
    const bool is_zero = random.Bits(1, i) % 8 == 0;
    matrix.flat()[i] =
        is_zero ? 0.0f : std::ldexp(static_cast<float>(2 * random.Uniform(2, i) - 1), exponent);
  }
  return matrix;
}

// Whether the device's tensor cores add as split arithmetic says: a product there and here.
Status TrySplitProduct(const Backend& backend, std::string_view device_name) {
  constexpr size_t kRows = 33, kOutputs = 72, kDepth = 1100;
  const Format& format = F32Format();
  BITLOSS_TRY(const EncodedMatrix weights,
              format.encode(format, UnevenNumbers(kOutputs, kDepth, "split weights")));
  const Matrix x = UnevenNumbers(kRows, kDepth, "split activations");
  BITLOSS_TRY(const std::unique_ptr<PackedMatrix> packed, backend.Pack(weights, {}));
  Tensor y(backend.memory(), kRows, kOutputs);
  const RowRange call{0, kRows};
  backend.MatMul(*packed, {}, backend.ToTensor(x), {&call, 1}, y);
  const Matrix there = backend.ToMatrix(y);
  Matrix here(kRows, kOutputs);
  MultiplySplit(SplitMatrix(weights, backend.threads()), {}, x, backend.threads(), here);
  if (std::ranges::equal(there.flat(), here.flat())) return Ok();
  return Unsupported(
      "the tensor cores of {} do not add as split arithmetic says (those of compute capability 9.0 "
      "do); --arithmetic exact runs on it",
      device_name);
}

}  // namespace

Result<std::unique_ptr<Backend>> MakeCudaBackend(const CudaApi& api, const CudaDeviceChoice& device,
                                                 Arithmetic arithmetic, ThreadPool& threads) {
  BITLOSS_TRY(const CudaDeviceInfo info, LookAt(api, device.number));
  CudaContext* context = nullptr;
  if (const CudaError error = api.open(device.number, device.most_bytes, &context)) {
    return Unsupported("{}", error);
  }
  auto opened = std::make_unique<CudaDevice>(api, context, device.number, info);
  BITLOSS_TRY(std::unique_ptr<Backend> host, MakeCpuBackend(threads));
  auto backend =
      std::make_unique<CudaBackend>(std::move(opened), std::move(host), arithmetic, threads);
  if (arithmetic == Arithmetic::kSplit) BITLOSS_DO(TrySplitProduct(*backend, info.name));
  return std::unique_ptr<Backend>(std::move(backend));
}

std::vector<std::string> DescribeCudaDevices(const CudaApi& api) {
  std::vector<std::string> lines;
  for (int device = 0;; ++device) {
    const Result<CudaDeviceInfo> info = LookAt(api, device);
    if (!info.ok()) {
      if (device == 0) lines.push_back(info.error().message);
      return lines;
    }
    const CudaDeviceInfo& it = info.value();
    lines.push_back(fmt::format(
        "cuda:{}: {}, compute capability {}.{}, {} multiprocessors, {} MiB, driver for CUDA {}.{}",
        device, it.name, it.compute_major, it.compute_minor, it.multiprocessors,
        it.memory_bytes >> 20, it.driver / 1000, it.driver % 1000 / 10));
  }
}

}  // namespace bitloss
