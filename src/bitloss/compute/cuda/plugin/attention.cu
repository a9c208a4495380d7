// Attention in the order of compute/cpu/attention.h: tiles of 128 keys aligned to the absolute
// position, 16 stripes of the weights' sum, one chain of fused multiply-adds for each score and
// each output.
//
// A block of threads takes 32 rows (a row is one head of one query) that read one key/value head.
#include <limits>

#include "bitloss/compute/cuda/plugin/context.cuh"
#include "bitloss/compute/cuda/plugin/exp.cuh"

namespace bitloss {
namespace {

constexpr unsigned kThreads = 256;
constexpr float kNone = -std::numeric_limits<float>::infinity();
constexpr unsigned kRows = 32;
constexpr unsigned kKeys = 128;
constexpr unsigned kDepth = 32;  // elements of a head that lie in shared memory at once
constexpr unsigned kStripes = 16;

struct Part {
  CudaSequence sequence;
  size_t first_row;  // of the sequence's rows times heads_per_kv
  size_t kv_head;
};

struct Shared {
  float queries[kDepth][kRows + 4];
  float keys[kDepth][kKeys + 4];
  float weights[kRows][kKeys + 4];
  float rescales[kRows];
  float totals[kRows];
  unsigned counts[kRows];  // keys of this tile that a row sees
};

// kCols: columns of the output that a thread has, 32 apart.
template <unsigned kCols>
class Attention {
 public:
  __device__ Attention(const CudaAttention& shape, const Part& part, Shared& shared)
      : shape_(shape),
        part_(part),
        shared_(shared),
        heads_(shape.num_heads / shape.num_kv_heads),
        num_rows_(part.sequence.num_rows * heads_),
        fours_are_aligned_(shape.head_dim % 4 == 0 && IsAligned(shape.queries.data) &&
                           shape.queries.stride % 4 == 0 && IsAligned(part.sequence.keys) &&
                           part.sequence.key_stride % 4 == 0) {}

  __device__ void Run() {
    const size_t last = min(part_.first_row + kRows, num_rows_) - 1;
    const size_t num_keys = part_.sequence.first_position + last / heads_ + 1;
    for (size_t first = 0; first < num_keys; first += kKeys) {
      const unsigned count = static_cast<unsigned>(min(size_t{kKeys}, num_keys - first));
      if (threadIdx.x < kRows) {
        const size_t sees = KeysOfRow(threadIdx.x);
        shared_.counts[threadIdx.x] =
            sees <= first ? 0 : static_cast<unsigned>(min(size_t{count}, sees - first));
      }
      Score(first, count);
      __syncthreads();
      Weigh();
      __syncthreads();
      AddValues(first);
      __syncthreads();
    }
    Finish();
  }

 private:
  __device__ static bool IsAligned(const float* data) {
    return reinterpret_cast<uintptr_t>(data) % 16 == 0;
  }

  // Of a row of this part; rows beyond the last do what the last does, for nobody.
  __device__ size_t KeysOfRow(unsigned r) const {
    const size_t row = min(part_.first_row + r, num_rows_ - 1);
    return part_.sequence.first_position + row / heads_ + 1;
  }
  __device__ size_t MatrixRow(size_t row) const { return part_.sequence.first_row + row / heads_; }
  __device__ size_t MatrixCol(size_t row) const {
    return (part_.kv_head * heads_ + row % heads_) * shape_.head_dim;
  }

  // shared weights[row][key] = q . k; four rows and four keys a thread.
  __device__ void Score(size_t first, unsigned count) {
    const unsigned row = threadIdx.x / 32 * 4;
    const unsigned key = threadIdx.x % 32 * 4;
    float sums[4][4] = {};
    for (unsigned d = 0; d < shape_.head_dim; d += kDepth) {
      const unsigned depth = min(kDepth, static_cast<unsigned>(shape_.head_dim) - d);
      __syncthreads();
      Load(first, count, d, depth);
      __syncthreads();
#pragma unroll 4
      for (unsigned i = 0; i < depth; ++i) {
        const float4 k = *reinterpret_cast<const float4*>(&shared_.keys[i][key]);
        const float4 q = *reinterpret_cast<const float4*>(&shared_.queries[i][row]);
        const float ks[4] = {k.x, k.y, k.z, k.w};
        const float qs[4] = {q.x, q.y, q.z, q.w};
#pragma unroll
        for (unsigned r = 0; r < 4; ++r) {
#pragma unroll
          for (unsigned j = 0; j < 4; ++j) sums[r][j] = __fmaf_rn(qs[r], ks[j], sums[r][j]);
        }
      }
    }
#pragma unroll
    for (unsigned r = 0; r < 4; ++r) {
#pragma unroll
      for (unsigned j = 0; j < 4; ++j) {
        const bool seen = key + j < shared_.counts[row + r];
        shared_.weights[row + r][key + j] = seen ? sums[r][j] : kNone;
      }
    }
  }

