// A strict reader of a JSON object: each field is asked for by name and type, and what nobody asked
// for is an error, so that a misspelt option cannot be silently ignored. Names that begin with "x-"
// are the writer's own.
#ifndef BITLOSS_DATA_CHECKS_FIELDS_H_
#define BITLOSS_DATA_CHECKS_FIELDS_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"

namespace bitloss {

// Keeps the order of the file, which is the order of categories in a plain map of prompts.
using Json = nlohmann::ordered_json;

// Parses one RFC 8259 document. kBadInput with the byte offset, also for a key that occurs twice in
// one object and for nesting beyond 64 levels.
Result<Json> ParseStrictJson(std::string_view text);

class Fields {
 public:
  // `object` must outlive the reader. kBadInput if it is not an object.
  static Result<Fields> Of(const Json& object, std::string pointer);

  // The field, or null; counts as asked for.
  const Json* Find(std::string_view key);

  // A field of the type; kBadInput if it is missing or of another type.
  Result<std::string> String(std::string_view key);
  Result<double> Number(std::string_view key);
  Result<std::vector<std::string>> Strings(std::string_view key);  // at least one

  // The same, or `otherwise` if it is missing.
  Result<std::string> StringOr(std::string_view key, std::string otherwise);
  Result<double> NumberOr(std::string_view key, double otherwise);
  Result<bool> BoolOr(std::string_view key, bool otherwise);
  Result<std::vector<std::string>> StringsOr(std::string_view key,
                                             std::vector<std::string> otherwise);
  Result<std::optional<uint64_t>> Count(std::string_view key);  // a whole number >= 0, or nothing

  // `value` or `any_of`, whichever is there: the accepted strings.
  Result<std::vector<std::string>> ValueOrAnyOf();

  // An index into `names`; `otherwise` if the field is missing.
  Result<size_t> OneOf(std::string_view key, std::span<const std::string_view> names,
                       size_t otherwise);

  // kBadInput if a field was never asked for.
  Status Finish() const;

  // "<pointer>/<key>: <message>".
  Error Bad(std::string_view key, std::string_view message) const;

  const std::string& pointer() const { return pointer_; }

 private:
  Fields(const Json& object, std::string pointer)
      : object_(&object), pointer_(std::move(pointer)) {}

  const Json* object_;
  std::string pointer_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace bitloss

#endif  // BITLOSS_DATA_CHECKS_FIELDS_H_
