// Attention in the order of compute/cpu/attention.h: tiles of 128 keys aligned to the absolute
// position, 16 stripes of the weights' sum, one chain of fused multiply-adds for each score and
// each output.
//
// A block of threads takes 32 or 64 rows (a row is one head of one query) that read one key/value
// head. Of its products each thread has a sixteenth of the rows and eight keys, then four columns
// of every 64 of the output.
#include <limits>

#include "bitloss/compute/cuda/plugin/context.cuh"
#include "bitloss/compute/cuda/plugin/exp.cuh"

namespace bitloss {
namespace {

constexpr unsigned kThreads = 256;
constexpr float kNone = -std::numeric_limits<float>::infinity();
constexpr unsigned kKeys = 128;
constexpr unsigned kDepth = 32;  // elements of a head that lie in shared memory at once
constexpr unsigned kStripes = 16;
constexpr unsigned kValues = 64;   // keys whose values lie in shared memory at once
constexpr unsigned kColumns = 64;  // of them

struct Part {
  CudaSequence sequence;
  unsigned first_row;  // of the sequence's rows times heads_per_kv
  unsigned kv_head;
};

template <unsigned kRows>
struct Shared {
  union {
    struct {
      float queries[kDepth][kRows + 4];
      float keys[kDepth][kKeys + 4];
    };
    float values[kValues][kColumns];
  };
  float weights[kRows][kKeys + 4];
  float rescales[kRows];
  float totals[kRows];
  unsigned counts[kRows];  // keys of this tile that a row sees
};

// kGroups: of kColumns columns of the output.
template <unsigned kRows, unsigned kGroups>
class Attention {
 public:
  static constexpr unsigned kOfThread = kRows / 16;  // rows

  __device__ Attention(const CudaAttention& shape, const Part& part, Shared<kRows>& shared)
      : shape_(shape),
        part_(part),
        shared_(shared),
        heads_(static_cast<unsigned>(shape.num_heads / shape.num_kv_heads)),
        num_rows_(static_cast<unsigned>(part.sequence.num_rows) * heads_),
        fours_are_aligned_(shape.head_dim % 4 == 0 && IsAligned(shape.queries.data) &&
                           shape.queries.stride % 4 == 0 && IsAligned(part.sequence.keys) &&
                           part.sequence.key_stride % 4 == 0),
        values_are_aligned_(shape.head_dim % 4 == 0 && IsAligned(part.sequence.values) &&
                            part.sequence.value_stride % 4 == 0) {}

  __device__ void Run() {
#pragma unroll
    for (float& top : tops_) top = kNone;
    const unsigned last = min(part_.first_row + kRows, num_rows_) - 1;
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
      AddValues(first, count);
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
    const unsigned row = min(part_.first_row + r, num_rows_ - 1);
    return part_.sequence.first_position + row / heads_ + 1;
  }
  __device__ size_t MatrixRow(unsigned row) const {
    return part_.sequence.first_row + row / heads_;
  }
  __device__ size_t MatrixCol(unsigned row) const {
    return (part_.kv_head * heads_ + row % heads_) * shape_.head_dim;
  }

  // This thread's first row, in the part.
  __device__ static unsigned FirstRow() { return threadIdx.x / 16 * kOfThread; }

  // Of one element: this thread's rows of `from`.
  __device__ static void ReadRows(const float* from, float (&to)[kOfThread]) {
    if constexpr (kOfThread == 4) {
      const float4 four = *reinterpret_cast<const float4*>(from);
      to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w;
    } else {
      const float2 two = *reinterpret_cast<const float2*>(from);
      to[0] = two.x, to[1] = two.y;
    }
  }

