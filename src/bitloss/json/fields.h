// A strict reader of a JSON object: each field is asked for by name and type, and what nobody asked
// for is an error, so that a misspelt option cannot be silently ignored. Names that begin with "x-"
// are the writer's own.
#ifndef BITLOSS_JSON_FIELDS_H_
#define BITLOSS_JSON_FIELDS_H_

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/json/parse.h"

namespace bitloss {

class Fields {
 public:
  // `object` must outlive the reader. kBadInput if it is not an object.
  static Result<Fields> Of(const OrderedJson& object, std::string pointer);

  // The field, or null; counts as asked for.
  const OrderedJson* Find(std::string_view key);

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

  // An index into `names`; `otherwise` if the field is missing.
  Result<size_t> OneOf(std::string_view key, std::span<const std::string_view> names,
                       size_t otherwise);

  // kBadInput if a field was never asked for.
  Status Finish() const;

  // "<pointer>/<key>: <message>".
  Error Bad(std::string_view key, std::string_view message) const;

  const std::string& pointer() const { return pointer_; }

 private:
  Fields(const OrderedJson& object, std::string pointer)
      : object_(&object), pointer_(std::move(pointer)) {}

  const OrderedJson* object_;
  std::string pointer_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace bitloss

#endif  // BITLOSS_JSON_FIELDS_H_
