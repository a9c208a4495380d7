// The fields of a JSON object, with errors that name the place, and no field overlooked.
#ifndef BITLOSS_TOKENIZER_JSON_FIELDS_H_
#define BITLOSS_TOKENIZER_JSON_FIELDS_H_

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "bitloss/base/result.h"

namespace bitloss {

// A view: the JSON value must outlive it. All errors are kBadInput unless said otherwise.
class JsonFields {
 public:
  // `where` is how errors call the object: "pre_tokenizer.pretokenizers[0]". Fails if `value` is no
  // object.
  static Result<JsonFields> Of(const nlohmann::json& value, std::string where);

  const std::string& where() const { return where_; }
  std::string PathOf(std::string_view key) const;

  // Null if the field is not there or null.
  const nlohmann::json* Find(std::string_view key) const;
  Result<const nlohmann::json*> Get(std::string_view key) const;

  Result<std::string> String(std::string_view key) const;
  Result<std::string> String(std::string_view key, std::string fallback) const;
  Result<bool> Bool(std::string_view key) const;
  Result<bool> Bool(std::string_view key, bool fallback) const;
  // 0 to 2^53.
  Result<uint64_t> Count(std::string_view key) const;
  Result<const nlohmann::json*> Array(std::string_view key) const;

  // kUnsupported, naming the field, if there is one outside `known` that is not null.
  Status Only(std::initializer_list<std::string_view> known) const;

 private:
  JsonFields(const nlohmann::json& object, std::string where)
      : object_(&object), where_(std::move(where)) {}

  const nlohmann::json* object_;
  std::string where_;
};

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_JSON_FIELDS_H_
