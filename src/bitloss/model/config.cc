#include "bitloss/model/config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "bitloss/model/config_sources.h"

namespace bitloss {
namespace {

struct NamedArchitecture {
  std::string_view name;  // as in model_type and general.architecture
  Architecture architecture;
};
constexpr std::array kArchitectures = {
    NamedArchitecture{"llama", Architecture::kLlama},
    NamedArchitecture{"qwen2", Architecture::kQwen2},
};

// transformers' llama3 rule (modeling_rope_utils.py), for one frequency.
double Scaled(const Llama3RopeScaling& scaling, double frequency) {
  const double wavelength = 2.0 * std::numbers::pi / frequency;
  const auto original = static_cast<double>(scaling.original_max_positions);
  if (wavelength < original / scaling.high_freq_factor) return frequency;
  if (wavelength > original / scaling.low_freq_factor) return frequency / scaling.factor;
  const double smooth = (original / wavelength - scaling.low_freq_factor) /
                        (scaling.high_freq_factor - scaling.low_freq_factor);
  return (1.0 - smooth) * frequency / scaling.factor + smooth * frequency;
}

struct ScaleFrequency {
  double frequency;
  size_t i;

  double operator()(const NoRopeScaling&) const { return frequency; }
  double operator()(const LinearRopeScaling& scaling) const { return frequency / scaling.factor; }
  double operator()(const Llama3RopeScaling& scaling) const { return Scaled(scaling, frequency); }
  double operator()(const FactorsRopeScaling& scaling) const {
    return frequency / double{scaling.factors[i]};
  }
};

}  // namespace

std::string_view Name(Architecture architecture) {
  for (const NamedArchitecture& known : kArchitectures) {
    if (known.architecture == architecture) return known.name;
  }
  return "?";
}

std::optional<Architecture> FindArchitecture(std::string_view name) {
  for (const NamedArchitecture& known : kArchitectures) {
    if (known.name == name) return known.architecture;
  }
  return std::nullopt;
}

Error UnknownArchitecture(std::string_view name) {
  std::vector<std::string_view> names;
  for (const NamedArchitecture& known : kArchitectures) names.push_back(known.name);
  return Unsupported("architecture '{}' is not known; known: {}", name, fmt::join(names, ", "));
}

Result<ModelConfig> ReadModelConfig(const Checkpoint& checkpoint) {
  return checkpoint.gguf() == nullptr ? ReadHfConfig(checkpoint.path())
                                      : ReadGgufConfig(checkpoint);
}

std::vector<double> RopeInverseFrequencies(const ModelConfig& config) {
  std::vector<double> frequencies(config.head_dim / 2);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(config.head_dim);
    const double plain = std::pow(config.rope.theta, exponent);
    frequencies[i] = std::visit(ScaleFrequency{plain, i}, config.rope.scaling);
  }
  return frequencies;
}

Result<GenerationConfig> ReadGenerationConfig(const Checkpoint& checkpoint,
                                              const ModelConfig& config) {
  GenerationConfig generation;
  BITLOSS_TRY(generation.eos_ids, checkpoint.gguf() == nullptr
                                      ? ReadHfEosIds(checkpoint.path())
                                      : ReadGgufEosIds(checkpoint.gguf()->metadata()));
  std::vector<uint32_t>& ids = generation.eos_ids;
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  if (!ids.empty() && ids.back() >= config.vocab_size) {
    return BadInput("{}: end-of-sequence id {} is not in the vocabulary of {}",
                    checkpoint.path().string(), ids.back(), config.vocab_size);
  }
  return generation;
}

}  // namespace bitloss
