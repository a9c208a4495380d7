// Whether a checkpoint has what its configuration says, and nothing beside it.
#include <algorithm>
#include <array>
#include <optional>

#include "bitloss/model/architecture.h"
#include "bitloss/model/weights.h"

namespace bitloss {

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

}  // namespace bitloss