  // Elements [d, d + depth) of the rows' queries and of the tile's keys; keys that do not exist
  // repeat the last.
  __device__ void Load(size_t first, unsigned count, unsigned d, unsigned depth) {
    if (depth == kDepth && fours_are_aligned_) return LoadFours(first, count, d);
    const unsigned i = threadIdx.x % kDepth;
    if (i >= depth) return;
    for (unsigned r = threadIdx.x / kDepth; r < kRows; r += kThreads / kDepth) {
      const size_t row = min(part_.first_row + r, num_rows_ - 1);
      shared_.queries[i][r] =
          shape_.queries.data[MatrixRow(row) * shape_.queries.stride + MatrixCol(row) + d + i];
    }
    const float* keys = part_.sequence.keys + part_.kv_head * shape_.head_dim + d + i;
    for (unsigned k = threadIdx.x / kDepth; k < kKeys; k += kThreads / kDepth) {
      shared_.keys[i][k] = keys[(first + min(k, count - 1)) * part_.sequence.key_stride];
    }
  }

  // The same for a whole slice, four elements at a time: two neighbouring threads read a key's, so
  // that no two of a warp write one bank.
  __device__ void LoadFours(size_t first, unsigned count, unsigned d) {
    const unsigned half = threadIdx.x % 2 * 4;
    const unsigned k = threadIdx.x / 2;
    const float* keys = part_.sequence.keys + part_.kv_head * shape_.head_dim + d + half +
                        (first + min(k, count - 1)) * part_.sequence.key_stride;
    static_assert(kThreads / 2 == kKeys);
#pragma unroll
    for (unsigned i = 0; i < kDepth; i += 8) {
      PutFour(keys + i, &shared_.keys[i + half][k], kKeys + 4);
    }
    const unsigned r = k % kRows;
    const unsigned i = k / kRows * 8;  // four threads a row and half
    static_assert(kKeys / kRows * 8 == kDepth);
    const size_t row = min(part_.first_row + r, num_rows_ - 1);
    PutFour(shape_.queries.data + MatrixRow(row) * shape_.queries.stride + MatrixCol(row) + d + i +
                half,
            &shared_.queries[i + half][r], kRows + 4);
  }
  __device__ static void PutFour(const float* from, float* to, unsigned pitch) {
    const float4 four = *reinterpret_cast<const float4*>(from);
    to[0] = four.x;
    to[pitch] = four.y;
    to[2 * pitch] = four.z;
    to[3 * pitch] = four.w;
  }

  // Scores to weights: sixteen threads a row, each a stripe; the rows' tops and stripes stay in
  // their registers.
  __device__ void Weigh() {
    const unsigned stripe = threadIdx.x % kStripes;
#pragma unroll
    for (unsigned pass = 0; pass < kPasses; ++pass) {
      const unsigned row = threadIdx.x / kStripes + pass * (kThreads / kStripes);
      float* weights = shared_.weights[row];
      float top = kNone;
      for (unsigned i = stripe; i < kKeys; i += kStripes) top = fmaxf(top, weights[i]);
      for (unsigned half = kStripes / 2; half > 0; half /= 2) {
        top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, half));
      }
      if (shared_.counts[row] == 0) {
        if (stripe == 0) shared_.rescales[row] = 1.0f;
        continue;
      }
      const float new_top = __fmul_rn(top, shape_.scale);
      const float old_top = tops_[pass];
      tops_[pass] = new_top > old_top ? new_top : old_top;
      const float rescale = Exp(__fsub_rn(old_top, tops_[pass]));
      float sum = __fmul_rn(stripes_[pass], rescale);
      for (unsigned i = stripe; i < kKeys; i += kStripes) {
        const float weight = Exp(__fmaf_rn(weights[i], shape_.scale, -tops_[pass]));
        sum = __fadd_rn(sum, weight);
        weights[i] = weight;
      }
      stripes_[pass] = sum;
      if (stripe == 0) shared_.rescales[row] = rescale;
    }
  }

  // Four rows of every thread, columns 32 apart; no row multiplies a value that it may not see.
  __device__ void AddValues(size_t first) {
    const unsigned row = threadIdx.x / 32 * 4;
    const unsigned lane = threadIdx.x % 32;
    const unsigned dim = static_cast<unsigned>(shape_.head_dim);
    unsigned common = kKeys;
    unsigned most = 0;
#pragma unroll
    for (unsigned r = 0; r < 4; ++r) {
      common = min(common, shared_.counts[row + r]);
      most = max(most, shared_.counts[row + r]);
      const float rescale = shared_.rescales[row + r];
#pragma unroll
      for (unsigned c = 0; c < kCols; ++c) sums_[r][c] = __fmul_rn(sums_[r][c], rescale);
    }
    const float* values = part_.sequence.values + part_.kv_head * dim + lane +
                          first * part_.sequence.value_stride;
    unsigned key = 0;
    for (; key + 4 <= common; key += 4) {
      float v[4][kCols];
#pragma unroll
      for (unsigned i = 0; i < 4; ++i) ReadValue(values, key + i, lane, dim, v[i]);
#pragma unroll
      for (unsigned r = 0; r < 4; ++r) {
        const float4 w = *reinterpret_cast<const float4*>(&shared_.weights[row + r][key]);
#pragma unroll
        for (unsigned c = 0; c < kCols; ++c) {
          sums_[r][c] = __fmaf_rn(w.x, v[0][c], sums_[r][c]);
          sums_[r][c] = __fmaf_rn(w.y, v[1][c], sums_[r][c]);
          sums_[r][c] = __fmaf_rn(w.z, v[2][c], sums_[r][c]);
          sums_[r][c] = __fmaf_rn(w.w, v[3][c], sums_[r][c]);
        }
      }
    }
    for (; key < most; ++key) {
      float v[kCols];
      ReadValue(values, key, lane, dim, v);
#pragma unroll
      for (unsigned r = 0; r < 4; ++r) {
        if (key >= common && key >= shared_.counts[row + r]) continue;
        const float weight = shared_.weights[row + r][key];
#pragma unroll
        for (unsigned c = 0; c < kCols; ++c) sums_[r][c] = __fmaf_rn(weight, v[c], sums_[r][c]);
      }
    }
  }

