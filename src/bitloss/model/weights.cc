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

}  // namespace bitloss
