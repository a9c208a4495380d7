// What a model is, apart from its weights and its tokenizer: sizes, rotary embedding, biases, and
// where its answers end. Read from a folder's config.json and generation_config.json, or from the
// metadata of a GGUF file.
#ifndef BITLOSS_MODEL_CONFIG_H_
#define BITLOSS_MODEL_CONFIG_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/checkpoint/checkpoint.h"

namespace bitloss {

enum class Architecture { kLlama, kQwen2 };
std::string_view Name(Architecture architecture);  // "llama", "qwen2"

// How the rotary frequencies theta^(-2i/head_dim) are changed to reach longer contexts.
struct NoRopeScaling {};
// All divided by `factor`.
struct LinearRopeScaling {
  double factor = 1.0;
};
// Llama 3.1: those of wavelength (2 pi / frequency) above original / low_freq_factor divided by
// `factor`, those below original / high_freq_factor kept, smoothly in between.
struct Llama3RopeScaling {
  double factor = 1.0;
  double low_freq_factor = 1.0;
  double high_freq_factor = 1.0;
  uint64_t original_max_positions = 0;
};
// Each divided by its own factor: what a GGUF file stores as rope_freqs.weight.
struct FactorsRopeScaling {
  std::vector<float> factors;  // [head_dim / 2], each > 0
};
using RopeScaling =
    std::variant<NoRopeScaling, LinearRopeScaling, Llama3RopeScaling, FactorsRopeScaling>;

struct RopeConfig {
  double theta = 10000.0;
  RopeScaling scaling;
};

// All sizes are > 0, num_heads is a multiple of num_kv_heads, head_dim is even.
struct ModelConfig {
  // For people: the name of the folder (in a hub cache, of the model) or of the GGUF file, whose
  // own general.name is often that of a training run.
  std::string name;
  Architecture architecture = Architecture::kLlama;
  size_t hidden_size = 0;
  size_t intermediate_size = 0;
  size_t num_layers = 0;
  size_t num_heads = 0;
  size_t num_kv_heads = 0;
  size_t head_dim = 0;  // not always hidden_size / num_heads
  size_t vocab_size = 0;
  size_t max_positions = 0;
  double rms_norm_eps = 0.0;
  RopeConfig rope;
  bool tied_embeddings = false;  // the head is the embedding
  bool qkv_bias = false;
  bool output_bias = false;  // of the attention's output projection
  bool mlp_bias = false;
};

// Reads and checks. Errors name the file and the JSON pointer or metadata key.
//
// kUnsupported: an architecture other than those above, by name; an activation other than SiLU; a
// sliding window; rotary scaling of another kind; experts. kBadInput: a value that is missing, of
// the wrong type, zero, absurdly large, or in contradiction to another.
Result<ModelConfig> ReadModelConfig(const Checkpoint& checkpoint);

// The head_dim / 2 frequencies, in radians per position, in double.
std::vector<double> RopeInverseFrequencies(const ModelConfig& config);

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
