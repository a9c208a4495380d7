#include "bitloss/model/config.h"

#include <algorithm>

#include "bitloss/model/config_readers.h"

namespace bitloss {

Result<ModelConfig> ReadModelConfig(const Checkpoint& checkpoint) {
  return checkpoint.gguf() == nullptr ? ReadHfConfig(checkpoint.path())
                                      : ReadGgufConfig(checkpoint);
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
