// A GGUF file as a Checkpoint. Inside the module: callers want Checkpoint::Open.
#ifndef BITLOSS_CHECKPOINT_GGUF_CHECKPOINT_H_
#define BITLOSS_CHECKPOINT_GGUF_CHECKPOINT_H_

#include "bitloss/checkpoint/checkpoint.h"

namespace bitloss {

// kBadInput also if the rows of a reordered tensor are not a multiple of twice its heads, which the
// metadata count.
Result<std::unique_ptr<Checkpoint>> OpenGgufCheckpoint(const std::filesystem::path& path);

// The name under which a GGUF tensor is known here: that of the same tensor in a Llama of Hugging
// Face, "blk.3.attn_q.weight" -> "model.layers.3.self_attn.q_proj.weight". None if it has none:
// then it keeps its own.
std::optional<std::string> HfTensorName(std::string_view gguf_name);
// The inverse.
std::optional<std::string> GgufTensorName(std::string_view hf_name);

// Whether the converter reorders rows of q and k for this general.architecture.
bool HasReorderedHeads(std::string_view architecture);
// The heads whose rows the converter has reordered in this tensor, each as rows 0, n, 1, n + 1, ...
// of its 2n; 0 if it left them alone.
Result<uint64_t> ReorderedHeads(const GgufMetadata& metadata, std::string_view hf_name);

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_GGUF_CHECKPOINT_H_
