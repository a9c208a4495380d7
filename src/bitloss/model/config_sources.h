// The two places where a configuration is written, and what is checked of both. Inside the module.
#ifndef BITLOSS_MODEL_CONFIG_SOURCES_H_
#define BITLOSS_MODEL_CONFIG_SOURCES_H_

#include <optional>

#include "bitloss/model/config.h"

namespace bitloss {

Result<ModelConfig> ReadHfConfig(const std::filesystem::path& folder);
Result<std::vector<uint32_t>> ReadHfEosIds(const std::filesystem::path& folder);

Result<ModelConfig> ReadGgufConfig(const Checkpoint& checkpoint);
Result<std::vector<uint32_t>> ReadGgufEosIds(const GgufMetadata& metadata);

// None if the name is not known.
std::optional<Architecture> FindArchitecture(std::string_view name);
// kUnsupported: "architecture 'x' is not known; known: llama, qwen2".
Error UnknownArchitecture(std::string_view name);

// The largest value of each size that is believed; beyond, a file is damaged or hostile.
inline constexpr uint64_t kMaxWidth = uint64_t{1} << 20;
inline constexpr uint64_t kMaxLayers = uint64_t{1} << 12;
inline constexpr uint64_t kMaxVocabulary = uint64_t{1} << 24;
inline constexpr uint64_t kMaxPositions = uint64_t{1} << 31;

}  // namespace bitloss

#endif  // BITLOSS_MODEL_CONFIG_SOURCES_H_
