// A model's weights: as its checkpoint holds them (ModelSource), and as one lane runs them
// (LaneWeights).
#ifndef BITLOSS_MODEL_WEIGHTS_H_
#define BITLOSS_MODEL_WEIGHTS_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/checkpoint/checkpoint.h"
#include "bitloss/compute/backend.h"
#include "bitloss/model/config.h"
#include "bitloss/model/layer_plan.h"
#include "bitloss/quant/format.h"

namespace bitloss {

struct Architecture;  // model/architecture.h
struct TensorNames;
struct PerLayerWeights;

// One decoder block before quantization, in FP32 that holds the values of its stored form. What a
// norm holds is the weight as stored, also where the model multiplies by 1 + w.
struct LayerSource {
  std::shared_ptr<const LayerPlan> plan;
  std::vector<Matrix> weights;             // [out][in], as many as plan->linears
  std::vector<std::vector<float>> biases;  // [out], or empty
  std::array<Matrix, kNumKept> kept;       // as plan->kept says, else empty
  Format plain = F16Format();              // that holds the weights' values exactly

  Matrix& part(Kept which) { return kept[static_cast<size_t>(which)]; }
  const Matrix& part(Kept which) const { return kept[static_cast<size_t>(which)]; }
};

// The numbers that a study's baseline is kept in, and multiplied.
enum class BaselineForm { kFp16, kBf16, kF32 };
std::string_view NameOf(BaselineForm form);  // as a scheme: "fp16", "bf16", "f32"
const Format& FormatOf(BaselineForm form);   // of its matrices
Result<BaselineForm> ParseBaselineForm(std::string_view name);

// Which values are read.
enum class Precision {
  kStored,  // what the file decodes to
  kFp16,    // every tensor rounded to FP16
  kBf16,    // every tensor rounded to BF16
};

// Where a matrix lies: `rows` rows of a tensor, from `first` on, all neighbours or in runs of `run`
// that begin `period` apart. Or, transposed, such columns of its rows [block, block + cols), each
// run `block_step` rows further. A fused tensor holds several.
struct TensorPart {
  std::string name;
  std::vector<uint64_t> shape;  // that the whole tensor must have
  size_t first = 0;
  size_t run = 0;  // 0: all rows are neighbours
  size_t period = 0;
  bool is_transposed = false;
  size_t block = 0;
  size_t block_step = 0;
  size_t rows = 0;
  size_t cols = 0;

  // The tensor's row (or column) that holds row `i`.
  size_t Place(size_t i) const { return run == 0 ? first + i : first + i / run * period + i % run; }
};

// Reads a model's tensors from its checkpoint when they are asked for, checked: present, of the
// shape that the configuration says, finite.
class ModelSource {
 public:
  // kBadInput names the first tensor that is missing or misshapen. The baseline's form is the
  // checkpoint's own, in which nothing is rounded, unless another is asked for; fp16 of a
  // checkpoint whose matrices are quantized.
  static Result<ModelSource> Open(std::shared_ptr<const Checkpoint> checkpoint, ModelConfig config,
                                  std::optional<BaselineForm> form = {});

  // The form of most weights' tensors; none if that is quantized.
  std::optional<BaselineForm> OwnForm() const;
  BaselineForm baseline() const { return baseline_; }
  // Whether the baseline is what the checkpoint's tensors are rounded to.
  bool rounds_baseline() const { return rounds_baseline_; }
  Precision baseline_precision() const;
  // What a lane of this format starts from: the baseline's values, unless the format is plain and
  // rounds by itself.
  Precision PrecisionFor(const Format& format) const;

  const ModelConfig& config() const { return config_; }
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  bool tied_head() const { return tied_head_; }

  // The number of weights, tied ones once; of those in the decoder blocks' linears; and of those in
  // experts of which each token takes some.
  uint64_t num_parameters() const;
  uint64_t num_linear_parameters() const;
  uint64_t num_expert_parameters() const;

