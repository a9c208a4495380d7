#include "bitloss/model/weights.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>

#include "bitloss/model/architecture.h"

namespace bitloss {
namespace {

// The values' FP16 or BF16 form. kUnsupported names the first one that does not fit.
Status RoundAll(const std::string& name, Precision precision, std::span<float> values) {
  if (precision == Precision::kStored) return Ok();
  const bool is_fp16 = precision == Precision::kFp16;
  for (size_t i = 0; i < values.size(); ++i) {
    const float rounded = is_fp16 ? ThroughF16(values[i]) : ThroughBF16(values[i]);
    if (!std::isfinite(rounded)) {
      return Unsupported("tensor '{}': element {} is {}, beyond the range of {}", name, i,
                         values[i], is_fp16 ? "FP16" : "BF16");
    }
    values[i] = rounded;
  }
  return Ok();
}

// What a plain format's numbers are called in files.
std::string_view StoredTypeOf(BaselineForm form) {
  switch (form) {
    case BaselineForm::kFp16:
      return "F16";
    case BaselineForm::kBf16:
      return "BF16";
    case BaselineForm::kF32:
      return "F32";
  }
  return "";
}

constexpr std::array kForms = {BaselineForm::kFp16, BaselineForm::kBf16, BaselineForm::kF32};

bool Fits(BaselineForm form, std::span<const float> values) {
  switch (form) {
    case BaselineForm::kFp16:
      return std::ranges::all_of(values, [](float v) { return ThroughF16(v) == v; });
    case BaselineForm::kBf16:
      return std::ranges::all_of(values, [](float v) { return ThroughBF16(v) == v; });
    case BaselineForm::kF32:
      return true;
  }
  return false;
}

// The smallest plain format that holds the values exactly, `first` before others of its size.
const Format& FormatThatHolds(std::span<const float> values, BaselineForm first) {
  const BaselineForm other =
      first == BaselineForm::kBf16 ? BaselineForm::kFp16 : BaselineForm::kBf16;
  for (const BaselineForm form : {first, other}) {
    if (Fits(form, values)) return FormatOf(form);
  }
  return F32Format();
}

}  // namespace

std::string_view NameOf(BaselineForm form) {
  switch (form) {
    case BaselineForm::kFp16:
      return "fp16";
    case BaselineForm::kBf16:
      return "bf16";
    case BaselineForm::kF32:
      return "f32";
  }
  return "";
}

const Format& FormatOf(BaselineForm form) {
  switch (form) {
    case BaselineForm::kFp16:
      return F16Format();
    case BaselineForm::kBf16:
      return BF16Format();
    case BaselineForm::kF32:
      return F32Format();
  }
  return F32Format();
}

Result<BaselineForm> ParseBaselineForm(std::string_view name) {
  const auto form = std::ranges::find(kForms, name, [](BaselineForm one) { return NameOf(one); });
  if (form == kForms.end()) return BadInput("no baseline '{}'; there are fp16, bf16 and f32", name);
  return *form;
}

Result<ModelSource> ModelSource::Open(std::shared_ptr<const Checkpoint> checkpoint,
                                      ModelConfig config, std::optional<BaselineForm> form) {
  ModelSource source(std::move(checkpoint), std::move(config));
  source.architecture_ = FindArchitecture(source.config_.architecture);
  BITLOSS_CHECK(source.architecture_ != nullptr);
  for (size_t layer = 0; layer < source.config_.num_layers; ++layer) {
    source.plans_.push_back(std::make_shared<const LayerPlan>(PlanLayer(source.config_, layer)));
  }
  BITLOSS_DO(source.CheckTables());
  BITLOSS_DO(source.CheckPerLayer());
  for (size_t layer = 0; layer < source.config_.num_layers; ++layer) {
    BITLOSS_DO(source.CheckLayer(layer));
  }
  BITLOSS_DO(source.CheckNothingIsLeft());
  const std::optional<BaselineForm> own = source.OwnForm();
  source.baseline_ = form.value_or(own.value_or(BaselineForm::kFp16));
  source.rounds_baseline_ = source.baseline_ != own && source.baseline_ != BaselineForm::kF32;
  return source;
}

std::optional<BaselineForm> ModelSource::OwnForm() const {
  std::map<std::string, uint64_t> weights_of_type;
  for (const std::string& name : used_) {
    const auto info = checkpoint_->Info(name);
    if (!info.ok() || info.value().shape.size() < 2) continue;
    weights_of_type[info.value().stored_type] += info.value().rows * info.value().cols;
  }
  // A folder whose matrices are blocks of floats (MXFP4 experts) decodes them to exact numbers;
  // what a GGUF file's types decode to is rounded to FP16 as ever.
  if (checkpoint_->gguf() == nullptr) {
    std::erase_if(weights_of_type, [](const auto& type) {
      return std::ranges::find(kForms, std::string_view(type.first), StoredTypeOf) == kForms.end();
    });
  }
  const auto most =
      std::ranges::max_element(weights_of_type, {}, [](const auto& type) { return type.second; });
  const auto form = std::ranges::find(
      kForms, most == weights_of_type.end() ? "" : std::string_view(most->first), StoredTypeOf);
  return form == kForms.end() ? std::nullopt : std::optional(*form);
}

Precision ModelSource::baseline_precision() const {
  if (!rounds_baseline_) return Precision::kStored;
  return baseline_ == BaselineForm::kFp16 ? Precision::kFp16 : Precision::kBf16;
}

Precision ModelSource::PrecisionFor(const Format& format) const {
  if (!IsPlain(format) || format.name == FormatOf(baseline_).name) return baseline_precision();
  if (format.name == F32Format().name) return Precision::kStored;
  return format.name == F16Format().name ? Precision::kFp16 : Precision::kBf16;
}

Status ModelSource::CheckTables() {
  const ModelConfig& c = config_;
  const std::array<uint64_t, 1> hidden = {c.hidden_size};
  const std::array<uint64_t, 2> table = {c.vocab_size, c.hidden_size};
  // Where the text model stands among others, its names have a prefix.
  constexpr std::array<std::string_view, 3> kBases = {"model.", "language_model.model.",
                                                      "model.language_model."};
  const bool is_gguf = checkpoint_->gguf() != nullptr;
  base_ = kBases[0];
  for (const std::string_view base : kBases) {
    if (checkpoint_->Has(fmt::format("{}embed_tokens.weight", base))) base_ = base;
  }
  embedding_name_ = base_ + "embed_tokens.weight";
  final_norm_name_ =
      fmt::format("{}{}.weight", base_, is_gguf ? "norm" : architecture_->hf_final_norm);
  const std::string of_gguf = fmt::format("{}.weight", architecture_->gguf_final_norm);
  if (is_gguf && checkpoint_->Has(of_gguf)) final_norm_name_ = of_gguf;
  head_name_ = "lm_head.weight";
  if (!checkpoint_->Has(head_name_) && checkpoint_->Has("language_model.lm_head.weight")) {
    head_name_ = "language_model.lm_head.weight";
  }
  // A tied model may still carry its head, and some files carry the shared table as the head only.
  const bool has_head = checkpoint_->Has(head_name_);
  const bool has_embedding = checkpoint_->Has(embedding_name_);
  tied_head_ = !has_head || (c.tied_embeddings && !has_embedding);
  if (!has_head && !c.tied_embeddings && has_embedding) {
    return BadInput(
        "tensor 'lm_head.weight' is missing, and the configuration does not tie it to "
        "the embedding");
  }
  BITLOSS_DO(CheckShape(has_embedding ? embedding_name_ : head_name_, table));
  if (has_head) BITLOSS_DO(CheckShape(head_name_, table));
  BITLOSS_DO(CheckShape(final_norm_name_, hidden));
  for (const std::string& name : {embedding_name_, head_name_, final_norm_name_}) Use(name);
  if (!has_head) head_name_ = embedding_name_;
  if (!has_embedding) embedding_name_ = head_name_;
  return Ok();
}

Status ModelSource::CheckPerLayer() {
  if (!config_.per_layer_input) return Ok();
  const PerLayerInputSpec& spec = *config_.per_layer_input;
  const size_t columns = config_.num_layers * spec.width;
  const bool is_gguf = checkpoint_->gguf() != nullptr;
  const auto named = [&](std::string_view in_folder, std::string_view in_gguf) {
    return is_gguf ? fmt::format("{}.weight", in_gguf)
                   : fmt::format("{}{}.weight", base_, in_folder);
  };
  per_layer_ = PerLayerParts{
      Whole(named("embed_tokens_per_layer", "per_layer_token_embd"), spec.vocab_size, columns),
      Whole(named("per_layer_model_projection", "per_layer_model_proj"), columns,
            config_.hidden_size),
      Whole(named("per_layer_projection_norm", "per_layer_proj_norm"), 1, spec.width),
      {},
      {}};
  per_layer_->norm.shape = {spec.width};
  for (size_t k = 0; config_.altup && k + 1 < config_.altup->streams; ++k) {
    per_layer_->into_streams.push_back(PlaceOfStream("altup_projections", "altup_proj", k));
    per_layer_->out_of_streams.push_back(
        PlaceOfStream("altup_unembed_projections", "altup_unembd_proj", k));
  }
  for (const TensorPart& part : per_layer_->All()) {
    BITLOSS_DO(CheckShape(part.name, part.shape));
    Use(part.name);
  }
  return Ok();
}

std::vector<TensorPart> ModelSource::PerLayerParts::All() const {
  std::vector<TensorPart> parts = {table, projection, norm};
  parts.insert(parts.end(), into_streams.begin(), into_streams.end());
  parts.insert(parts.end(), out_of_streams.begin(), out_of_streams.end());
  return parts;
}

// A file's own tensor, or one of all of them.
TensorPart ModelSource::PlaceOfStream(std::string_view name, std::string_view in_gguf,
                                      size_t number) const {
  const size_t hidden = config_.hidden_size;
  if (checkpoint_->gguf() == nullptr) {
    return Whole(fmt::format("{}{}.{}.weight", base_, name, number), hidden, hidden);
  }
  TensorPart part = Whole(fmt::format("{}.weight", in_gguf), hidden, hidden);
  part.shape = {config_.altup->streams - 1, hidden, hidden};
  part.first = number * hidden;
  return part;
}

Status ModelSource::CheckLayer(size_t layer) {
  for (const KeptSpec& kept : plan(layer).kept) {
    const TensorPart part = PlaceOf(layer, kept);
    BITLOSS_DO(CheckShape(part.name, part.shape));
    Use(part.name);
  }
  for (size_t i = 0; i < plan(layer).linears.size(); ++i) {
    const TensorPart part = PlaceOf(layer, i);
    BITLOSS_DO(CheckShape(part.name, part.shape));
    Use(part.name);
    BITLOSS_DO(CheckBias(layer, i));
  }
  // Files are published with keys and values of layers that attend to an earlier one's.
  if (!config_.layer(layer).kv_source) return Ok();
  for (const std::string_view name : {names().linears[static_cast<size_t>(Linear::kKey)],
                                      names().linears[static_cast<size_t>(Linear::kValue)],
                                      names().kept[static_cast<size_t>(Kept::kKeyNorm)]}) {
    unused_.insert(LayerTensor(layer, fmt::format("{}.weight", name)));
  }
  return Ok();
}

Status ModelSource::CheckBias(size_t layer, size_t linear) {
  const std::optional<TensorPart> bias = PlaceOfBias(layer, linear);
  if (!bias) return Ok();
  if (plan(layer).linears[linear].has_bias) {
    BITLOSS_DO(CheckShape(bias->name, bias->shape));
    Use(bias->name);
  } else if (checkpoint_->Has(bias->name)) {
    return BadInput("tensor '{}' is there, but the configuration says that there is none",
                    bias->name);
  }
  return Ok();
}

namespace {

// Of other kinds of input, of heads that predict further tokens, and what is computed anew.
bool IsSkipped(std::string_view name) {
  constexpr std::array<std::string_view, 17> kStarts = {"vision_tower.",
                                                        "vision_model.",
                                                        "multi_modal_projector.",
                                                        "audio_tower.",
                                                        "embed_vision.",
                                                        "embed_audio.",
                                                        "model.visual.",
                                                        "model.vision_tower.",
                                                        "model.vision_adapter.",
                                                        "model.vision_projection.",
                                                        "model.multi_modal_projector.",
                                                        "model.audio_tower.",
                                                        "model.embed_vision.",
                                                        "model.embed_audio.",
                                                        "mtp.",
                                                        "rope_freqs",
                                                        "rope_factors_"};
  const bool starts = std::ranges::any_of(
      kStarts, [name](std::string_view start) { return name.starts_with(start); });
  return starts || name.find("rotary_emb.") != name.npos || name.ends_with(".k_scale") ||
         name.ends_with(".v_scale") || name.ends_with(".attn.bias") ||
         name.ends_with(".attn.masked_bias");
}

// The number of the block that a name belongs to; none if it belongs to none.
std::optional<size_t> LayerOf(std::string_view name) {
  for (const std::string_view before : {"layers.", "blk."}) {
    size_t at = name.find(before);
    if (at == name.npos) continue;
    size_t layer = 0;
    size_t digits = 0;
    for (at += before.size(); at < name.size() && name[at] >= '0' && name[at] <= '9'; ++at) {
      layer = std::min<size_t>(layer * 10 + static_cast<size_t>(name[at] - '0'), 1 << 24);
      ++digits;
    }
    if (digits > 0) return layer;
  }
  return std::nullopt;
}

}  // namespace

// A tensor that nobody asked for is a norm, a bias or a head that would be left out unseen.
Status ModelSource::CheckNothingIsLeft() const {
  for (const std::string& name : checkpoint_->TensorNames()) {
    if (used_.contains(name) || unused_.contains(name) || IsSkipped(name)) continue;
    const std::optional<size_t> layer = LayerOf(name);
    if (layer && *layer >= config_.num_layers) continue;  // blocks that predict further tokens
    return Unsupported("tensor '{}' is there, but architecture {} has no use for it", name,
                       config_.architecture);
  }
  return Ok();
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
  for (const auto& layer : plans_) {
    for (const LinearSpec& linear : layer->linears) {
      count += uint64_t{linear.shape.out} * linear.shape.in;
    }
  }
  return count;
}

uint64_t ModelSource::num_expert_parameters() const {
  uint64_t count = 0;
  for (const auto& layer : plans_) {
    for (const LinearSpec& linear : layer->linears) {
      if (linear.unit == Unit::kExpert) count += uint64_t{linear.shape.out} * linear.shape.in;
    }
  }
  return count;
}

uint64_t ModelSource::num_parameters() const {
  uint64_t count = num_linear_parameters() + config_.hidden_size;
  for (const auto& layer : plans_) {
    for (const KeptSpec& kept : layer->kept) count += uint64_t{kept.rows} * kept.cols;
    for (const LinearSpec& linear : layer->linears) count += linear.has_bias ? linear.shape.out : 0;
  }
  if (per_layer_) {
    for (const TensorPart& part : per_layer_->All()) count += uint64_t{part.rows} * part.cols;
  }
  return count + uint64_t{config_.vocab_size} * config_.hidden_size * (tied_head_ ? 1 : 2);
}

Result<Matrix> ModelSource::ReadMatrix(const std::string& name, size_t rows, size_t cols,
                                       Precision precision) const {
  Matrix matrix(rows, cols);
  BITLOSS_DO(ReadFiniteRows(*checkpoint_, name, 0, rows, matrix.flat()));
  BITLOSS_DO(RoundAll(name, precision, matrix.flat()));
  return matrix;
}

namespace {

// Columns of a tensor, read with what is between them.
Status ReadColumns(const Checkpoint& checkpoint, const TensorPart& part, Matrix& matrix) {
  BITLOSS_TRY(const TensorInfo info, checkpoint.Info(part.name));
  Matrix block(part.cols, info.cols);
  const size_t run = part.block_step == 0 ? part.rows : part.run;
  for (size_t begin = 0; begin < part.rows; begin += run) {
    const size_t first = part.block + begin / run * part.block_step;
    BITLOSS_DO(ReadFiniteRows(checkpoint, part.name, first, first + part.cols, block.flat()));
    for (size_t row = begin; row < begin + run; ++row) {
      const size_t column = part.Place(row);
      for (size_t col = 0; col < part.cols; ++col) matrix.Row(row)[col] = block.Row(col)[column];
    }
  }
  return Ok();
}

}  // namespace

Result<Matrix> ModelSource::ReadPart(const TensorPart& part, Precision precision) const {
  Matrix matrix(part.rows, part.cols);
  if (part.is_transposed) {
    BITLOSS_DO(ReadColumns(*checkpoint_, part, matrix));
  } else {
    const size_t run = part.run == 0 ? part.rows : part.run;
    for (size_t row = 0; row < part.rows; row += run) {
      const size_t from = part.Place(row);
      BITLOSS_DO(ReadFiniteRows(*checkpoint_, part.name, from, from + run,
                                matrix.flat().subspan(row * part.cols, run * part.cols)));
    }
  }
  BITLOSS_DO(RoundAll(part.name, precision, matrix.flat()));
  return matrix;
}

namespace {

// What is added to scores, or says how fast a state decays, stays in full precision: it is
// published so.
Precision PrecisionOf(Kept kept, Precision of_block) {
  const bool stays =
      kept == Kept::kSelectionBias || kept == Kept::kDecayBias || kept == Kept::kDecayLog;
  return stays ? Precision::kStored : of_block;
}

// GGUF stores -e^a of a delta rule's decays.
Status TakeLogarithms(const std::string& name, std::span<float> values) {
  for (float& value : values) {
    if (!(value < 0)) return BadInput("tensor '{}': holds {}, not a number < 0", name, value);
    value = static_cast<float>(std::log(-double{value}));
  }
  return Ok();
}

}  // namespace

Result<LayerSource> ModelSource::LayerVectors(size_t layer, Precision precision) const {
  LayerSource source;
  source.plan = plans_[layer];
  source.weights.resize(plan(layer).linears.size());
  source.biases.resize(plan(layer).linears.size());
  for (const KeptSpec& kept : plan(layer).kept) {
    BITLOSS_TRY(source.part(kept.kept),
                ReadPart(PlaceOf(layer, kept), PrecisionOf(kept.kept, precision)));
  }
  if (plan(layer).Has(Kept::kDecayLog) && checkpoint_->gguf() != nullptr) {
    BITLOSS_DO(TakeLogarithms(PlaceOf(layer, {Kept::kDecayLog, 1, 0}).name,
                              source.part(Kept::kDecayLog).flat()));
  }
  for (size_t i = 0; i < plan(layer).linears.size(); ++i) {
    if (!plan(layer).linears[i].has_bias) continue;
    const TensorPart part = *PlaceOfBias(layer, i);
    BITLOSS_TRY(const TensorInfo info, checkpoint_->Info(part.name));
    BITLOSS_TRY(const Matrix all, ReadMatrix(part.name, info.rows, info.cols, precision));
    for (size_t k = 0; k < part.rows; ++k) {
      source.biases[i].push_back(all.flat()[part.Place(k)]);
    }
  }
  return source;
}

Result<LayerSource> ModelSource::Layer(size_t layer, Precision precision) const {
  BITLOSS_TRY(LayerSource source, LayerVectors(layer, precision));
  for (size_t i = 0; i < source.weights.size(); ++i) {
    BITLOSS_TRY(source.weights[i], ReadPart(PlaceOf(layer, i), precision));
  }
  source.plain = FormatOf(precision == Precision::kFp16   ? BaselineForm::kFp16
                          : precision == Precision::kBf16 ? BaselineForm::kBf16
                                                          : baseline_);
  const bool may_not_fit = precision == Precision::kStored && baseline_ != BaselineForm::kF32 &&
                           !AllLinearsAre(layer, StoredTypeOf(baseline_));
  if (may_not_fit && !std::ranges::all_of(source.weights, [&](const Matrix& weights) {
        return Fits(baseline_, weights.flat());
      })) {
    source.plain = F32Format();
  }
  return source;
}

bool ModelSource::AllLinearsAre(size_t layer, std::string_view type) const {
  for (size_t i = 0; i < plan(layer).linears.size(); ++i) {
    const auto info = checkpoint_->Info(PlaceOf(layer, i).name);
    if (!info.ok() || info.value().stored_type != type) return false;
  }
  return true;
}

Result<std::vector<float>> ModelSource::FinalNorm(Precision precision) const {
  BITLOSS_TRY(const Matrix row, ReadMatrix(final_norm_name_, 1, config_.hidden_size, precision));
  return std::vector<float>(row.flat().begin(), row.flat().end());
}

Result<EncodedMatrix> ModelSource::Embedding(Precision precision, ThreadPool& threads) const {
  return ReadTable(Whole(embedding_name_, config_.vocab_size, config_.hidden_size), precision,
                   threads);
}

Result<EncodedMatrix> ModelSource::Head(Precision precision, ThreadPool& threads) const {
  return ReadTable(Whole(head_name_, config_.vocab_size, config_.hidden_size), precision, threads);
}

TensorPart ModelSource::Whole(const std::string& name, size_t rows, size_t cols) const {
  return {.name = name, .shape = {rows, cols}, .rows = rows, .cols = cols};
}

namespace {

// `exponent`: its bits, which are all set for infinity and NaN.
bool AllFiniteHalves(std::span<const std::byte> halves, unsigned exponent) {
  unsigned bad = 0;
  for (size_t i = 0; i + 1 < halves.size(); i += 2) {
    uint16_t half;
    std::memcpy(&half, halves.data() + i, sizeof(half));
    bad |= static_cast<unsigned>((half & exponent) == exponent);
  }
  return bad == 0;
}

unsigned ExponentOf(const Format& format) {
  return format.name == F16Format().name ? 0x7C00 : 0x7F80;
}

bool AllFiniteHalves(const EncodedMatrix& matrix) {
  return AllFiniteHalves(matrix.codes.span(), ExponentOf(matrix.format));
}

bool AllFiniteHalves(const EncodedMatrix& matrix, ThreadPool& threads) {
  const std::span<const std::byte> halves = matrix.codes.span();
  const unsigned exponent = ExponentOf(matrix.format);
  constexpr size_t kBytesOfPart = size_t{4} << 20;
  std::atomic<bool> finite = true;
  threads.ForEachPart((halves.size() + kBytesOfPart - 1) / kBytesOfPart, [&](size_t part, size_t) {
    const size_t first = part * kBytesOfPart;
    const size_t count = std::min(kBytesOfPart, halves.size() - first);
    if (!AllFiniteHalves(halves.subspan(first, count), exponent)) finite = false;
  });
  return finite;
}

}  // namespace

std::optional<EncodedMatrix> ModelSource::ViewHalves(const TensorPart& part,
                                                     Precision precision) const {
  const std::optional<TensorView> view = checkpoint_->View(part.name);
  if (!view || part.is_transposed || part.run != 0) return std::nullopt;
  const bool is_f16 = view->dtype == DType::kF16 && precision != Precision::kBf16;
  const bool is_bf16 = view->dtype == DType::kBF16 && precision != Precision::kFp16;
  if (!is_f16 && !is_bf16) return std::nullopt;
  const size_t row_bytes = part.cols * sizeof(uint16_t);
  return EncodedMatrix{is_f16 ? F16Format() : BF16Format(), part.rows, part.cols,
                       view->bytes.Sub(part.first * row_bytes, part.rows * row_bytes)};
}

Result<EncodedMatrix> ModelSource::ReadPlain(const TensorPart& part, Precision precision) const {
  BITLOSS_TRY(const Matrix matrix, ReadPart(part, precision));
  const Format& format = precision == Precision::kFp16 ? F16Format()
                         : precision == Precision::kBf16
                             ? BF16Format()
                             : FormatThatHolds(matrix.flat(), baseline_);
  return format.encode(format, matrix);
}

// What is not finite is read all the same, which says where it is.
Result<EncodedMatrix> ModelSource::PlainLinear(size_t layer, size_t linear,
                                               Precision precision) const {
  const TensorPart part = PlaceOf(layer, linear);
  std::optional<EncodedMatrix> halves = ViewHalves(part, precision);
  if (halves && AllFiniteHalves(*halves)) return *std::move(halves);
  return ReadPlain(part, precision);
}

Result<EncodedMatrix> ModelSource::ReadTable(const TensorPart& part, Precision precision,
                                             ThreadPool& threads) const {
  std::optional<EncodedMatrix> halves = ViewHalves(part, precision);
  if (halves && AllFiniteHalves(*halves, threads)) return *std::move(halves);
  return ReadPlain(part, precision);
}

namespace {

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

namespace {

// Rows of a matrix as its file has quantized it. kUnsupported where its rows do not stand by
// themselves.
Result<EncodedMatrix> RowsOf(const EncodedMatrix& whole, const TensorPart& part) {
  if (part.rows == whole.rows && !part.is_transposed) return whole;
  if (part.is_transposed) {
    return Unsupported("tensor '{}': its columns are rows here, which codes cannot become",
                       part.name);
  }
  EncodedMatrix rows = whole;
  rows.rows = part.rows;
  for (SharedBytes* plane : {&rows.codes, &rows.scales, &rows.zeros, &rows.extra}) {
    if (plane->empty()) continue;
    if (plane->size() % whole.rows != 0 || whole.format.row_coding != RowCoding::kIndependent) {
      return Unsupported("tensor '{}': {} cannot be cut into the matrices that it holds", part.name,
                         whole.format.name);
    }
    const size_t row_bytes = plane->size() / whole.rows;
    if (part.run == 0) {
      *plane = plane->Sub(part.first * row_bytes, part.rows * row_bytes);
      continue;
    }
    std::vector<std::byte> bytes;
    for (size_t row = 0; row < part.rows; ++row) {
      const auto from = plane->span().subspan(part.Place(row) * row_bytes, row_bytes);
      bytes.insert(bytes.end(), from.begin(), from.end());
    }
    *plane = SharedBytes::Own(std::move(bytes));
  }
  return rows;
}

}  // namespace

Result<EncodedMatrix> ModelSource::StoredMatrix(const TensorPart& part) const {
  BITLOSS_TRY(std::optional<EncodedMatrix> packed, checkpoint_->Quantized(part.name));
  if (packed) {
    BITLOSS_TRY(const EncodedMatrix rows, RowsOf(*packed, part));
    BITLOSS_DO(CheckFiniteDecoded(part.name, rows));
    return rows;
  }
  return ReadPlain(part, Precision::kStored);
}

Result<EncodedMatrix> ModelSource::StoredLinear(size_t layer, size_t linear) const {
  return StoredMatrix(PlaceOf(layer, linear));
}

Result<EncodedMatrix> ModelSource::StoredEmbedding() const {
  return StoredMatrix(Whole(embedding_name_, config_.vocab_size, config_.hidden_size));
}

Result<EncodedMatrix> ModelSource::StoredHead() const {
  return StoredMatrix(Whole(head_name_, config_.vocab_size, config_.hidden_size));
}

Result<std::shared_ptr<const PackedMatrix>> ModelSource::PackWhole(const TensorPart& part,
                                                                   Precision precision,
                                                                   const Backend& backend) const {
  BITLOSS_TRY(const Matrix matrix, ReadPart(part, precision));
  BITLOSS_TRY(const EncodedMatrix encoded, F32Format().encode(F32Format(), matrix));
  BITLOSS_TRY(std::unique_ptr<PackedMatrix> packed, backend.Pack(encoded, Execution{}));
  return std::shared_ptr<const PackedMatrix>(std::move(packed));
}

Result<std::shared_ptr<const PerLayerWeights>> ModelSource::PerLayer(Precision precision,
                                                                     const Backend& backend) const {
  if (!per_layer_) return std::shared_ptr<const PerLayerWeights>();
  auto weights = std::make_shared<PerLayerWeights>();
  BITLOSS_TRY(const std::optional<EncodedMatrix> packed,
              checkpoint_->Quantized(per_layer_->table.name));
  if (packed && precision == Precision::kStored) {
    BITLOSS_TRY(weights->table, StoredMatrix(per_layer_->table));
  } else {
    BITLOSS_TRY(weights->table, ReadTable(per_layer_->table, precision, backend.threads()));
  }
  BITLOSS_TRY(weights->projection, PackWhole(per_layer_->projection, precision, backend));
  for (const TensorPart& part : per_layer_->into_streams) {
    BITLOSS_TRY(weights->into_streams.emplace_back(), PackWhole(part, precision, backend));
  }
  for (const TensorPart& part : per_layer_->out_of_streams) {
    BITLOSS_TRY(weights->out_of_streams.emplace_back(), PackWhole(part, precision, backend));
  }
  BITLOSS_TRY(const Matrix norm, ReadPart(per_layer_->norm, precision));
  weights->norm = backend.ToTensor(norm);
  return std::shared_ptr<const PerLayerWeights>(std::move(weights));
}

uint64_t ModelSource::stored_vector_bytes() const {
  std::set<std::string> names = {final_norm_name_};
  if (per_layer_) {
    for (const TensorPart& part : per_layer_->All()) names.insert(part.name);
  }
  for (size_t layer = 0; layer < config_.num_layers; ++layer) {
    for (const KeptSpec& kept : plan(layer).kept) names.insert(PlaceOf(layer, kept).name);
    for (size_t i = 0; i < plan(layer).linears.size(); ++i) {
      if (plan(layer).linears[i].has_bias) names.insert(PlaceOfBias(layer, i)->name);
    }
  }
  uint64_t total = 0;
  for (const std::string& name : names) {
    const auto info = checkpoint_->Info(name);
    total += info.ok() ? info.value().num_bytes : 0;
  }
  return total;
}

}  // namespace bitloss
