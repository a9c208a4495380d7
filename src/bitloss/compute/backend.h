// The operations of a decoder-only transformer. Everything that a model computes goes through here.
//
// Tensors are FP32, row-major, one row per token, and belong to a backend: their elements are its
// own business, and the host sees them through Upload, Download and OnHost alone.
//
// Which bits come out is each backend's promise. The CPU's: a row of an output depends on its own
// inputs only and its bits are the same for any batch, thread count and instruction set (an output
// element of a product is accumulated over k in ascending order with one fused multiply-add per
// term; other reductions are striped by 16).
//
// A device that fails in the middle of an operation, or has no memory left for its result, throws:
// there is no result to go on with. Nothing below the command line catches that.
//
// Abstract because the same model runs on the plain reference (double precision, the definition),
// on the CPU and on a GPU.
#ifndef BITLOSS_COMPUTE_BACKEND_H_
#define BITLOSS_COMPUTE_BACKEND_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/base/threads.h"
#include "bitloss/compute/tensor.h"
#include "bitloss/metrics/divergence.h"
#include "bitloss/metrics/top_k.h"
#include "bitloss/quant/format.h"
#include "bitloss/quant/scheme.h"
#include "bitloss/tensor/matrix.h"

namespace bitloss {

class InputSums;  // quant/fit/gram.h

// Rows [begin, end) of a batch.
struct RowRange {
  size_t begin = 0;
  size_t end = 0;
  size_t size() const { return end - begin; }
};

// Whether the ranges follow each other from row 0 to `num_rows`.
bool CoverRows(std::span<const RowRange> ranges, size_t num_rows);

// A weight matrix [out][in] in the order that a backend's kernels read. Belongs to the backend that
// packed it.
class PackedMatrix {
 public:
  virtual ~PackedMatrix() = default;
  virtual size_t out_features() const = 0;
  virtual size_t in_features() const = 0;
  virtual size_t num_bytes() const = 0;  // in memory
};

// Where a packed matrix lies. Kernels are fastest with their own order, which takes a copy. FP16
// weights can be multiplied where they are instead, in the pages of a file say: for a matrix that
// is used a few times only, since that asks for no memory and no time before the first product.
// The bits of every product are the same.
enum class Packing { kCopy, kInPlace };

// Which elements of a head turn together: i and i + half of the rotated part, or neighbours.
enum class RopePairing { kHalves, kNeighbours };

// cos and sin of position * frequency, [positions][rotated / 2] each: the first `rotated` elements
// of a head turn, the rest stay. Filled by the model in double precision, rounded once to FP32.
struct RopeTable {
  Tensor cos;
  Tensor sin;
  RopePairing pairing = RopePairing::kHalves;
};

// Scores are scale * q . k, then cap * tanh(score / cap) where there is a cap. A query at position
// i sees keys [FirstKey(i), i].
struct AttentionShape {
  size_t num_heads = 0;
  size_t num_kv_heads = 0;  // query head j reads kv head j / (num_heads / num_kv_heads)
  size_t head_dim = 0;
  float scale = 0;    // 0: 1 / sqrt(head_dim)
  float softcap = 0;  // 0: none
  size_t window = 0;  // keys that a query sees, itself included; 0: all
  size_t chunk = 0;   // it sees none of an earlier chunk of so many positions; 0: one chunk
  // One score for each query head, of a key without a value; empty: none. Not scaled, not capped.
  ConstDeviceView sinks = {};
  size_t value_dim = 0;  // of a head's values, and of what comes out; 0: head_dim