  // A block's tensors. Linears are numbered as in its list.
  const LayerPlan& plan(size_t layer) const { return *plans_[layer]; }
  const std::shared_ptr<const LayerPlan>& shared_plan(size_t layer) const { return plans_[layer]; }
  // Where a linear or a kept part lies, and a linear's bias; for who writes the checkpoint again.
  TensorPart PlaceOf(size_t layer, size_t linear) const;
  TensorPart PlaceOf(size_t layer, const KeptSpec& kept) const;
  std::optional<TensorPart> PlaceOfBias(size_t layer, size_t linear) const;
  const std::string& EmbeddingName() const { return embedding_name_; }
  const std::string& HeadName() const { return head_name_; }
  const std::string& FinalNormName() const { return final_norm_name_; }
  // What an expert's matrix is called where it has a tensor of its own, which the checkpoint need
  // not have; empty: no tool gives it one.
  std::string NameOfLoneExpert(size_t layer, const LinearSpec& linear) const;
  // What makes the inputs of layers.
  std::vector<TensorPart> PerLayerTensors() const;
  // For who makes a GGUF file of a folder's model: its places and names are those in that file,
  // from which nothing can be read. A GGUF file's model is itself. Requires: its architecture has
  // names there.
  ModelSource AsInGguf() const;
  bool in_gguf() const { return in_gguf_ || checkpoint_->gguf() != nullptr; }

  Result<LayerSource> Layer(size_t layer, Precision precision) const;
  // The same without its matrices.
  Result<LayerSource> LayerVectors(size_t layer, Precision precision) const;
  // A linear of Layer(layer, precision) in a plain format that holds its values exactly: where it
  // lies in the file, if it has it so, which copies nothing.
  Result<EncodedMatrix> PlainLinear(size_t layer, size_t linear, Precision precision) const;
  // A part in the smallest plain format that holds its values.
  Result<EncodedMatrix> ReadPlain(const TensorPart& part, Precision precision) const;
  Result<std::vector<float>> FinalNorm(Precision precision) const;
  // [vocab][hidden] in a plain format, without a copy where the file holds just that.
  Result<EncodedMatrix> Embedding(Precision precision, ThreadPool& threads) const;
  Result<EncodedMatrix> Head(Precision precision, ThreadPool& threads) const;

  // Matrices as the checkpoint holds them: a quantized one packed, nothing expanded; a plain one in
  // f16 or bf16 where that changes no value, else in f32. kBadInput also for one that decodes to a
  // weight that is not finite.
  Result<EncodedMatrix> StoredLinear(size_t layer, size_t linear) const;
  Result<EncodedMatrix> StoredEmbedding() const;
  Result<EncodedMatrix> StoredHead() const;
  // What makes the inputs of layers; null if the model has none. Its table as it is stored where
  // the precision is that.
  Result<std::shared_ptr<const PerLayerWeights>> PerLayer(Precision precision,
                                                          const Backend& backend) const;
  // The bytes of the vectors (norms and biases), as stored.
  uint64_t stored_vector_bytes() const;

 private:
  ModelSource(std::shared_ptr<const Checkpoint> checkpoint, ModelConfig config)
      : checkpoint_(std::move(checkpoint)), config_(std::move(config)) {}

  Status CheckShape(const std::string& name, std::span<const uint64_t> expected) const;
  Status CheckTables();
  Status CheckPerLayer();
  TensorPart PlaceOfStream(std::string_view name, std::string_view in_gguf, size_t number) const;
  Result<std::shared_ptr<const PackedMatrix>> PackWhole(const TensorPart& part, Precision precision,
                                                        const Backend& backend) const;
  Status CheckLayer(size_t layer);
  Status CheckBias(size_t layer, size_t linear);
  Status CheckNothingIsLeft() const;
  void Use(const std::string& name) { used_.insert(name); }
  // Whether the checkpoint has a tensor, or a file that is to be made will.
  bool HasPlace(const std::string& name) const { return in_gguf_ || checkpoint_->Has(name); }

  std::string LayerTensor(size_t layer, std::string_view rest) const;
  const TensorNames& names() const;
  // Of one that is not an expert's: in a fused tensor, or alone.
  TensorPart PlaceOfSingle(size_t layer, size_t linear) const;
  std::optional<TensorPart> PlaceInFused(size_t layer, size_t linear) const;
  TensorPart PlaceOfExpert(size_t layer, const LinearSpec& linear) const;
  TensorPart PlaceOfStacked(size_t layer, const LinearSpec& linear) const;

