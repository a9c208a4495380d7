// What the program and the CUDA plugin say to each other: plain structs and functions, so that the
// plugin is kernels and the CUDA runtime alone, and the program runs on machines without either.
//
// The plugin exports one C function, BitlossCudaApi. Every function of the table returns null, or
// what went wrong as one line, which stays valid until the thread's next call. Operations are
// queued in the order of the calls; those that give the host something wait for it. Addresses are
// the device's unless said otherwise. Matrices are FP32, row-major.
//
// The kernels' arithmetic is the CPU backend's, operation by operation (compute/cpu/*): the same
// bits. Products are one chain of fused multiply-adds in ascending k for each output; split
// products are those of compute/reference/split_product.h.
#ifndef BITLOSS_COMPUTE_CUDA_DEVICE_API_H_
#define BITLOSS_COMPUTE_CUDA_DEVICE_API_H_

#include <cstddef>
#include <cstdint>

namespace bitloss {

using CudaError = const char*;
struct CudaContext;  // one device, one queue

struct CudaRows {
  float* data;
  size_t rows;
  size_t cols;
  size_t stride;
};
struct ConstCudaRows {
  const float* data;
  size_t rows;
  size_t cols;
  size_t stride;
};

struct CudaDeviceInfo {
  char name[256];
  int compute_major;
  int compute_minor;
  int multiprocessors;
  int driver;   // 13000 for 13.0: what the driver can run
  int runtime;  // what the plugin was built with
  size_t memory_bytes;
};

// Outputs of a panel. Weights lie [panel][k][kCudaPanel], zeros beyond the last output.
constexpr size_t kCudaPanel = 128;

enum class CudaWeights { kF32, kF16 };

// Products of one launch.
constexpr size_t kMostCudaProducts = 4;

struct CudaProduct {
  CudaWeights kind;
  const void* weights;
  const float* bias;  // or null
  ConstCudaRows x;
  CudaRows y;
};

// Arithmetic split (reference/split_product.h): rows as two planes of FP16 numbers, in blocks of
// 128 rows and 64 columns as tensor cores read them, [rows / 128][cols / 64][128][64]; the eight
// sixteens of bytes of a block's row r lie in the order of c xor r % 8. Columns beyond the last are
// zeros, rows beyond the last anything. What sums of products are multiplied by: for activations of
// each chunk, [rows / 128][cols / 64][128], for weights of each row.
constexpr size_t kCudaSplitRows = 128;
constexpr size_t kCudaSplitChunk = 64;
constexpr size_t kCudaSplitSection = 1024;
struct CudaPlanes {
  uint16_t* high;
  uint16_t* low;  // null: all zeros
  float* factors;
  size_t rows;
  size_t chunks;
};
constexpr size_t CudaSplitChunks(size_t cols) {
  return (cols + kCudaSplitChunk - 1) / kCudaSplitChunk;
}
constexpr size_t CudaSplitBlocks(size_t rows) {
  return (rows + kCudaSplitRows - 1) / kCudaSplitRows;
}
constexpr size_t CudaPlaneBytes(size_t rows, size_t cols) {
  return CudaSplitBlocks(rows) * CudaSplitChunks(cols) * kCudaSplitRows * kCudaSplitChunk *
         sizeof(uint16_t);
}

struct CudaSplitProduct {
  CudaPlanes weights;
  const float* bias;  // or null
  CudaRows y;
};

// How activations become integers (llm_int8.h, w8a8.h).
enum class CudaRounding { kLlmInt8, kW8A8, kW8A8Static };

// Words of four codes, [rows][(cols + 3) / 4], and a scale for each row.
struct CudaInt8Rows {
  CudaRounding rounding;
  float parameter;              // the threshold (rounded to FP16), or the static scale
  const uint32_t* call_of_row;  // host, [rows]; of kLlmInt8
  size_t num_calls;
  // Of the backend's, large enough:
  uint32_t* codes;
  float* scales;
  uint32_t* calls;            // [rows]
  uint8_t* is_outlier;        // [calls][cols]
  uint32_t* outlier_columns;  // [calls][cols], ascending
  uint32_t* num_outliers;     // [calls]
};

struct CudaInt8Product {
  const uint32_t* weights;  // words of four codes in panels
  const float* scales;      // [out]
  const float* bias;        // or null
  const CudaInt8Rows* rows;
  ConstCudaRows x;
  CudaRows y;
};

// Blocks of 32 (ggml_product.h). Scales and offsets of weights in panels, [panel][block][128].
struct CudaBlockProduct {
  const uint32_t* weights;
  const float* scales;
  const float* offsets;  // or null
  const float* bias;     // or null
  ConstCudaRows x;
  CudaRows y;
  // Of the backend's, for the activations:
  uint32_t* codes;  // [rows][cols / 4]
  float* x_scales;  // [rows][blocks]
  float* x_sums;    // [rows][blocks]
};

struct CudaSequence {
  size_t first_row;
  size_t num_rows;
  size_t first_position;
  const float* keys;
  size_t key_stride;
  const float* values;
  size_t value_stride;
};

// Larger heads are the host's to attend with.
constexpr size_t kCudaMaxHeadDim = 256;

struct CudaAttention {
  size_t num_heads;
  size_t num_kv_heads;
  size_t head_dim;
  float scale;
  ConstCudaRows queries;
  CudaRows out;
  const CudaSequence* sequences;  // host
  size_t num_sequences;
};

// What one look at a row of logits tells (metrics/divergence.h).
struct CudaRowSums {
  float max;
  float min;
  int32_t top1;
  int32_t usable;  // neither NaN nor +inf, and something above -inf
  double sum;      // of exp(x - max)
  double weighted;
};
struct CudaComparedRow {
  double base_max, base_log_sum;
  double lane_max, lane_log_sum;
  int32_t normal;  // no exponential comes near the subnormal numbers
};
struct CudaDivergence {
  double kl;
  double kl_reverse;
};

// A row's largest logits: whether all can be compared, and how many tokens were found.
struct CudaTop {
  int32_t comparable;
  uint32_t num_tokens;
};
struct CudaToken {
  int32_t id;
  float logit;
};
// Places for the tokens of a row.
constexpr size_t kMostCudaTokens = 1024;

// Rows that go elsewhere.
struct CudaMove {
  ConstCudaRows from;
  CudaRows to;
};

// In 10^9 per second.
struct CudaLimits {
  double fma_gflops;      // FP32 multiply-adds, two operations each
  double byte_gops;       // multiply-adds of bytes, two operations each
  double copy_gigabytes;  // read and written, from memory to memory
};

// Bytes of a device's memory.
struct CudaMemory {
  size_t used;    // allocated through the context
  size_t most;    // of that at any time so far
  size_t usable;  // what may be allocated at all: of what others leave, no more than was allowed
};

struct CudaApi {
  const char* build;  // of the sources that both sides were made of