  // shared weights[row][key] = q . k; of each half of the keys four a thread.
  __device__ void Score(size_t first, unsigned count) {
    const unsigned row = FirstRow();
    const unsigned key = threadIdx.x % 16 * 4;
    float sums[kOfThread][8] = {};
    for (unsigned d = 0; d < shape_.head_dim; d += kDepth) {
      const unsigned depth = min(kDepth, static_cast<unsigned>(shape_.head_dim) - d);
      __syncthreads();
      Load(first, count, d, depth);
      __syncthreads();
#pragma unroll 2
      for (unsigned i = 0; i < depth; ++i) {
        const float4 low = *reinterpret_cast<const float4*>(&shared_.keys[i][key]);
        const float4 high = *reinterpret_cast<const float4*>(&shared_.keys[i][kKeys / 2 + key]);
        const float ks[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
        float qs[kOfThread];
        ReadRows(&shared_.queries[i][row], qs);
#pragma unroll
        for (unsigned r = 0; r < kOfThread; ++r) {
#pragma unroll
          for (unsigned j = 0; j < 8; ++j) sums[r][j] = __fmaf_rn(qs[r], ks[j], sums[r][j]);
        }
      }
    }
#pragma unroll
    for (unsigned r = 0; r < kOfThread; ++r) {
      const unsigned seen = shared_.counts[row + r];
#pragma unroll
      for (unsigned half = 0; half < 2; ++half) {
        const unsigned at = half * (kKeys / 2) + key;
        const float* of = &sums[r][4 * half];
        *reinterpret_cast<float4*>(&shared_.weights[row + r][at]) = {
            at < seen ? of[0] : kNone, at + 1 < seen ? of[1] : kNone, at + 2 < seen ? of[2] : kNone,
            at + 3 < seen ? of[3] : kNone};
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
      const unsigned row = min(part_.first_row + r, num_rows_ - 1);
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
    const unsigned row = min(part_.first_row + r, num_rows_ - 1);
    const float* query =
        shape_.queries.data + MatrixRow(row) * shape_.queries.stride + MatrixCol(row) + d + half;
#pragma unroll
    for (unsigned i = 0; i < kDepth; i += kKeys / kRows * 8) {
      const unsigned at = i + k / kRows * 8;
      PutFour(query + at, &shared_.queries[at + half][r], kRows + 4);
    }
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

  // No row multiplies a value that it may not see.
  __device__ void AddValues(size_t first, unsigned count) {
    const unsigned row = FirstRow();
    unsigned common = kKeys;
    unsigned most = 0;
#pragma unroll
    for (unsigned r = 0; r < kOfThread; ++r) {
      common = min(common, shared_.counts[row + r]);
      most = max(most, shared_.counts[row + r]);
      const float rescale = shared_.rescales[row + r];
#pragma unroll
      for (unsigned g = 0; g < kGroups; ++g) {
#pragma unroll
        for (unsigned c = 0; c < 4; ++c) sums_[r][g][c] = __fmul_rn(sums_[r][g][c], rescale);
      }
    }
#pragma unroll
    for (unsigned g = 0; g < kGroups; ++g) {
      for (unsigned begin = 0; begin < count; begin += kValues) {
        if (g + begin > 0) __syncthreads();
        LoadValues(first, count, begin, g * kColumns);
        __syncthreads();
        AddSome(begin, common, most, sums_[0][g], kGroups * 4);
      }
    }
  }

  // Values of keys [begin, begin + kValues) of the tile, columns from `col` on; keys that do not
  // exist repeat the last.
  __device__ void LoadValues(size_t first, unsigned count, unsigned begin, unsigned col) {
    const unsigned c = threadIdx.x % 16 * 4;
    const unsigned dim = static_cast<unsigned>(shape_.head_dim);
#pragma unroll
    for (unsigned key = threadIdx.x / 16; key < kValues; key += kThreads / 16) {
      const float* from = part_.sequence.values + part_.kv_head * dim + col + c +
                          (first + min(begin + key, count - 1)) * part_.sequence.value_stride;
      float4 four{};
      if (values_are_aligned_ && col + c < dim) {
        four = *reinterpret_cast<const float4*>(from);
      } else {
        if (col + c < dim) four.x = from[0];
        if (col + c + 1 < dim) four.y = from[1];
        if (col + c + 2 < dim) four.z = from[2];
        if (col + c + 3 < dim) four.w = from[3];
      }
      *reinterpret_cast<float4*>(&shared_.values[key][c]) = four;
    }
  }

  // sums[r * pitch + c] of this thread's rows and four of the columns.
  __device__ void AddSome(unsigned begin, unsigned common, unsigned most, float* sums,
                          unsigned pitch) {
    const unsigned row = FirstRow();
    const unsigned col = threadIdx.x % 16 * 4;
    const unsigned end = min(most, begin + kValues);
    unsigned key = begin;
    for (; key + 4 <= min(common, begin + kValues); key += 4) {
      float4 w[kOfThread];
#pragma unroll
      for (unsigned r = 0; r < kOfThread; ++r) {
        w[r] = *reinterpret_cast<const float4*>(&shared_.weights[row + r][key]);
      }
#pragma unroll
      for (unsigned i = 0; i < 4; ++i) {
        const float4 v = *reinterpret_cast<const float4*>(&shared_.values[key - begin + i][col]);
#pragma unroll
        for (unsigned r = 0; r < kOfThread; ++r) {
          AddOne(i == 0 ? w[r].x : i == 1 ? w[r].y : i == 2 ? w[r].z : w[r].w, v, sums + r * pitch);
        }
      }
    }
    for (; key < end; ++key) {
      const float4 v = *reinterpret_cast<const float4*>(&shared_.values[key - begin][col]);
#pragma unroll
      for (unsigned r = 0; r < kOfThread; ++r) {
        if (key >= common && key >= shared_.counts[row + r]) continue;
        AddOne(shared_.weights[row + r][key], v, sums + r * pitch);
      }
    }
  }
  __device__ static void AddOne(float weight, const float4& value, float* sums) {
    sums[0] = __fmaf_rn(weight, value.x, sums[0]);
    sums[1] = __fmaf_rn(weight, value.y, sums[1]);
    sums[2] = __fmaf_rn(weight, value.z, sums[2]);
    sums[3] = __fmaf_rn(weight, value.w, sums[3]);
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
#pragma unroll
    for (unsigned r = 0; r < kOfThread; ++r) {
      const unsigned in_part = FirstRow() + r;
      const unsigned row = part_.first_row + in_part;
      if (row >= num_rows_) return;
      float* out = shape_.out.data + MatrixRow(row) * shape_.out.stride + MatrixCol(row);
#pragma unroll
      for (unsigned g = 0; g < kGroups; ++g) {
#pragma unroll
        for (unsigned c = 0; c < 4; ++c) {
          const unsigned col = g * kColumns + threadIdx.x % 16 * 4 + c;
          if (col < shape_.head_dim) {
            out[col] = __fdiv_rn(sums_[r][g][c], shared_.totals[in_part]);
          }
        }
      }
    }
  }

  static constexpr unsigned kPasses = kRows * kStripes / kThreads;

  const CudaAttention& shape_;
  const Part& part_;
  Shared<kRows>& shared_;
  unsigned heads_;  // that read this kv head
  unsigned num_rows_;
  bool fours_are_aligned_;  // of queries and keys
  bool values_are_aligned_;
  float tops_[kPasses];
  float stripes_[kPasses] = {};
  float sums_[kOfThread][kGroups][4] = {};
};

// Blocks of a multiprocessor, as far as the sums leave registers.
constexpr unsigned BlocksAtOnce(unsigned groups) { return groups == 1 ? 3 : groups == 2 ? 2 : 1; }

template <unsigned kRows, unsigned kGroups>
__global__ void __launch_bounds__(kThreads, BlocksAtOnce(kGroups))
    AttentionKernel(const CudaAttention shape, const CudaSequence* sequences) {
  extern __shared__ __align__(16) unsigned char attention_memory[];
  const Part part{sequences[blockIdx.z], blockIdx.x * kRows, blockIdx.y};
  const size_t heads = shape.num_heads / shape.num_kv_heads;
  if (part.first_row >= part.sequence.num_rows * heads) return;
  Attention<kRows, kGroups>(shape, part, *reinterpret_cast<Shared<kRows>*>(attention_memory)).Run();
}

template <unsigned kRows, unsigned kGroups>
cudaError_t Launch(CudaContext* context, const CudaAttention& attention,
                   const CudaSequence* sequences, size_t most_rows) {
  const auto kernel = AttentionKernel<kRows, kGroups>;
  constexpr int kBytes = sizeof(Shared<kRows>);
  const cudaError_t status =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes);
  if (status != cudaSuccess) return status;
  const dim3 grid(Parts(most_rows, kRows), static_cast<unsigned>(attention.num_kv_heads),
                  static_cast<unsigned>(attention.num_sequences));
  kernel<<<grid, kThreads, kBytes, context->stream>>>(attention, sequences);
  return cudaGetLastError();
}

template <unsigned kRows>
cudaError_t LaunchByColumns(CudaContext* context, const CudaAttention& attention,
                            const CudaSequence* sequences, size_t most_rows) {
  const auto launch = attention.head_dim <= kColumns       ? Launch<kRows, 1>
                      : attention.head_dim <= 2 * kColumns ? Launch<kRows, 2>
                                                           : Launch<kRows, 4>;
  return launch(context, attention, sequences, most_rows);
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
  most_rows *= heads;
  const auto launch = most_rows > 32 ? LaunchByColumns<64> : LaunchByColumns<32>;
  BITLOSS_CUDA("attention", launch(context, *attention, sequences.as<CudaSequence>(), most_rows));
  return nullptr;
}

}  // namespace bitloss
