// A folder in Hugging Face layout as a Checkpoint. Inside the module: callers want
// Checkpoint::Open.
#ifndef BITLOSS_CHECKPOINT_HF_CHECKPOINT_H_
#define BITLOSS_CHECKPOINT_HF_CHECKPOINT_H_

#include "bitloss/checkpoint/checkpoint.h"

namespace bitloss {

// model.safetensors if it is there, else the shards of model.safetensors.index.json. The index
// decides which tensors there are: one that it names must lie in the shard that it names; one that
// it does not name is not seen. Shards are plain file names in the folder itself.
Result<std::unique_ptr<Checkpoint>> OpenHfCheckpoint(const std::filesystem::path& folder);

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_HF_CHECKPOINT_H_