  size_t ValueDim() const { return value_dim > 0 ? value_dim : head_dim; }
  size_t FirstKey(size_t position) const {
    size_t first = window > 0 && position + 1 > window ? position + 1 - window : 0;
    if (chunk > 0 && position / chunk * chunk > first) first = position / chunk * chunk;
    return first;
  }
  // Whether it is what every backend's own kernels do: no cap, all keys, no sinks, heads of one
  // size.
  bool IsPlain() const {
    return softcap == 0 && window == 0 && chunk == 0 && sinks.rows == 0 && ValueDim() == head_dim;
  }
};

// What becomes of the two inputs of a gated unit, element by element:
//   kSilu         silu(gate) * up, silu(z) = z / (1 + exp(-z))
//   kGeluTanh     z / 2 (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3))) * up, z = gate
//   kReluSquared  max(up, 0)^2; there is no gate
//   kClamped      (u + 1) z / (1 + exp(-alpha z)), z = min(gate, limit), u = up within +-limit
//   kSigmoid      up / (1 + exp(-gate))
//   kProduct      gate * up
enum class Gating { kSilu, kGeluTanh, kReluSquared, kClamped, kSigmoid, kProduct };
struct GatedUnit {
  Gating gating = Gating::kSilu;
  float limit = 0;
  float alpha = 1;
};

// One sequence of a batch: its new tokens and all keys and values up to the last of them.
struct AttentionSequence {
  RowRange rows;              // its rows of `queries` and `out`; row i stands at first_position + i
  size_t first_position = 0;  // how many keys come before its first new token
  ConstDeviceView keys;       // [first_position + rows.size()][num_kv_heads * head_dim], rotated
  ConstDeviceView values;     // the same, of value_dim
};

// One sequence of a batch for an operation that goes through it token by token: its new rows, and
// what earlier ones left, which the operation brings up to date. No state (rows == 0): the sequence
// begins here, with zeros, and leaves nothing.
struct RecurrentSequence {
  RowRange rows;
  DeviceView state;
};

// Each value head keeps a matrix S [key_dim][value_dim].
struct DeltaShape {
  size_t key_heads = 0;
  size_t value_heads = 0;  // a multiple of key_heads
  size_t key_dim = 0;
  size_t value_dim = 0;
  bool is_tiled = false;  // value head h reads key head h mod key_heads, not h / (values per key)

  size_t KeyHeadOf(size_t value_head) const {
    return is_tiled ? value_head % key_heads : value_head / (value_heads / key_heads);
  }
};
// Of each token: queries and keys [tokens][key_heads * key_dim], values [tokens][value_heads *
// value_dim], and by value head what S shrinks by and how much of an error it takes in.
struct DeltaInputs {
  ConstDeviceView queries;
  ConstDeviceView keys;
  ConstDeviceView values;
  ConstMatrixView decays;
  ConstMatrixView rates;
};

// How much at once keeps a device busy; more would only take memory. No number depends on it.
struct WorkSizes {
  size_t layer_tokens = 512;   // that go through a block together
  size_t group_tokens = 2048;  // of sequences that are scored together
  // Rows of logits that exist at once in a lane: a multiple of `logit_row_step`, about so many
  // bytes of them.
  size_t logit_bytes = size_t{64} << 20;
  size_t logit_row_step = 6;
  size_t most_logit_rows = 252;
  size_t queued = 1;  // operations that are asked for before one is waited for, when they are timed
};

// What a device that is not the host's processor can do at most, in 10^9 per second.
struct DeviceLimits {
  double fma_gflops = 0;      // FP32 multiply-adds, two operations each
  double byte_gops = 0;       // multiply-adds of bytes in int32, two operations each
  double copy_gigabytes = 0;  // read and written, from memory to memory
};

// Of a device that tensors and packed matrices lie on, in bytes.
struct DeviceMemory {
  uint64_t used = 0;
  uint64_t most_used = 0;  // so far
  uint64_t usable = 0;     // in all: what others leave, or what was allowed
};

class Backend {
 public:
  virtual ~Backend() = default;

  // For records: "cpu, AVX3_DL, 2 threads".
  virtual std::string Describe() const = 0;

  // Where tensors of this backend lie. All tensors of its operations come from it.
  virtual TensorMemory& memory() const = 0;

  virtual WorkSizes work_sizes() const { return {}; }

  // None if tensors lie in the host's memory.
  virtual std::optional<DeviceMemory> device_memory() const { return std::nullopt; }

  // Returns once all that was asked for is done: where operations are queued, so that a clock read
  // afterwards counts them.
  virtual void Wait() const {}

  // Measured now; none if operations run on the host's processor (bench.h measures that).
  virtual std::optional<DeviceLimits> MeasureLimits() const { return std::nullopt; }

  // The host's threads: what operations on the CPU run on, shared with loops around them.
  virtual ThreadPool& threads() const = 0;

  // --- Between host and device. Shapes are equal.

  virtual void Upload(ConstMatrixView from, DeviceView to) const = 0;
  virtual void Download(ConstDeviceView from, MatrixView to) const = 0;
  // A tensor's elements on the host: where they lie if that is the host's memory, else copied to
  // `staging`, which must outlive the view.
  virtual ConstMatrixView OnHost(ConstDeviceView from, Matrix& staging) const = 0;

