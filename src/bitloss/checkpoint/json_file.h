// JSON from files that are not trusted, read strictly.
#ifndef BITLOSS_CHECKPOINT_JSON_FILE_H_
#define BITLOSS_CHECKPOINT_JSON_FILE_H_

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

#include "bitloss/base/result.h"

namespace bitloss {

// The value of `text`. kBadInput, with the byte offset, if it is not JSON and nothing else (RFC
// 8259, UTF-8), if an object has one key twice (which of the two counts would depend on the
// reader), if a number does not fit its type, or if values nest deeper than kMaxJsonDepth.
Result<nlohmann::json> ParseJson(std::string_view text);

inline constexpr size_t kMaxJsonDepth = 100;

// The same for a file; messages begin with its path.
Result<nlohmann::json> ReadJsonFile(const std::filesystem::path& path);

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_JSON_FILE_H_
