// Where the parts of a block lie in a checkpoint.
#include <algorithm>
#include <array>

#include "bitloss/checkpoint/gguf_checkpoint.h"
#include "bitloss/model/architecture.h"
#include "bitloss/model/weights.h"

namespace bitloss {
namespace {

// Gate, up or down: 0, 1, 2.
size_t PlaceInMlp(Linear kind) {
  return static_cast<size_t>(kind) - static_cast<size_t>(Linear::kGate);
}

// The width of gate and up, or what down reads.
size_t WidthOf(const LinearSpec& linear) {
  return linear.kind == Linear::kDown ? linear.shape.in : linear.shape.out;
}

bool Holds(const FusedTensor& fused, Linear kind) {
  return std::ranges::find(fused.members, kind) != fused.members.end();
}

std::string_view SuffixOf(Kept kept, bool is_gguf) {
  switch (kept) {
    case Kept::kSinks:
      return is_gguf ? ".weight" : "";
    case Kept::kSelectionBias:
    case Kept::kDecayBias:
    case Kept::kDecayLog:
    case Kept::kRouterScale:
    case Kept::kExpertScale:
    case Kept::kLayerScale:
    case Kept::kStreamScale:
      return "";  // the name is whole
    case Kept::kRouterBias:
      return ".bias";
    default:
      return ".weight";
  }
}

}  // namespace

ModelSource ModelSource::AsInGguf() const {
  ModelSource there = *this;
  if (checkpoint_->gguf() != nullptr) return there;
  there.in_gguf_ = true;
  there.embedding_name_ = "model.embed_tokens.weight";
  there.head_name_ = tied_head_ ? there.embedding_name_ : "lm_head.weight";
  const std::string_view norm = architecture_->gguf_final_norm;
  there.final_norm_name_ = norm.empty() ? "model.norm.weight" : fmt::format("{}.weight", norm);
  return there;
}

const TensorNames& ModelSource::names() const {
  return in_gguf() ? architecture_->gguf_names : architecture_->hf_names;
}

std::string ModelSource::LayerTensor(size_t layer, std::string_view rest) const {
  if (!in_gguf()) return fmt::format("{}layers.{}.{}", base_, layer, rest);
  const std::string stored = fmt::format("blk.{}.{}", layer, rest);
  return HfTensorName(stored).value_or(stored);
}

TensorPart ModelSource::PlaceOf(size_t layer, const KeptSpec& kept) const {
  const bool is_gguf = in_gguf();
  const std::string_view name = names().kept[static_cast<size_t>(kept.kept)];
  TensorPart part;
  part.name = LayerTensor(layer, fmt::format("{}{}", name, SuffixOf(kept.kept, is_gguf)));
  part.rows = kept.rows;
  part.cols = kept.cols;
  const bool is_rate = kept.kept == Kept::kRateInput;
  if ((is_rate || kept.kept == Kept::kDecayInput) && !names().fused_rates.empty()) {
    part.name = LayerTensor(layer, fmt::format("{}.weight", names().fused_rates));
    part.run = kept.rows / config_.delta->shape.key_heads;
    part.period = 2 * part.run;
    part.first = is_rate ? 0 : part.run;
    part.shape = {2 * kept.rows, kept.cols};
  } else if (kept.kept == Kept::kConvolution && !is_gguf) {
    part.shape = {kept.rows, 1, kept.cols};
  } else if (kept.rows > 1 || (kept.kept == Kept::kSharedGate && !is_gguf)) {
    part.shape = {kept.rows, kept.cols};
  } else {
    part.shape = {kept.cols};
  }
  return part;
}

TensorPart ModelSource::PlaceOf(size_t layer, size_t linear) const {
  const LinearSpec& spec = plan(layer).linears[linear];
  if (spec.unit == Unit::kExpert) return PlaceOfExpert(layer, spec);
  if (const auto fused = PlaceInFused(layer, linear)) return *fused;
  return PlaceOfSingle(layer, linear);
}

TensorPart ModelSource::PlaceOfSingle(size_t layer, size_t linear) const {
  const LinearSpec& spec = plan(layer).linears[linear];
  const auto kind = static_cast<size_t>(spec.kind);
  TensorPart part;
  part.rows = spec.shape.out;
  part.cols = spec.shape.in;
  part.shape = {spec.shape.out, spec.shape.in};
  const auto& of_unit = spec.unit == Unit::kRecurrent ? names().recurrent : names().linears;
  part.name = LayerTensor(layer, spec.unit == Unit::kSharedExpert
                                     ? fmt::format("{}{}.weight", names().shared,
                                                   names().of_shared[PlaceInMlp(spec.kind)])
                                     : fmt::format("{}.weight", of_unit[kind]));
  if (!in_gguf()) return part;
  // Keys and values out of their narrow form: by head, the keys' turned.
  if (spec.kind == Linear::kValueUp) {
    part.shape = {config_.num_heads, spec.shape.out / config_.num_heads, spec.shape.in};
  } else if (spec.kind == Linear::kKeyUp) {
    part.is_transposed = true;
    part.run = spec.shape.out / config_.num_heads;
    part.block_step = spec.shape.in;
    part.shape = {config_.num_heads, spec.shape.in, part.run};
  }
  return part;
}

std::optional<TensorPart> ModelSource::PlaceInFused(size_t layer, size_t linear) const {
  const std::vector<LinearSpec>& all = plan(layer).linears;
  const LinearSpec& spec = all[linear];
  for (const FusedTensor& fused : names().fused) {
    if (fused.unit != spec.unit || !Holds(fused, spec.kind)) continue;
    const std::string name = LayerTensor(layer, fmt::format("{}.weight", fused.name));
    if (!HasPlace(name)) continue;
    size_t before = 0;  // rows of members before it
    size_t rows = 0;
    for (const Linear member : fused.members) {
      const auto found = std::ranges::find_if(all, [&](const LinearSpec& other) {
        return other.unit == spec.unit && other.kind == member;
      });
      if (found == all.end()) continue;
      if (member == spec.kind) before = rows;
      rows += found->shape.out;
    }
    TensorPart part{.name = name, .shape = {rows, spec.shape.in}, .first = before};
    part.rows = spec.shape.out;
    part.cols = spec.shape.in;
    if (fused.order == FusedOrder::kByHead) {
      const size_t heads =
          spec.unit == Unit::kRecurrent ? config_.delta->shape.key_heads : config_.num_heads;
      part.first = before / heads;
      part.run = spec.shape.out / heads;
      part.period = rows / heads;
    }
    return part;
  }
  return std::nullopt;
}

TensorPart ModelSource::PlaceOfExpert(size_t layer, const LinearSpec& linear) const {
  TensorPart part;
  part.rows = linear.shape.out;
  part.cols = linear.shape.in;
  part.shape = {linear.shape.out, linear.shape.in};
  part.name = NameOfLoneExpert(layer, linear);
  if (!part.name.empty() && checkpoint_->Has(part.name)) return part;
  TensorPart stacked = PlaceOfStacked(layer, linear);
  return names().experts.empty() || checkpoint_->Has(stacked.name) ? stacked : part;
}

// As tools that quantize experts name what they have taken out of one tensor: its name, with each
// expert's number before the matrix's.
std::string ModelSource::NameOfLoneExpert(size_t layer, const LinearSpec& linear) const {
  constexpr std::string_view kDown = ".down_proj";
  constexpr std::array<std::string_view, 3> kUsual = {".gate_proj", ".up_proj", kDown};
  const TensorNames& of_model = names();
  const std::string_view stacked = of_model.stacked[PlaceInMlp(Linear::kDown)];
  std::string_view experts = of_model.experts;
  if (experts.empty() && stacked.ends_with(kDown)) {
    experts = stacked.substr(0, stacked.size() - kDown.size());
  }
  if (experts.empty()) return {};
  const size_t place = PlaceInMlp(linear.kind);
  const std::string_view matrix =
      of_model.of_expert[place].empty() ? kUsual[place] : of_model.of_expert[place];
  return LayerTensor(layer, fmt::format("{}.{}{}.weight", experts, linear.expert, matrix));
}

TensorPart ModelSource::PlaceOfStacked(size_t layer, const LinearSpec& linear) const {
  const bool is_gguf = in_gguf();
  const std::string_view single = names().stacked[PlaceInMlp(linear.kind)];
  const bool is_single =
      linear.kind == Linear::kDown || (!single.empty() && HasPlace(LayerTensor(layer, single)));
  const size_t count = config_.experts->count;
  const size_t width = WidthOf(linear);
  const size_t hidden = config_.hidden_size;
  TensorPart part;
  part.name = LayerTensor(layer, is_single ? single : names().stacked_gate_up);
  part.rows = linear.shape.out;
  part.cols = linear.shape.in;
  const size_t out = is_single ? linear.shape.out : 2 * width;  // of one expert in the tensor
  const size_t in = linear.kind == Linear::kDown ? width : hidden;
  const bool alternates =
      !is_single && !is_gguf && architecture_->stacked_order == StackedOrder::kAlternating;
  const size_t second = alternates ? 1 : width;
  const size_t offset = is_single || linear.kind == Linear::kGate ? 0 : second;
  if (alternates) {
    part.run = 1;
    part.period = 2;
  }
  const auto info = checkpoint_->Info(part.name);
  // A tensor that a layout made of codes has been turned: outputs first, all experts' rows.
  const bool is_turned = info.ok() && info.value().shape.size() == 2;
  if (!is_gguf && !is_turned && architecture_->stacked_axes == StackedAxes::kInOut) {
    part.is_transposed = true;
    part.block = linear.expert * in;
    part.first = offset;
    part.shape = {count, in, out};
    return part;
  }
  part.first = linear.expert * out + offset;
  part.shape =
      is_turned ? std::vector<uint64_t>{count * out, in} : std::vector<uint64_t>{count, out, in};
  return part;
}

std::optional<TensorPart> ModelSource::PlaceOfBias(size_t layer, size_t linear) const {
  const LinearSpec& spec = plan(layer).linears[linear];
  TensorPart part = PlaceOf(layer, linear);
  const bool is_stacked = spec.unit == Unit::kExpert && part.name != NameOfLoneExpert(layer, spec);
  const bool is_fused = part.name == LayerTensor(layer, names().stacked_gate_up);
  constexpr std::string_view kWeight = ".weight";
  if (part.name.ends_with(kWeight)) {
    part.name.replace(part.name.size() - kWeight.size(), kWeight.size(), ".bias");
  } else {
    part.name += "_bias";
  }
  if (!is_stacked) {
    part.shape = {part.shape[0]};
    return part;
  }
  if (!spec.has_bias) return std::nullopt;
  const size_t of_expert = is_fused ? 2 * spec.shape.out : spec.shape.out;
  const size_t offset = part.is_transposed ? part.first : part.first - spec.expert * of_expert;
  part.first = spec.expert * of_expert + offset;
  part.is_transposed = false;
  part.shape = {config_.experts->count, of_expert};
  return part;
}

}  // namespace bitloss
