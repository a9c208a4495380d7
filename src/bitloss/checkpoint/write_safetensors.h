// Writes safetensors files (safetensors.h says what is in one), alone or as the weights of a folder
// in Hugging Face layout.
#ifndef BITLOSS_CHECKPOINT_WRITE_SAFETENSORS_H_
#define BITLOSS_CHECKPOINT_WRITE_SAFETENSORS_H_

#include <cstdint>
#include <filesystem>
#include <span>

#include "bitloss/base/result.h"
#include "bitloss/checkpoint/safetensors.h"

namespace bitloss {

// The tensors one after the other, in the order given; the header is padded so that they begin at a
// multiple of 8. The file appears whole or not at all. Requires: names differ; the bytes of each
// are what its type and shape make (dtype is not looked at, stored_type is).
Status WriteSafetensors(const std::filesystem::path& path,
                        std::span<const SafetensorsEntry> tensors);

inline constexpr uint64_t kMaxShardBytes = 5'000'000'000;  // as transformers cuts

// A folder's weights: model.safetensors, or, if the tensors have more than max_shard_bytes, shards
// model-00001-of-0000N.safetensors and model.safetensors.index.json. Tensors are sorted by name; a
// shard is closed before the tensor that would make it too large, so only a tensor that is too
// large alone makes a larger shard.
Status WriteWeights(const std::filesystem::path& folder, std::vector<SafetensorsEntry> tensors,
                    uint64_t max_shard_bytes = kMaxShardBytes);

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_WRITE_SAFETENSORS_H_
