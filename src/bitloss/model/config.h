// What a model is, apart from its weights and its tokenizer, as a value: sizes, and for every layer
// what it does. Read from a folder's config.json and generation_config.json, or from the metadata
// of a GGUF file; architectures/ has one file for each kind that is known.
#ifndef BITLOSS_MODEL_CONFIG_H_
#define BITLOSS_MODEL_CONFIG_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/checkpoint/checkpoint.h"
#include "bitloss/compute/backend.h"
#include "bitloss/model/rope.h"

namespace bitloss {

// Where a block norms: x + A(n(x)); x + n'(A(n(x))); x + n'(A(x)); or one norm and one sum for
// both parts, x + A(n(x)) + F(n(x)).
enum class NormPlacement { kBefore, kAround, kAfter, kParallel };

// x / rms(x) * w; the same times 1 + w; or of x - mean(x).
enum class NormKind { kRms, kRmsOnePlus, kLayerNorm };

// Whether queries and keys are divided by their RMS: each head by its own, or all together.
enum class HeadNorms { kNone, kEachHead, kWholeWidth };
enum class HeadNormWeight { kOwn, kNone };
enum class HeadNormPlace { kBeforeRope, kAfterRope };

// q at position i times 1 + beta ln(1 + floor((i + offset) / length)).
struct QueryTemperature {
  double beta = 0.0;
  uint64_t length = 1;
  uint64_t offset = 0;
};

// How a token chooses its experts and what they weigh. With r = W h (+ bias): score = softmax(r),
// sigmoid(r) or r; the `chosen` of largest score (+ selection bias) count, ties to the lowest.
struct RouterSpec {
  enum class Score { kSoftmax, kSigmoid, kNone };
  // Of the chosen: their scores as they are, over their sum, softmax of them, or sigmoid of them.
  enum class Weights { kScores, kNormalized, kSoftmax, kSigmoid };
  enum class GroupScore { kLargest, kSumOfTwoLargest };

  Score score = Score::kSoftmax;
  Weights weights = Weights::kScores;
  double scale = 1.0;  // times every weight
  bool has_bias = false;
  bool has_selection_bias = false;
  bool weighs_input = false;  // the weight multiplies what an expert reads, not what it gives
  // It reads x / rms(x) of the residual stream, times a scale of its own and hidden_size^-1/2.
  bool reads_stream = false;
  bool has_expert_scale = false;  // a number for each expert, times its weight
  // Experts in `groups` equal groups, of which the best `groups_kept` are eligible.
  size_t groups = 1;
  size_t groups_kept = 1;
  GroupScore group_score = GroupScore::kLargest;
};

struct ExpertsSpec {
  enum class Shared { kNone, kAdded, kGated };  // kGated: times sigmoid of a row of weights and h

  size_t count = 0;
  size_t chosen = 0;  // of each token
  size_t width = 0;
  Shared shared = Shared::kNone;
  size_t shared_width = 0;
  bool has_bias = false;
  // Not instead of the dense MLP: each reads the stream through a norm of its own, and each gives
  // its part of the sum through another.
  bool beside_mlp = false;
  RouterSpec router;
};

// What every layer is told of a token besides the stream: from a table of the tokens, and from
// their embeddings.
struct PerLayerInputSpec {
  size_t width = 0;       // of one layer
  size_t vocab_size = 0;  // of the table; tokens beyond take its first row
};

// Queries, keys and values through narrow ones in between (DeepSeek's latent attention): every head
// has a part of its own that does not rotate and one that does, which all heads' keys share.
struct LatentSpec {
  size_t query_rank = 0;  // 0: queries are projected at once
  size_t rank = 0;        // of keys and values
  size_t plain_dim = 0;   // of a head, that does not rotate
  size_t rotated_dim = 0;
};

// Several residual streams, of which a block computes one, and a narrow way around attention
// (altup.cc).
struct AltUpSpec {
  size_t streams = 1;
  size_t active = 0;           // the one that is computed
  bool scales_output = false;  // before a layer's own input is added
  size_t laurel_rank = 0;      // of the way around
};

// A gated delta rule behind short convolutions of queries, keys and values.
struct DeltaSpec {
  DeltaShape shape;
  size_t kernel = 0;  // rows that a convolution sees

  size_t key_width() const { return shape.key_heads * shape.key_dim; }
  size_t value_width() const { return shape.value_heads * shape.value_dim; }
  size_t channels() const { return 2 * key_width() + value_width(); }
};

// What mixes the tokens of a sequence.
enum class Mixer { kAttention, kLatentAttention, kDeltaRule, kShortConvolution };

// What one layer does where layers differ.
struct LayerSpec {
  Mixer mixer = Mixer::kAttention;
  size_t window = 0;               // keys that a query sees; 0: all
  size_t chunk = 0;                // positions that see each other; 0: all
  std::optional<size_t> rope = 0;  // of ModelConfig::ropes; none: no rotation
  bool has_experts = false;        // instead of the dense MLP
  size_t mlp_width = 0;            // of the dense MLP; 0: the model's intermediate_size
  size_t head_dim = 0;             // 0: the model's
  size_t num_kv_heads = 0;         // 0: the model's
  // The earlier layer whose keys and values it attends to; none: its own.
  std::optional<size_t> kv_source = {};
  // What the gates of the MLP must be above their mean to count, in standard deviations.
  std::optional<double> gate_cutoff = {};
  bool values_are_keys = false;  // as projected: before norms and rotation
  bool norms_heads = true;       // where the model has head norms
  bool has_temperature = true;   // where the model has one
};

// All sizes are > 0, num_heads is a multiple of num_kv_heads.
struct ModelConfig {
  // For people: the name of the folder (in a hub cache, of the model) or of the GGUF file, whose
  // own general.name is often that of a training run.
  std::string name;
  std::string architecture = "llama";  // as in model_type
  size_t hidden_size = 0;
  size_t intermediate_size = 0;
  size_t num_layers = 0;
  size_t num_heads = 0;
  size_t num_kv_heads = 0;
  size_t head_dim = 0;   // not always hidden_size / num_heads
  size_t value_dim = 0;  // of a head's values; 0: head_dim
  size_t vocab_size = 0;
  size_t max_positions = 0;