  // New tensors with the values given: a vector is [1][n], and [0][0] if it is empty.
  Tensor ToTensor(ConstMatrixView values) const;
  Tensor ToTensor(std::span<const float> values) const;
  Matrix ToMatrix(ConstDeviceView values) const;

  // --- Moving rows.

  // to = from. They do not overlap.
  virtual void Copy(ConstDeviceView from, DeviceView to) const = 0;
  struct Move {
    ConstDeviceView from;
    DeviceView to;
  };
  // Copy for each; none reads what another writes.
  virtual void CopyAll(std::span<const Move> moves) const;
  // to[i] = from[rows[i]].
  virtual void GatherRows(ConstDeviceView from, std::span<const size_t> rows,
                          DeviceView to) const = 0;
  // x[i] = row tokens[i] of `table`, decoded. Requires: 0 <= tokens[i] < table.rows.
  virtual void Embed(const EncodedMatrix& table, std::span<const int32_t> tokens,
                     DeviceView x) const;

  // --- Products.

  // Repacks a matrix for MatMul, to be multiplied as `execution` says. kUnsupported if this backend
  // cannot run it, with the reason. With kInPlace, formats that kernels read as they are stay where
  // they are; others are copied all the same.
  Result<std::unique_ptr<PackedMatrix>> Pack(const EncodedMatrix& weights,
                                             const Execution& execution,
                                             Packing packing = Packing::kCopy) const;

  // y[t][o] = sum_i x[t][i] W[o][i] + bias[o]; bias is a vector of [out], or empty. x [tokens][in],
  // y [tokens][out]. `calls` cuts the rows into what a batch of one would pass at once (a sequence;
  // in decoding one token); only executions that look at a whole call care (LLM.int8's outlier
  // columns). The calls cover all rows in order. x and y do not overlap.
  void MatMul(const PackedMatrix& weights, ConstDeviceView bias, ConstDeviceView x,
              std::span<const RowRange> calls, DeviceView y) const;

  // One of several products with the same x.
  struct Product {
    const PackedMatrix* weights;
    ConstDeviceView bias;
    DeviceView y;
  };
  // The same as a MatMul for each; what they have in common is done once.
  void MatMuls(std::span<const Product> products, ConstDeviceView x,
               std::span<const RowRange> calls) const;

  // --- The rest of a block.

  // y[t][i] = x[t][i] / sqrt(mean_i(x[t][i]^2) + eps) * weight[i]. y may be x.
  virtual void RmsNorm(ConstDeviceView x, ConstDeviceView weight, float eps,
                       DeviceView y) const = 0;

  // y[t][i] = x[t][i] - mean_i(x[t][i]). y may be x.
  virtual void Center(ConstDeviceView x, DeviceView y) const = 0;

  // Rotates each head of each row by its position. x [tokens][num_heads * head_dim], positions
  // [tokens] < table rows.
  virtual void Rope(const RopeTable& table, std::span<const uint32_t> positions, size_t head_dim,
                    DeviceView x) const = 0;

  // out[t] = softmax(scores of q[t]) v over the keys that t sees, for each head. queries
  // [tokens][num_heads * head_dim], out the same of value_dim.
  virtual void Attention(const AttentionShape& shape, ConstDeviceView queries,
                         std::span<const AttentionSequence> sequences, DeviceView out) const = 0;

  // y[t][c] = sum_s kernel[c][s] x[t - width + 1 + s][c], s ascending: each channel with its own
  // last rows, those before the first being the sequence's state [width - 1][channels], or zeros.
  // kernel [channels][width]. y is not x. Unless a backend has kernels, by loops of the host's.
  virtual void ShortConvolution(ConstDeviceView kernel, ConstDeviceView x,
                                std::span<const RecurrentSequence> sequences, DeviceView y) const;

  // The gated delta rule, token by token: S = decay S; S = S + k (rate (v - S^T k))^T; out = S^T q.
  // Of each sequence, S is its state [value_heads * key_dim][value_dim]. out has the shape of the
  // values. By loops of the host's in the same way.
  virtual void DeltaRule(const DeltaShape& shape, const DeltaInputs& inputs,
                         std::span<const RecurrentSequence> sequences, DeviceView out) const;

  // out of gate and up, element by element. out may be either.
  virtual void Gate(const GatedUnit& unit, ConstDeviceView gate, ConstDeviceView up,
                    DeviceView out) const = 0;