  Result<Matrix> ReadMatrix(const std::string& name, size_t rows, size_t cols,
                            Precision precision) const;
  Result<Matrix> ReadPart(const TensorPart& part, Precision precision) const;
  // Whether every linear of a block is stored as F16, BF16 or F32, and that is `type`.
  bool AllLinearsAre(size_t layer, std::string_view type) const;
  // The tensor's numbers of 16 bits where they lie in the file; nothing if it has none there, or
  // `precision` rounds them.
  std::optional<EncodedMatrix> ViewHalves(const TensorPart& part, Precision precision) const;
  Result<EncodedMatrix> ReadTable(const TensorPart& part, Precision precision,
                                  ThreadPool& threads) const;
  Result<EncodedMatrix> StoredMatrix(const TensorPart& part) const;
  TensorPart Whole(const std::string& name, size_t rows, size_t cols) const;

  std::shared_ptr<const Checkpoint> checkpoint_;
  ModelConfig config_;
  const Architecture* architecture_ = nullptr;
  std::string base_;  // before "layers.3."
  std::string embedding_name_;
  std::string head_name_;
  std::string final_norm_name_;
  struct PerLayerParts {
    TensorPart table;
    TensorPart projection;
    TensorPart norm;
    std::vector<TensorPart> into_streams;
    std::vector<TensorPart> out_of_streams;

    std::vector<TensorPart> All() const;
  };
  std::optional<PerLayerParts> per_layer_;
  std::vector<std::shared_ptr<const LayerPlan>> plans_;
  std::set<std::string, std::less<>> used_;
  std::set<std::string, std::less<>> unused_;  // that are there and play no part
  bool tied_head_ = false;
  BaselineForm baseline_ = BaselineForm::kFp16;
  bool rounds_baseline_ = false;
  bool in_gguf_ = false;
};

// One decoder block as a lane runs it.
struct LayerWeights {
  std::shared_ptr<const LayerPlan> plan;
  std::vector<std::unique_ptr<PackedMatrix>> linears;
  std::vector<Tensor> biases;         // [1][out], or empty
  std::array<Tensor, kNumKept> kept;  // norms as they multiply, 1 + w where the model says so
  std::array<std::unique_ptr<PackedMatrix>, kNumKept> matrices;  // those of `kept` that multiply
  Execution::Kind execution = Execution::Kind::kRealActivations;
  KvRounding kv = {};

  const PackedMatrix& linear(size_t i) const { return *linears[i]; }
  ConstDeviceView bias(size_t i) const { return biases[i]; }
  ConstDeviceView part(Kept which) const { return kept[static_cast<size_t>(which)]; }
  const PackedMatrix& matrix(Kept which) const { return *matrices[static_cast<size_t>(which)]; }
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

// What makes the inputs that every layer has of a token (PerLayerInputSpec), and where a token has
// several residual streams the others out of the first, and one out of all.
struct PerLayerWeights {
  EncodedMatrix table;  // [vocabulary][layers * width]
  std::shared_ptr<const PackedMatrix> projection;
  Tensor norm;
  std::vector<std::shared_ptr<const PackedMatrix>> into_streams = {};
  std::vector<std::shared_ptr<const PackedMatrix>> out_of_streams = {};
};

// A whole model as one lane runs it. Embedding, norm and head are shared between lanes that keep
// them.
struct LaneWeights {
  EncodedMatrix embedding;
  std::shared_ptr<const PerLayerWeights> per_layer = nullptr;  // where the model has such inputs
  std::vector<LayerWeights> layers;
  std::shared_ptr<const Tensor> final_norm;
  std::shared_ptr<const PackedMatrix> head;
  LaneSize size;
};

// Packs a block whose linears are encoded in `format`, adding to `size` what they cost.
Result<LayerWeights> PackLayer(const ModelConfig& config, const LayerSource& source,
                               const Format& format, const Execution& execution,
                               const Backend& backend, LaneSize& size);

// How the linears of a block are packed: each with an execution of its own; `packing` as in
// Backend::Pack.
struct PackOptions {
  std::function<Execution(size_t linear)> execution;
  Packing packing = Packing::kCopy;
};

// Packs a block whose linears are encoded already; of `source` only kept parts and biases count.
Result<LayerWeights> PackEncodedLayer(const ModelConfig& config, const LayerSource& source,
                                      std::span<const EncodedMatrix> encoded,
                                      const PackOptions& options, const Backend& backend,
                                      LaneSize& size);

// The kept parts and biases of a block as a lane runs them; its linears are still to be packed.
Result<LayerWeights> PackKept(const ModelConfig& config, const LayerSource& source,
                              const Backend& backend);

// The final norm as it multiplies.
std::vector<float> AsMultiplied(NormKind kind, std::vector<float> weights);

}  // namespace bitloss

#endif  // BITLOSS_MODEL_WEIGHTS_H_
