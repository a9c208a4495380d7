#include "bitloss/model/weights.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <optional>

namespace bitloss {
namespace {

std::string LayerTensor(size_t layer, std::string_view rest) {
  return fmt::format("model.layers.{}.{}", layer, rest);
}

bool HasBias(const ModelConfig& config, Linear linear) {
  switch (linear) {
    case Linear::kQuery:
    case Linear::kKey:
    case Linear::kValue:
      return config.qkv_bias;
    case Linear::kOutput:
      return config.output_bias;
    case Linear::kGate:
    case Linear::kUp:
    case Linear::kDown:
      return config.mlp_bias;
  }
  return false;
}

// The values' FP16 form. kUnsupported names the first one that does not fit.
Status RoundAllToF16(const std::string& name, std::span<float> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    const float rounded = ThroughF16(values[i]);
    if (!std::isfinite(rounded)) {
      return Unsupported(
          "tensor '{}': element {} is {}, beyond the range of FP16, which is the form "
          "of the baseline",
          name, i, values[i]);
    }
    values[i] = rounded;
  }
  return Ok();
}

}  // namespace

std::string_view ModuleName(Linear linear) {
  constexpr std::array<std::string_view, kNumLinears> kNames = {
      "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
      "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};
  return kNames[static_cast<size_t>(linear)];
}

LinearShape ShapeOf(const ModelConfig& config, Linear linear) {
  const size_t query_width = config.num_heads * config.head_dim;
  const size_t kv_width = config.num_kv_heads * config.head_dim;
  switch (linear) {
    case Linear::kQuery:
      return {query_width, config.hidden_size};
    case Linear::kKey:
    case Linear::kValue:
      return {kv_width, config.hidden_size};
    case Linear::kOutput:
      return {config.hidden_size, query_width};
    case Linear::kGate:
    case Linear::kUp:
      return {config.intermediate_size, config.hidden_size};
    case Linear::kDown:
      return {config.hidden_size, config.intermediate_size};
  }
  return {};
}

std::vector<size_t> QuantizedWidths(const ModelConfig& config) {
  std::vector<size_t> widths;
  for (const Linear linear : kAllLinears) widths.push_back(ShapeOf(config, linear).in);
  return widths;
}

Result<ModelSource> ModelSource::Open(std::shared_ptr<const Checkpoint> checkpoint,
                                      ModelConfig config) {
  ModelSource source(std::move(checkpoint), std::move(config));
  const ModelConfig& c = source.config_;
  const std::array<uint64_t, 1> hidden = {c.hidden_size};
  const std::array<uint64_t, 2> table = {c.vocab_size, c.hidden_size};
  // A tied model may still carry its head, and some files carry the shared table as the head only.
  const bool has_head = source.checkpoint_->Has("lm_head.weight");
  const bool has_embedding = source.checkpoint_->Has("model.embed_tokens.weight");
  source.tied_head_ = !has_head || (c.tied_embeddings && !has_embedding);
  if (!has_head && !c.tied_embeddings && has_embedding) {
    return BadInput(
        "tensor 'lm_head.weight' is missing, and the configuration does not tie it to "
        "the embedding");
  }
  BITLOSS_DO(
      source.CheckShape(has_embedding ? "model.embed_tokens.weight" : "lm_head.weight", table));
  if (has_head) BITLOSS_DO(source.CheckShape("lm_head.weight", table));
  BITLOSS_DO(source.CheckShape("model.norm.weight", hidden));
  for (size_t layer = 0; layer < c.num_layers; ++layer) {
    BITLOSS_DO(source.CheckShape(LayerTensor(layer, "input_layernorm.weight"), hidden));
    BITLOSS_DO(source.CheckShape(LayerTensor(layer, "post_attention_layernorm.weight"), hidden));
    for (const Linear linear : kAllLinears) {
      const LinearShape shape = ShapeOf(c, linear);
      const std::array<uint64_t, 2> matrix = {shape.out, shape.in};
      const std::string module = LayerTensor(layer, ModuleName(linear));
      BITLOSS_DO(source.CheckShape(module + ".weight", matrix));
      const std::array<uint64_t, 1> bias = {shape.out};
      if (HasBias(c, linear)) BITLOSS_DO(source.CheckShape(module + ".bias", bias));
      if (!HasBias(c, linear) && source.checkpoint_->Has(module + ".bias")) {
        return BadInput("tensor '{}.bias' is there, but the configuration says that there is none",
                        module);
      }
    }
  }
  return source;
}

Status ModelSource::CheckShape(const std::string& name, std::span<const uint64_t> expected) const {
  if (!checkpoint_->Has(name)) return BadInput("tensor '{}' is missing", name);
  BITLOSS_TRY(const TensorInfo info, checkpoint_->Info(name));
  const std::vector<uint64_t>& shape = info.shape;
  if (!std::ranges::equal(shape, expected)) {
    return BadInput("tensor '{}' has shape [{}], but the configuration says [{}]", name,
                    fmt::join(shape, ", "), fmt::join(expected, ", "));
  }
  return Ok();
}

uint64_t ModelSource::num_linear_parameters() const {
  uint64_t count = 0;
  for (const Linear linear : kAllLinears) {
    const LinearShape shape = ShapeOf(config_, linear);
    count += uint64_t{shape.out} * shape.in;
  }
  return count * config_.num_layers;
}

uint64_t ModelSource::num_parameters() const {
  uint64_t per_layer = 2 * config_.hidden_size;
  for (const Linear linear : kAllLinears) {
    if (HasBias(config_, linear)) per_layer += ShapeOf(config_, linear).out;
  }
  const uint64_t table = uint64_t{config_.vocab_size} * config_.hidden_size;
  return num_linear_parameters() + per_layer * config_.num_layers + config_.hidden_size +
         table * (tied_head_ ? 1 : 2);
}

Result<Matrix> ModelSource::ReadMatrix(const std::string& name, size_t rows, size_t cols,
                                       Precision precision) const {
  Matrix matrix(rows, cols);
  BITLOSS_DO(ReadFiniteRows(*checkpoint_, name, 0, rows, matrix.flat()));
  if (precision == Precision::kFp16) BITLOSS_DO(RoundAllToF16(name, matrix.flat()));
  return matrix;
}

Result<LayerSource> ModelSource::LayerVectors(size_t layer, Precision precision) const {
  const auto vector = [&](const std::string& name, size_t size) -> Result<std::vector<float>> {
    BITLOSS_TRY(const Matrix row, ReadMatrix(name, 1, size, precision));
    return std::vector<float>(row.flat().begin(), row.flat().end());
  };
  LayerSource source;
  BITLOSS_TRY(source.input_norm,
              vector(LayerTensor(layer, "input_layernorm.weight"), config_.hidden_size));
  BITLOSS_TRY(source.post_attention_norm,
              vector(LayerTensor(layer, "post_attention_layernorm.weight"), config_.hidden_size));
  for (const Linear linear : kAllLinears) {
    if (!HasBias(config_, linear)) continue;
    BITLOSS_TRY(source.bias(linear), vector(LayerTensor(layer, ModuleName(linear)) + ".bias",
                                            ShapeOf(config_, linear).out));
  }
  return source;
}

Result<LayerSource> ModelSource::Layer(size_t layer, Precision precision) const {
  BITLOSS_TRY(LayerSource source, LayerVectors(layer, precision));
  for (const Linear linear : kAllLinears) {
    const LinearShape shape = ShapeOf(config_, linear);
    BITLOSS_TRY(source.weight(linear),
                ReadMatrix(LayerTensor(layer, ModuleName(linear)) + ".weight", shape.out, shape.in,
                           precision));
  }
  return source;
}

Result<std::vector<float>> ModelSource::FinalNorm(Precision precision) const {
  BITLOSS_TRY(const Matrix row, ReadMatrix("model.norm.weight", 1, config_.hidden_size, precision));
  return std::vector<float>(row.flat().begin(), row.flat().end());
}

std::string ModelSource::HeadName() const {
  return checkpoint_->Has("lm_head.weight") ? "lm_head.weight" : "model.embed_tokens.weight";
}

std::string ModelSource::EmbeddingName() const {
  return checkpoint_->Has("model.embed_tokens.weight") ? "model.embed_tokens.weight" : HeadName();
}

Result<EncodedMatrix> ModelSource::Embedding(Precision precision, ThreadPool& threads) const {
  return ReadTable(EmbeddingName(), precision, threads);
}

Result<EncodedMatrix> ModelSource::Head(Precision precision, ThreadPool& threads) const {
  return ReadTable(HeadName(), precision, threads);
}

namespace {

// Exponent bits all set: infinity or NaN.
bool AllFiniteHalves(std::span<const std::byte> halves) {
  unsigned bad = 0;
  for (size_t i = 0; i + 1 < halves.size(); i += 2) {
    uint16_t half;
    std::memcpy(&half, halves.data() + i, sizeof(half));
    bad |= static_cast<unsigned>((half & 0x7C00) == 0x7C00);
  }
  return bad == 0;
}

bool AllFiniteHalves(std::span<const std::byte> halves, ThreadPool& threads) {
  constexpr size_t kBytesOfPart = size_t{4} << 20;
  std::atomic<bool> finite = true;
  threads.ForEachPart((halves.size() + kBytesOfPart - 1) / kBytesOfPart, [&](size_t part, size_t) {
    const size_t first = part * kBytesOfPart;
    const size_t count = std::min(kBytesOfPart, halves.size() - first);
    if (!AllFiniteHalves(halves.subspan(first, count))) finite = false;
  });
  return finite;
}

}  // namespace

std::optional<EncodedMatrix> ModelSource::ViewHalves(const std::string& name, size_t rows,
                                                     size_t cols) const {
  const std::optional<TensorView> view = checkpoint_->View(name);
  if (!view || view->dtype != DType::kF16) return std::nullopt;
  return EncodedMatrix{F16Format(), rows, cols, view->bytes, {}, {}, {}};
}

Result<EncodedMatrix> ModelSource::ReadHalves(const std::string& name, size_t rows,
                                              size_t cols) const {
  BITLOSS_TRY(const Matrix matrix, ReadMatrix(name, rows, cols, Precision::kFp16));
  return F16Format().encode(F16Format(), matrix);
}

// What is not finite is read all the same, which says where it is.
Result<EncodedMatrix> ModelSource::HalfLinear(size_t layer, Linear linear) const {
  const LinearShape shape = ShapeOf(config_, linear);
  const std::string name = LayerTensor(layer, ModuleName(linear)) + ".weight";
  std::optional<EncodedMatrix> halves = ViewHalves(name, shape.out, shape.in);
  if (halves && AllFiniteHalves(halves->codes.span())) return *std::move(halves);
  return ReadHalves(name, shape.out, shape.in);
}

Result<EncodedMatrix> ModelSource::ReadTable(const std::string& name, Precision precision,
                                             ThreadPool& threads) const {
  const size_t rows = config_.vocab_size, cols = config_.hidden_size;
  if (precision == Precision::kFp16) {
    std::optional<EncodedMatrix> halves = ViewHalves(name, rows, cols);
    if (halves && AllFiniteHalves(halves->codes.span(), threads)) return *std::move(halves);
    return ReadHalves(name, rows, cols);
  }
  BITLOSS_TRY(const Matrix table, ReadMatrix(name, rows, cols, precision));
  return F32Format().encode(F32Format(), table);
}

namespace {

bool FitsF16(std::span<const float> values) {
  return std::ranges::all_of(values, [](float value) { return ThroughF16(value) == value; });
}

// A damaged scale makes NaN or infinity of a whole group.
Status CheckFiniteDecoded(const std::string& name, const EncodedMatrix& matrix) {
  std::vector<float> row(matrix.cols);
  for (size_t r = 0; r < matrix.rows; ++r) {
    matrix.format.decode(matrix, r, 0, row);
    BITLOSS_DO(CheckFinite(name, row, r * matrix.cols));
  }
  return Ok();
}

}  // namespace

Result<EncodedMatrix> ModelSource::StoredMatrix(const std::string& name, size_t rows,
                                                size_t cols) const {
  BITLOSS_TRY(const std::optional<EncodedMatrix> packed, checkpoint_->Quantized(name));
  if (packed) {
    BITLOSS_DO(CheckFiniteDecoded(name, *packed));
    return *packed;
  }
  BITLOSS_TRY(const Matrix plain, ReadMatrix(name, rows, cols, Precision::kStored));
  const Format& format = FitsF16(plain.flat()) ? F16Format() : F32Format();
  return format.encode(format, plain);
}

Result<EncodedMatrix> ModelSource::StoredLinear(size_t layer, Linear linear) const {
  const LinearShape shape = ShapeOf(config_, linear);
  return StoredMatrix(LayerTensor(layer, ModuleName(linear)) + ".weight", shape.out, shape.in);
}

Result<EncodedMatrix> ModelSource::StoredEmbedding() const {
  return StoredMatrix(EmbeddingName(), config_.vocab_size, config_.hidden_size);
}

Result<EncodedMatrix> ModelSource::StoredHead() const {
  return StoredMatrix(HeadName(), config_.vocab_size, config_.hidden_size);
}

uint64_t ModelSource::stored_vector_bytes() const {
  const auto bytes = [&](const std::string& name) {
    const auto info = checkpoint_->Info(name);
    return info.ok() ? info.value().num_bytes : 0;
  };
  uint64_t total = bytes("model.norm.weight");
  for (size_t layer = 0; layer < config_.num_layers; ++layer) {
    total += bytes(LayerTensor(layer, "input_layernorm.weight"));
    total += bytes(LayerTensor(layer, "post_attention_layernorm.weight"));
    for (const Linear linear : kAllLinears) {
      total += bytes(LayerTensor(layer, ModuleName(linear)) + ".bias");
    }
  }
  return total;
}

Result<LayerWeights> PackLayer(const LayerSource& source, const Format& format,
                               const Execution& execution, const Backend& backend, LaneSize& size) {
  std::array<std::optional<Result<EncodedMatrix>>, kNumLinears> results;
  backend.threads().ForEachPart(kNumLinears, [&](size_t i, size_t) {
    results[i] = format.encode(format, source.weights[i]);
  });
  std::array<EncodedMatrix, kNumLinears> encoded;
  for (size_t i = 0; i < kNumLinears; ++i) {
    if (!results[i]->ok()) return Within(ModuleName(kAllLinears[i]), results[i]->error());
    encoded[i] = std::move(*results[i]).value();
  }
  return PackEncodedLayer(
      source, encoded, [&](Linear) { return execution; }, Packing::kCopy, backend, size);
}

Result<LayerWeights> PackEncodedLayer(const LayerSource& source,
                                      std::span<const EncodedMatrix, kNumLinears> encoded,
                                      const std::function<Execution(Linear)>& execution,
                                      Packing packing, const Backend& backend, LaneSize& size) {
  LayerWeights packed;
  packed.input_norm = backend.ToTensor(source.input_norm);
  packed.post_attention_norm = backend.ToTensor(source.post_attention_norm);
  packed.execution = execution(kAllLinears[0]).kind;
  for (const Linear linear : kAllLinears) {
    const auto i = static_cast<size_t>(linear);
    size.linear_bytes += encoded[i].num_bytes();
    size.linear_weights += uint64_t{encoded[i].rows} * encoded[i].cols;
    BITLOSS_TRY(packed.linears[i], backend.Pack(encoded[i], execution(linear), packing));
    packed.biases[i] = backend.ToTensor(source.biases[i]);
  }
  return packed;
}

}  // namespace bitloss
