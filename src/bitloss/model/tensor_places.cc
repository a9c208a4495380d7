// Where the parts of a block lie in a checkpoint.
#include <algorithm>

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

std::string_view SuffixOf(Kept kept, bool is_gguf) {
  switch (kept) {
    case Kept::kSinks:
      return is_gguf ? ".weight" : "";
    case Kept::kSelectionBias:
      return "";  // the name is whole
    case Kept::kRouterBias:
      return ".bias";
    default:
      return ".weight";
  }
}

}  // namespace

std::string ModelSource::LayerTensor(size_t layer, std::string_view rest) const {
  if (checkpoint_->gguf() == nullptr) return fmt::format("{}layers.{}.{}", base_, layer, rest);
  const std::string stored = fmt::format("blk.{}.{}", layer, rest);
  return HfTensorName(stored).value_or(stored);
}

TensorPart ModelSource::PlaceOf(size_t layer, const KeptSpec& kept) const {
  const bool is_gguf = checkpoint_->gguf() != nullptr;
  const TensorNames& names = is_gguf ? architecture_->gguf_names : architecture_->hf_names;
  const std::string_view name = names.kept[static_cast<size_t>(kept.kept)];
  TensorPart part;
  part.name = LayerTensor(layer, fmt::format("{}{}", name, SuffixOf(kept.kept, is_gguf)));
  part.rows = kept.rows;
  part.cols = kept.cols;
  const bool is_matrix = kept.kept == Kept::kRouter || kept.kept == Kept::kOutputGate ||
                         (kept.kept == Kept::kSharedGate && !is_gguf);
  part.shape =
      is_matrix ? std::vector<uint64_t>{kept.rows, kept.cols} : std::vector<uint64_t>{kept.cols};
  return part;
}

TensorPart ModelSource::PlaceOf(size_t layer, size_t linear) const {
  const bool is_gguf = checkpoint_->gguf() != nullptr;
  const TensorNames& names = is_gguf ? architecture_->gguf_names : architecture_->hf_names;
  const LinearSpec& spec = plan(layer).linears[linear];
  const auto kind = static_cast<size_t>(spec.kind);
  TensorPart part;
  part.rows = spec.shape.out;
  part.cols = spec.shape.in;
  part.shape = {spec.shape.out, spec.shape.in};
  if (spec.unit == Unit::kExpert) {
    const std::string own =
        names.experts.empty()
            ? std::string()
            : LayerTensor(layer, fmt::format("{}.{}{}.weight", names.experts, spec.expert,
                                             names.of_expert[PlaceInMlp(spec.kind)]));
    if (own.empty() || !checkpoint_->Has(own)) {
      TensorPart stacked = PlaceOfStacked(layer, spec);
      if (own.empty() || checkpoint_->Has(stacked.name)) return stacked;
    }
    part.name = own;
    return part;
  }
  if (spec.unit == Unit::kSharedExpert) {
    part.name = LayerTensor(
        layer, fmt::format("{}{}.weight", names.shared, names.of_shared[PlaceInMlp(spec.kind)]));
    return part;
  }
  part.name = LayerTensor(layer, fmt::format("{}.weight", names.linears[kind]));
  const bool is_projection = spec.kind < Linear::kOutput;
  const bool is_gate_or_up = spec.kind == Linear::kGate || spec.kind == Linear::kUp;
  const std::string_view fused = is_projection   ? names.fused_qkv
                                 : is_gate_or_up ? names.fused_gate_up
                                                 : std::string_view();
  if (fused.empty()) return part;
  const std::string fused_name = LayerTensor(layer, fmt::format("{}.weight", fused));
  if (!checkpoint_->Has(fused_name)) return part;
  // The parts one after the other.
  const std::vector<LinearSpec>& all = plan(layer).linears;
  uint64_t rows = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    const bool is_member = is_projection
                               ? all[i].unit == Unit::kAttention && all[i].kind < Linear::kOutput
                               : all[i].unit == Unit::kMlp && all[i].kind != Linear::kDown;
    if (!is_member) continue;
    if (i < linear) part.first += all[i].shape.out;
    rows += all[i].shape.out;
  }
  part.name = fused_name;
  part.shape = {rows, spec.shape.in};
  return part;
}

TensorPart ModelSource::PlaceOfStacked(size_t layer, const LinearSpec& linear) const {
  const bool is_gguf = checkpoint_->gguf() != nullptr;
  const TensorNames& names = is_gguf ? architecture_->gguf_names : architecture_->hf_names;
  const std::string_view single = names.stacked[PlaceInMlp(linear.kind)];
  const bool is_single = linear.kind == Linear::kDown ||
                         (!single.empty() && checkpoint_->Has(LayerTensor(layer, single)));
  const size_t count = config_.experts->count;
  const size_t width = WidthOf(linear);
  const size_t hidden = config_.hidden_size;
  TensorPart part;
  part.name = LayerTensor(layer, is_single ? single : names.stacked_gate_up);
  part.rows = linear.shape.out;
  part.cols = linear.shape.in;
  const size_t out = is_single ? linear.shape.out : 2 * width;  // of one expert in the tensor
  const size_t in = linear.kind == Linear::kDown ? width : hidden;
  const bool alternates =
      !is_single && !is_gguf && architecture_->stacked_order == StackedOrder::kAlternating;
  const size_t second = alternates ? 1 : width;
  const size_t offset = is_single || linear.kind == Linear::kGate ? 0 : second;
  part.step = alternates ? 2 : 1;
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
  const bool is_gguf = checkpoint_->gguf() != nullptr;
  const TensorNames& names = is_gguf ? architecture_->gguf_names : architecture_->hf_names;
  const bool is_fused = part.name == LayerTensor(layer, names.stacked_gate_up);
  constexpr std::string_view kWeight = ".weight";
  if (part.name.ends_with(kWeight)) {
    part.name.replace(part.name.size() - kWeight.size(), kWeight.size(), ".bias");
  } else {
    part.name += "_bias";
  }
  const bool is_stacked = spec.unit == Unit::kExpert && names.experts.empty();
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