  // x += delta.
  virtual void Add(ConstDeviceView delta, DeviceView x) const = 0;

  // Row i of x times factors[i].
  virtual void ScaleRows(std::span<const float> factors, DeviceView x) const = 0;
  // All of x times `factor`.
  void Scale(float factor, DeviceView x) const { ScaleRows(std::vector<float>(x.rows, factor), x); }
  // x = cap * tanh(x / cap).
  virtual void SoftCap(float cap, DeviceView x) const = 0;
  // to[rows[i]] += weights[i] * from[i], the product rounded first. No row comes twice.
  virtual void AddWeighted(ConstDeviceView from, std::span<const size_t> rows,
                           std::span<const float> weights, DeviceView to) const = 0;

  // --- What fits that calibrate ask for. By the host's threads, unless a backend has kernels; the
  // same bits.

  // Inputs of a linear, [tokens][in]. Its operations come from this backend, which outlives it.
  virtual std::unique_ptr<InputSums> SumInputs(ConstDeviceView x) const;
  // sum_i (a[r][i] - b[r][i])^2 for each row r, in float64, i ascending.
  virtual std::vector<double> SquaredDistances(ConstDeviceView a, ConstDeviceView b) const;

  // --- The arithmetic of controls (rounded_arithmetic.h): as other engines compute. By loops of
  // the host's, wherever tensors lie.

  // to = from, every element rounded as `execution` says. `to` may be `from`.
  // Requires: RoundsActivations(execution).
  virtual void RoundActivations(Execution::Kind execution, ConstDeviceView from,
                                DeviceView to) const;
  // Attention as eager FP16 code computes it. Shapes as Attention's.
  virtual void AttentionInFp16(const AttentionShape& shape, ConstDeviceView queries,
                               std::span<const AttentionSequence> sequences, DeviceView out) const;

  // change(row) for every row of x, on all threads, by the host.
  void ChangeRows(DeviceView x, const std::function<void(std::span<float>)>& change) const;

  // --- Looking at logits, [rows][vocabulary].

  // metrics/divergence.h, for each row. kBadInput if a row's logits are not usable.
  virtual Result<std::vector<RowSummary>> Summarize(ConstDeviceView logits) const;
  struct Comparison {
    std::vector<RowSummary> summaries;    // of the lane
    std::vector<Divergence> divergences;  // from the baseline
    double seconds = 0;                   // that comparing took, beside making the summaries
  };
  // Each row of a lane beside the baseline's. The shapes are equal.
  virtual Result<Comparison> Compare(ConstDeviceView base,
                                     std::span<const RowSummary> base_summaries,
                                     ConstDeviceView lane) const;
  // The largest logits of a row, as TopK gives them. Requires: k > 0.
  struct TopTokens {
    bool comparable = false;  // no NaN and no +inf; if false, `tokens` mean nothing
    std::vector<ScoredToken> tokens;
  };
  virtual std::vector<TopTokens> FindTop(ConstDeviceView logits, size_t k) const;
  // Single elements.
  struct Element {
    size_t row = 0;
    size_t col = 0;
  };
  virtual void Read(ConstDeviceView from, std::span<const Element> elements,
                    std::span<float> values) const;

 protected:
  // --- What Pack, MatMul and MatMuls are made of: the same, for executions that leave activations
  // alone or round them in their product (RoundingOf is null).
  virtual Result<std::unique_ptr<PackedMatrix>> PackMatrix(const EncodedMatrix& weights,
                                                           const Execution& execution,
                                                           Packing packing) const = 0;
  virtual void Multiply(const PackedMatrix& weights, ConstDeviceView bias, ConstDeviceView x,
                        std::span<const RowRange> calls, DeviceView y) const = 0;
  virtual void MultiplyAll(std::span<const Product> products, ConstDeviceView x,
                           std::span<const RowRange> calls) const;
};

// The plain reference: loops in double precision, one thread. It is the definition; never
// optimised.
std::unique_ptr<Backend> MakeReferenceBackend();

// Highway kernels for this processor's best instruction set, or for the one named (one of
// CpuInstructionSets() of instruction_set.h); the bits of every result are the same. kUnsupported
// on a processor without fused multiply-add. One call at a time. Requires: `threads` outlives the
// backend.
Result<std::unique_ptr<Backend>> MakeCpuBackend(ThreadPool& threads,
                                                std::string_view instruction_set = {});

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_BACKEND_H_
