// LFM2: short convolutions between layers of attention.
#include <algorithm>

#include "bitloss/model/architectures/architectures.h"

namespace bitloss {
namespace {

TensorNames Lfm2Names() {
  TensorNames names = LlamaNames();
  names.kept[static_cast<size_t>(Kept::kPreAttentionNorm)] = "operator_norm";
  names.kept[static_cast<size_t>(Kept::kPreMlpNorm)] = "ffn_norm";
  names.kept[static_cast<size_t>(Kept::kQueryNorm)] = "self_attn.q_layernorm";
  names.kept[static_cast<size_t>(Kept::kKeyNorm)] = "self_attn.k_layernorm";
  names.kept[static_cast<size_t>(Kept::kConvolution)] = "conv.conv";
  names.linears[static_cast<size_t>(Linear::kOutput)] = "self_attn.out_proj";
  names.linears[static_cast<size_t>(Linear::kGate)] = "feed_forward.w1";
  names.linears[static_cast<size_t>(Linear::kUp)] = "feed_forward.w3";
  names.linears[static_cast<size_t>(Linear::kDown)] = "feed_forward.w2";
  names.recurrent[static_cast<size_t>(Linear::kConvolved)] = "conv.in_proj";
  names.recurrent[static_cast<size_t>(Linear::kOutput)] = "conv.out_proj";
  return names;
}

TensorNames Lfm2GgufNames() {
  TensorNames names = LlamaGgufNames();
  names.kept[static_cast<size_t>(Kept::kConvolution)] = "shortconv.conv";
  names.recurrent[static_cast<size_t>(Linear::kConvolved)] = "shortconv.in_proj";
  names.recurrent[static_cast<size_t>(Linear::kOutput)] = "shortconv.out_proj";
  return names;
}

// The files say a width of which the MLP has two thirds, and more.
Status ReadWidth(const HfConfig& config, ModelConfig& model) {
  BITLOSS_TRY(uint64_t width, config.GetSizeOr("block_ff_dim", model.intermediate_size, kMaxWidth));
  BITLOSS_TRY(const bool adjusts, config.GetBoolOr("block_auto_adjust_ff_dim", true));
  constexpr std::string_view kFactor = "block_ffn_dim_multiplier";
  if (adjusts) width = 2 * width / 3;
  if (adjusts && (config.Has(kFactor) || !config.Mentions(kFactor))) {  // null: not rounded up
    BITLOSS_TRY(const double factor, config.GetPositiveOr(kFactor, 1.0));
    BITLOSS_TRY(const uint64_t multiple, config.GetSizeOr("block_multiple_of", 256, kMaxWidth));
    const double most = static_cast<double>(kMaxWidth);
    width = static_cast<uint64_t>(std::min(factor * static_cast<double>(width), most));
    width = multiple * ((width + multiple - 1) / multiple);
  }
  if (width == 0 || width > kMaxWidth) {
    return BadInput("{}: comes to {} elements", config.Place(kFactor), width);
  }
  model.intermediate_size = width;
  return Ok();
}

Status ReadLfm2Layers(const HfConfig& config, ModelConfig& model) {
  constexpr std::array kKnown = {kFullAttention, kConvolutionLayer};
  BITLOSS_TRY(const LayerKinds kinds, ReadLayerKinds(config, model, kKnown, AllFull, 1));
  std::vector<double> attending;
  const bool by_number = !config.Has("layer_types") && config.Has("full_attn_idxs");
  if (by_number) {
    BITLOSS_TRY(attending, config.GetNumbers("full_attn_idxs"));
  }
  std::vector<LayerSpec>& layers = LayersOf(model);
  for (size_t i = 0; i < layers.size(); ++i) {
    const bool convolves =
        by_number ? std::ranges::find(attending, static_cast<double>(i)) == attending.end()
                  : kinds.Is(i, kConvolutionLayer);
    if (convolves) layers[i].mixer = Mixer::kShortConvolution;
  }
  return Ok();
}

Status ReadLfm2Hf(const HfConfig& config, ModelConfig& model) {
  model.head_norms = HeadNorms::kEachHead;
  BITLOSS_TRY(model.rms_norm_eps, config.GetPositiveOr("norm_eps", 1e-5));
  BITLOSS_TRY(model.conv_kernel, config.GetSizeOr("conv_L_cache", 3, kMaxWidth));
  BITLOSS_TRY(const bool has_bias, config.GetBoolOr("conv_bias", false));
  if (has_bias) {
    return Unsupported("{}: is true; convolutions with a bias are not known",
                       config.Place("conv_bias"));
  }
  BITLOSS_TRY(model.tied_embeddings, config.GetBoolOr("tie_embedding", model.tied_embeddings));
  BITLOSS_DO(ReadWidth(config, model));
  return ReadLfm2Layers(config, model);
}

Status ReadLfm2Gguf(const GgufConfig& config, ModelConfig& model) {
  model.head_norms = HeadNorms::kEachHead;
  BITLOSS_TRY(model.conv_kernel, config.GetSize("shortconv.l_cache", kMaxWidth));
  BITLOSS_TRY(const std::vector<uint64_t> heads,
              config.GetCounts("attention.head_count_kv", model.num_layers, kMaxWidth));
  std::vector<LayerSpec>& layers = LayersOf(model);
  for (size_t i = 0; i < layers.size(); ++i) {
    if (heads[i] == 0) {
      layers[i].mixer = Mixer::kShortConvolution;
    } else if (heads[i] != model.num_kv_heads) {
      return Unsupported("metadata key '{}': layers differ in it",
                         config.Key("attention.head_count_kv"));
    }
  }
  return Ok();
}

}  // namespace

const Architecture& Lfm2() {
  static constexpr std::array<std::string_view, 1> kClasses = {"Lfm2ForCausalLM"};
  static const Architecture architecture = {.name = "lfm2",
                                            .classes = kClasses,
                                            .defaults = {.kv_heads = 8,
                                                         .intermediate = 12288,
                                                         .positions = 128000,
                                                         .theta = 1e6,
                                                         .tied = true},
                                            .read_hf = ReadLfm2Hf,
                                            .hf_names = Lfm2Names(),
                                            .hf_final_norm = "embedding_norm",
                                            .gguf_name = "lfm2",
                                            .read_gguf = ReadLfm2Gguf,
                                            .gguf_names = Lfm2GgufNames(),
                                            .gguf_final_norm = "token_embd_norm"};
  return architecture;
}

}  // namespace bitloss
