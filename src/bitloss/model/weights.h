// A model's weights: as its checkpoint holds them (ModelSource), and as one lane runs them
// (LaneWeights).
#ifndef BITLOSS_MODEL_WEIGHTS_H_
#define BITLOSS_MODEL_WEIGHTS_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/checkpoint/checkpoint.h"
#include "bitloss/compute/backend.h"
#include "bitloss/model/config.h"
#include "bitloss/quant/format.h"

namespace bitloss {

// The seven matrices of a decoder block, in the order of a forward pass.
enum class Linear { kQuery, kKey, kValue, kOutput, kGate, kUp, kDown };
inline constexpr size_t kNumLinears = 7;
inline constexpr std::array<Linear, kNumLinears> kAllLinears = {
    Linear::kQuery, Linear::kKey, Linear::kValue, Linear::kOutput,
    Linear::kGate,  Linear::kUp,  Linear::kDown};

// "self_attn.q_proj", ... as in Hugging Face names.
std::string_view ModuleName(Linear linear);

// [out][in] of a linear.
struct LinearShape {
  size_t out = 0;
  size_t in = 0;
};
LinearShape ShapeOf(const ModelConfig& config, Linear linear);
// The row lengths of the matrices that schemes quantize.
std::vector<size_t> QuantizedWidths(const ModelConfig& config);

// One decoder block before quantization, in FP32 that holds the values of its stored form.
struct LayerSource {
  std::vector<float> input_norm;                       // [hidden]
  std::vector<float> post_attention_norm;              // [hidden]
  std::array<Matrix, kNumLinears> weights;             // [out][in]
  std::array<std::vector<float>, kNumLinears> biases;  // [out], or empty

  Matrix& weight(Linear linear) { return weights[static_cast<size_t>(linear)]; }
  const Matrix& weight(Linear linear) const { return weights[static_cast<size_t>(linear)]; }
  std::vector<float>& bias(Linear linear) { return biases[static_cast<size_t>(linear)]; }
  const std::vector<float>& bias(Linear linear) const {
    return biases[static_cast<size_t>(linear)];
  }
};

// Which values count as the model's own.
enum class Precision {
  kFp16,    // every tensor rounded to FP16: the baseline of a study
  kStored,  // what the file decodes to, in FP32
};

// Reads a model's tensors from its checkpoint when they are asked for, checked: present, of the
// shape that the configuration says, finite.
class ModelSource {
 public:
  // kBadInput names the first tensor that is missing or misshapen.
  static Result<ModelSource> Open(std::shared_ptr<const Checkpoint> checkpoint, ModelConfig config);

  const ModelConfig& config() const { return config_; }
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  bool tied_head() const { return tied_head_; }

  // The number of weights, tied ones once; and of those in the decoder blocks' linears.
  uint64_t num_parameters() const;
  uint64_t num_linear_parameters() const;

  Result<LayerSource> Layer(size_t layer, Precision precision) const;
  // The same without its matrices.
  Result<LayerSource> LayerVectors(size_t layer, Precision precision) const;
  // A linear of Layer(layer, kFp16) as halves: where they lie in the file, if it has them, which
  // copies nothing.
  Result<EncodedMatrix> HalfLinear(size_t layer, Linear linear) const;
  Result<std::vector<float>> FinalNorm(Precision precision) const;
  // [vocab][hidden] in f16 (kFp16) or f32, without a copy where the file holds just that.
  Result<EncodedMatrix> Embedding(Precision precision, ThreadPool& threads) const;
  Result<EncodedMatrix> Head(Precision precision, ThreadPool& threads) const;

  // Matrices as the checkpoint holds them: a quantized one packed, nothing expanded; a plain one in
  // f16 where that changes no value, else in f32. kBadInput also for one that decodes to a weight
  // that is not finite.
  Result<EncodedMatrix> StoredLinear(size_t layer, Linear linear) const;
  Result<EncodedMatrix> StoredEmbedding() const;
  Result<EncodedMatrix> StoredHead() const;
  // The bytes of the vectors (norms and biases), as stored.
  uint64_t stored_vector_bytes() const;

 private:
  ModelSource(std::shared_ptr<const Checkpoint> checkpoint, ModelConfig config)
      : checkpoint_(std::move(checkpoint)), config_(std::move(config)) {}

  Status CheckShape(const std::string& name, std::span<const uint64_t> expected) const;
  Result<Matrix> ReadMatrix(const std::string& name, size_t rows, size_t cols,
                            Precision precision) const;
  // The tensor's halves where they lie in the file, or nothing if it has no halves there.
  std::optional<EncodedMatrix> ViewHalves(const std::string& name, size_t rows, size_t cols) const;
  Result<EncodedMatrix> ReadHalves(const std::string& name, size_t rows, size_t cols) const;
  Result<EncodedMatrix> ReadTable(const std::string& name, Precision precision,
                                  ThreadPool& threads) const;
  Result<EncodedMatrix> StoredMatrix(const std::string& name, size_t rows, size_t cols) const;
  std::string EmbeddingName() const;
  std::string HeadName() const;

  std::shared_ptr<const Checkpoint> checkpoint_;
  ModelConfig config_;
  bool tied_head_ = false;
};

// One decoder block as a lane runs it.
struct LayerWeights {
  Tensor input_norm;
  Tensor post_attention_norm;
  std::array<std::unique_ptr<PackedMatrix>, kNumLinears> linears;
  std::array<Tensor, kNumLinears> biases;  // [1][out], or empty
  Execution::Kind execution = Execution::Kind::kRealActivations;

  const PackedMatrix& linear(Linear l) const { return *linears[static_cast<size_t>(l)]; }
  ConstDeviceView bias(Linear l) const { return biases[static_cast<size_t>(l)]; }
};

// What a lane costs to store.
struct LaneSize {
  uint64_t linear_bytes = 0;    // codes, scales, zero points of the decoder linears
  uint64_t linear_weights = 0;  // how many weights those are
  uint64_t other_bytes = 0;     // embedding, head if it is not tied, norms, biases

  uint64_t total_bytes() const { return linear_bytes + other_bytes; }
  double linear_bits_per_weight() const {
    return 8.0 * static_cast<double>(linear_bytes) / static_cast<double>(linear_weights);
  }
};

// A whole model as one lane runs it. Embedding, norm and head are shared between lanes that keep
// them.
struct LaneWeights {
  EncodedMatrix embedding;
  std::vector<LayerWeights> layers;
  std::shared_ptr<const Tensor> final_norm;
  std::shared_ptr<const PackedMatrix> head;
  LaneSize size;
};

// Packs a block whose linears are encoded in `format`, adding to `size` what they cost.
Result<LayerWeights> PackLayer(const LayerSource& source, const Format& format,
                               const Execution& execution, const Backend& backend, LaneSize& size);

// Packs a block whose linears are encoded already; of `source` only norms and biases count. Each
// linear has an execution of its own. `packing` as in Backend::Pack.
Result<LayerWeights> PackEncodedLayer(const LayerSource& source,
                                      std::span<const EncodedMatrix, kNumLinears> encoded,
                                      const std::function<Execution(Linear)>& execution,
                                      Packing packing, const Backend& backend, LaneSize& size);

}  // namespace bitloss

#endif  // BITLOSS_MODEL_WEIGHTS_H_