  CudaError (*count_devices)(int* count);
  CudaError (*describe)(int device, CudaDeviceInfo* info);
  // No more than `most_bytes` will be allocated.
  CudaError (*open)(int device, size_t most_bytes, CudaContext** context);
  void (*close)(CudaContext* context);

  CudaError (*allocate)(CudaContext* context, size_t num_bytes, void** memory);
  void (*free)(CudaContext* context, void* memory);
  CudaError (*look_at_memory)(CudaContext* context, CudaMemory* memory);
  // Memory of the host's that copies to the device read fastest.
  CudaError (*allocate_pinned)(CudaContext* context, size_t num_bytes, void** memory);
  void (*free_pinned)(CudaContext* context, void* memory);

  // Rows of `width` bytes, `pitch` bytes apart.
  CudaError (*upload)(CudaContext* context, const void* from, size_t from_pitch, void* to,
                      size_t to_pitch, size_t width, size_t rows);
  CudaError (*download)(CudaContext* context, const void* from, size_t from_pitch, void* to,
                        size_t to_pitch, size_t width, size_t rows);
  CudaError (*copy)(CudaContext* context, const void* from, size_t from_pitch, void* to,
                    size_t to_pitch, size_t width, size_t rows);
  // Moves on the host; none reads what another writes.
  CudaError (*copy_all)(CudaContext* context, const CudaMove* moves, size_t count);
  CudaError (*wait)(CudaContext* context);

