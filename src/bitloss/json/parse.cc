#include "bitloss/json/parse.h"

#include <nlohmann/json.hpp>

#include "bitloss/base/file.h"
#include "bitloss/json/strict_builder.h"

namespace bitloss {

Result<Json> ParseJson(std::string_view text) {
  StrictBuilder<Json> builder;
  return StrictBuilder<Json>::Parse(text, builder);
}

Result<OrderedJson> ParseOrderedJson(std::string_view text) {
  StrictBuilder<OrderedJson> builder;
  return StrictBuilder<OrderedJson>::Parse(text, builder);
}

Result<Json> ReadJsonFile(const std::filesystem::path& path) {
  constexpr size_t kMaxBytes = size_t{1} << 28;  // the largest tokenizer.json has some 30 MB
  BITLOSS_TRY(const std::string text, ReadFile(path, kMaxBytes));
  auto value = ParseJson(text);
  if (!value.ok()) return Within(path.string(), value.error());
  return value;
}

}  // namespace bitloss
