// JSON from files that are not trusted, read strictly: the one way in which bitloss reads any.
#ifndef BITLOSS_JSON_PARSE_H_
#define BITLOSS_JSON_PARSE_H_

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "bitloss/base/result.h"

namespace bitloss {

using Json = nlohmann::json;                 // objects sorted by key
using OrderedJson = nlohmann::ordered_json;  // objects in the order of the text

// The value of `text`. kBadInput, with the byte offset, if it is not JSON and nothing else (RFC
// 8259, UTF-8), if an object has one key twice (which of the two counts would depend on the
// reader), if a number does not fit its type, or if values nest deeper than kMaxJsonDepth.
Result<Json> ParseJson(std::string_view text);
Result<OrderedJson> ParseOrderedJson(std::string_view text);

inline constexpr size_t kMaxJsonDepth = 100;

// The same for a file; messages begin with its path.
Result<Json> ReadJsonFile(const std::filesystem::path& path);

}  // namespace bitloss

#endif  // BITLOSS_JSON_PARSE_H_