  __device__ void ReadValue(const float* values, unsigned key, unsigned lane, unsigned dim,
                            float (&v)[kCols]) const {
#pragma unroll
    for (unsigned c = 0; c < kCols; ++c) {
      v[c] = lane + 32 * c < dim ? values[key * part_.sequence.value_stride + 32 * c] : 0.0f;
    }
  }

  __device__ void Finish() {
#pragma unroll
    for (unsigned pass = 0; pass < kPasses; ++pass) {
      float total = stripes_[pass];
      for (unsigned half = kStripes / 2; half > 0; half /= 2) {
        total = __fadd_rn(total, __shfl_down_sync(0xffffffffu, total, half, kStripes));
      }
      if (threadIdx.x % kStripes == 0) {
        shared_.totals[threadIdx.x / kStripes + pass * (kThreads / kStripes)] = total;
      }
    }
    __syncthreads();
    const unsigned lane = threadIdx.x % 32;
    for (unsigned r = 0; r < 4; ++r) {
      const unsigned in_part = threadIdx.x / 32 * 4 + r;
      const size_t row = part_.first_row + in_part;
      if (row >= num_rows_) return;
      float* out = shape_.out.data + MatrixRow(row) * shape_.out.stride + MatrixCol(row);
#pragma unroll
      for (unsigned c = 0; c < kCols; ++c) {
        const unsigned col = lane + 32 * c;
        if (col < shape_.head_dim) out[col] = __fdiv_rn(sums_[r][c], shared_.totals[in_part]);
      }
    }
  }

  static constexpr unsigned kPasses = kRows * kStripes / kThreads;

  const CudaAttention& shape_;
  const Part& part_;
  Shared& shared_;
  size_t heads_;  // that read this kv head
  size_t num_rows_;
  bool fours_are_aligned_;
  float tops_[kPasses] = {kNone, kNone};
  float stripes_[kPasses] = {};
  float sums_[4][kCols] = {};
};

template <unsigned kCols>
__global__ void __launch_bounds__(kThreads) AttentionKernel(const CudaAttention shape,
                                                            const CudaSequence* sequences) {
  __shared__ __align__(16) Shared shared;
  const Part part{sequences[blockIdx.z], size_t{blockIdx.x} * kRows, blockIdx.y};
  const size_t heads = shape.num_heads / shape.num_kv_heads;
  if (part.first_row >= part.sequence.num_rows * heads) return;
  Attention<kCols>(shape, part, shared).Run();
}

// Sequences at once: what a grid's third dimension takes.
constexpr size_t kMaxSequences = 65535;

}  // namespace

CudaError Attend(CudaContext* context, const CudaAttention* attention) {
  if (attention->num_sequences == 0) return nullptr;
  if (attention->num_sequences > kMaxSequences || attention->head_dim > kCudaMaxHeadDim) {
    return "attention on a GPU takes at most 65,535 sequences and heads of 256 elements";
  }
  Scratch sequences(context);
  BITLOSS_CUDA("attention", sequences.TakeCopy(attention->sequences,
                                               attention->num_sequences * sizeof(CudaSequence)));
  size_t most_rows = 0;
  for (size_t i = 0; i < attention->num_sequences; ++i) {
    const size_t rows = attention->sequences[i].num_rows;
    most_rows = rows > most_rows ? rows : most_rows;
  }
  if (most_rows == 0) return nullptr;
  const size_t heads = attention->num_heads / attention->num_kv_heads;
  const dim3 grid(Parts(most_rows * heads, kRows), static_cast<unsigned>(attention->num_kv_heads),
                  static_cast<unsigned>(attention->num_sequences));
  const auto launch = [&](auto kernel) {
    kernel<<<grid, kThreads, 0, context->stream>>>(*attention, sequences.as<CudaSequence>());
  };
  if (attention->head_dim <= 32) {
    launch(AttentionKernel<1>);
  } else if (attention->head_dim <= 64) {
    launch(AttentionKernel<2>);
  } else if (attention->head_dim <= 128) {
    launch(AttentionKernel<4>);
  } else {
    launch(AttentionKernel<8>);
  }
  BITLOSS_CUDA("attention", cudaGetLastError());
  return nullptr;
}

}  // namespace bitloss