  // [rows][cols] of elements of 2 or 4 bytes to panels from row `first_row` on, a multiple of
  // kCudaPanel; rows up to a whole panel become zeros.
  CudaError (*to_panels)(CudaContext* context, const void* from, size_t rows, size_t cols,
                         size_t element_bytes, size_t first_row, void* to);

  CudaError (*gather_rows)(CudaContext* context, ConstCudaRows from, const size_t* rows,
                           CudaRows to);
  // values[i] = from[rows[i]][cols[i]]; all three on the host.
  CudaError (*read)(CudaContext* context, ConstCudaRows from, const size_t* rows,
                    const size_t* cols, size_t count, float* values);

  CudaError (*rms_norm)(CudaContext* context, ConstCudaRows x, const float* weight, float eps,
                        CudaRows y);
  CudaError (*rope)(CudaContext* context, const float* cos, const float* sin,
                    const uint32_t* positions, size_t head_dim, CudaRows x);
  CudaError (*swiglu)(CudaContext* context, ConstCudaRows gate, ConstCudaRows up, CudaRows out);
  CudaError (*add)(CudaContext* context, ConstCudaRows delta, CudaRows x);
  CudaError (*attention)(CudaContext* context, const CudaAttention* attention);

  // At most kMostCudaProducts, all with the same x and kind of weights.
  CudaError (*multiply)(CudaContext* context, const CudaProduct* products, size_t count);
  // Activations, or rows of weights from row `first_row` of the planes on. *has_low, on the device,
  // becomes 1 if a low half of the weights is not zero, and stays as it is else.
  CudaError (*split_activations)(CudaContext* context, ConstCudaRows x, const CudaPlanes* planes);
  CudaError (*split_weights)(CudaContext* context, ConstCudaRows weights, size_t first_row,
                             const CudaPlanes* planes, uint32_t* has_low);
  // At most kMostCudaProducts, all with the same x; those with low halves apart from those without.
  CudaError (*multiply_split)(CudaContext* context, const CudaPlanes* x,
                              const CudaSplitProduct* products, size_t count);
  CudaError (*round_rows)(CudaContext* context, ConstCudaRows x, const CudaInt8Rows* rows);
  CudaError (*multiply_int8)(CudaContext* context, const CudaInt8Product* product);
  CudaError (*multiply_blocks)(CudaContext* context, const CudaBlockProduct* product);

  // What fits ask for (quant/fit/gram.h): folded [cols][cols] of x [inputs][cols]; of rows of
  // deltas their forms, on the host, with sums [cols][rows] of the backend's for the way there.
  CudaError (*sum_inputs)(CudaContext* context, ConstCudaRows x, double* folded);
  CudaError (*quadratic_forms)(CudaContext* context, const double* folded, ConstCudaRows deltas,
                               double* sums, double* forms);
  // sum_i (a[r][i] - b[r][i])^2 in float64, i ascending, on the host.
  CudaError (*squared_distances)(CudaContext* context, ConstCudaRows a, ConstCudaRows b,
                                 double* sums);

  // Results on the host.
  CudaError (*sum_rows)(CudaContext* context, ConstCudaRows logits, CudaRowSums* sums);
  CudaError (*compare_rows)(CudaContext* context, ConstCudaRows base, ConstCudaRows lane,
                            const CudaComparedRow* rows, CudaDivergence* divergences);
  // The largest logit of each row, the lowest column of several: tokens [rows]. Or, with k > 1, all
  // that are not below the k-th largest, in any order: tokens [rows][kMostCudaTokens]. If a row has
  // more of them than places, the rest is missing. Requires: 0 < k <= cols.
  CudaError (*find_top)(CudaContext* context, ConstCudaRows logits, size_t k, CudaTop* tops,
                        CudaToken* tokens);

  CudaError (*measure_limits)(CudaContext* context, CudaLimits* limits);
};

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CUDA_DEVICE_API_H_
