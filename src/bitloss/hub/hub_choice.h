// Which files of a repository bitloss reads: those alone are fetched.
#ifndef BITLOSS_HUB_HUB_CHOICE_H_
#define BITLOSS_HUB_HUB_CHOICE_H_

#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"

namespace bitloss {

inline constexpr std::string_view kWeightsFile = "model.safetensors";
inline constexpr std::string_view kIndexFile = "model.safetensors.index.json";

// Configuration, tokenizer and chat templates: what a model's folder has beside its weights.
bool IsSmallModelFile(std::string_view path);

// Whether there are weights for a model's folder among these paths.
bool HoldsSafetensors(const std::vector<std::string>& paths);

// The shards that an index of safetensors names, sorted. kBadInput if it is no such index or names
// something else than a file of its own folder.
Result<std::vector<std::string>> ShardsOf(std::string_view index_json);

// The GGUF file for `quant`, of these paths: one file, or all parts of a split one in order, the
// first to be opened. A path matches if its name has `quant` in it, in any letter case, between
// characters that are neither letters nor digits ("_" counts as a letter behind it: Q4_K is not
// Q4_K_M). Files beside a model (mmproj, imatrix, draft models) are none.
// With an empty `quant` there must be one GGUF model. kNotFound if nothing matches, if more than
// one does, and if a part is missing; the message lists what there is.
Result<std::vector<std::string>> ChooseGguf(const std::vector<std::string>& paths,
                                            std::string_view quant);

// Whether ChooseGguf would look at it.
bool IsGgufModel(std::string_view path);

}  // namespace bitloss

#endif  // BITLOSS_HUB_HUB_CHOICE_H_