  double rms_norm_eps = 0.0;   // of every norm
  double post_norm_eps = 0.0;  // of norms after a part; 0: the same
  NormKind norm_kind = NormKind::kRms;
  NormKind final_norm_kind = NormKind::kRms;
  NormPlacement norm_placement = NormPlacement::kBefore;

  std::vector<RopeConfig> ropes = {RopeConfig{}};
  HeadNorms head_norms = HeadNorms::kNone;
  HeadNormWeight head_norm_weight = HeadNormWeight::kOwn;
  HeadNormPlace head_norm_place = HeadNormPlace::kBeforeRope;
  bool norms_values = false;     // each head, without a weight
  double query_scale = 1.0;      // times q, on top of the scale of scores
  double attention_scale = 0.0;  // of scores; 0: 1 / sqrt(head_dim)
  double attention_softcap = 0.0;
  bool has_sinks = false;
  bool has_output_gate = false;  // heads times sigmoid of a projection of the attention's input
  bool gates_heads = false;      // the same, where that projection is a linear like queries'
  std::optional<LatentSpec> latent;
  std::optional<DeltaSpec> delta;
  size_t conv_kernel = 0;  // of short convolutions
  std::optional<QueryTemperature> temperature;

  GatedUnit activation;
  std::optional<ExpertsSpec> experts;

  double embedding_scale = 1.0;
  bool norms_embedding = false;  // rows divided by their RMS
  double residual_scale = 1.0;   // of what a part adds
  bool scales_layers = false;    // what leaves a block, by a number of its own
  std::optional<PerLayerInputSpec> per_layer_input;
  std::optional<AltUpSpec> altup;
  double logit_scale = 1.0;
  double logit_softcap = 0.0;

  bool tied_embeddings = false;  // the head is the embedding
  bool qkv_bias = false;
  bool output_bias = false;  // of the attention's output projection
  bool mlp_bias = false;

  std::vector<LayerSpec> layers = {};  // empty: every layer is LayerSpec{}

  LayerSpec layer(size_t i) const { return layers.empty() ? LayerSpec{} : layers[i]; }
  size_t head_dim_of(size_t i) const {
    const size_t own = layer(i).head_dim;
    return own > 0 ? own : head_dim;
  }
  size_t value_dim_of(size_t i) const { return value_dim > 0 ? value_dim : head_dim_of(i); }
  size_t kv_heads_of(size_t i) const {
    const size_t own = layer(i).num_kv_heads;
    return own > 0 ? own : num_kv_heads;
  }
  // Elements of a token's queries, keys, values and what comes out of attention, in a layer.
  size_t query_width(size_t i) const { return num_heads * head_dim_of(i); }
  size_t key_width(size_t i) const { return kv_heads_of(i) * head_dim_of(i); }
  size_t value_width(size_t i) const { return kv_heads_of(i) * value_dim_of(i); }
  size_t heads_width(size_t i) const { return num_heads * value_dim_of(i); }
  size_t mlp_width(size_t i) const {
    const size_t own = layer(i).mlp_width;
    return own > 0 ? own : intermediate_size;
  }
  // The largest that `of_layer` is in any layer.
  size_t Largest(size_t (ModelConfig::*of_layer)(size_t) const) const {
    size_t largest = 0;
    for (size_t i = 0; i < (layers.empty() ? 1 : layers.size()); ++i) {
      largest = std::max(largest, (this->*of_layer)(i));
    }
    return largest;
  }
  bool has_gates() const { return activation.gating != Gating::kReluSquared; }
};

// Reads and checks. Errors name the file and the JSON pointer or metadata key.
//
// kUnsupported: an architecture that is not known, with the nearest that are; a value of a key that
// would change the numbers and is not understood. kBadInput: a value that is missing, of the wrong
// type, zero, absurdly large, or in contradiction to another.
Result<ModelConfig> ReadModelConfig(const Checkpoint& checkpoint);

struct GenerationConfig {
  // Every id that ends an answer; sorted, without repeats; empty if the model names none.
  std::vector<uint32_t> eos_ids;
};

// Folder: eos_token_id (one id or a list) of generation_config.json, or of config.json if that file
// or that key is not there. GGUF: the end-of-sequence and end-of-turn ids of the tokenizer. Ids are
// below config.vocab_size.
Result<GenerationConfig> ReadGenerationConfig(const Checkpoint& checkpoint,
                                              const ModelConfig& config);

}  // namespace bitloss

#endif  // BITLOSS_MODEL_CONFIG_H_
