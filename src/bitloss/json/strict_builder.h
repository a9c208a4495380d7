// What stands behind json/parse.h, for readers that take a part of a text another way than as a
// value.
#ifndef BITLOSS_JSON_STRICT_BUILDER_H_
#define BITLOSS_JSON_STRICT_BUILDER_H_

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/json/parse.h"

namespace bitloss {

// Builds the value while nlohmann's parser reads; returning false stops it.
template <class Value>
class StrictBuilder : public nlohmann::json_sax<Value> {
 public:
  using Text = typename Value::string_t;

  bool null() override { return Add(nullptr); }
  bool boolean(bool value) override { return Add(value); }
  bool number_integer(typename Value::number_integer_t value) override { return Add(value); }
  bool number_unsigned(typename Value::number_unsigned_t value) override { return Add(value); }
  bool number_float(typename Value::number_float_t value, const Text&) override {
    return Add(value);
  }
  bool string(Text& value) override { return Add(std::move(value)); }
  bool binary(typename Value::binary_t&) override { return false; }  // not in JSON text
  bool start_object(size_t) override { return Open(Value::object()); }
  bool start_array(size_t) override { return Open(Value::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }

  bool key(Text& name) override {
    const auto [member, is_new] = open_.back()->emplace(name, nullptr);
    if (!is_new) return Fail(BadInput("key {} appears twice", Value(name).dump()));
    member_ = &*member;
    if (open_.size() == 1) outermost_key_ = name;
    innermost_key_ = name;
    return true;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return Fail(BadInput("not valid JSON at byte {}", position == 0 ? 0 : position - 1));
  }

  // The whole of `text`, by `builder` or what derives from it.
  static Result<Value> Parse(std::string_view text, StrictBuilder& builder) {
    // The parser takes a zero byte for the end and would not look at what follows.
    if (const size_t zero = text.find('\0'); zero != text.npos) {
      return BadInput("not valid JSON at byte {}", zero);
    }
    if (!Value::sax_parse(text, &builder)) {
      return builder.error_.value_or(BadInput("not valid JSON"));
    }
    return std::move(builder.root_);
  }

 protected:
  bool Fail(Error error) {
    error_ = std::move(error);
    return false;
  }

  // Whether what comes next is the value of `key` in the object that is the value of `outer` in the
  // outermost one.
  bool IsAt(std::string_view outer, std::string_view key) const {
    return open_.size() == 2 && open_[1]->is_object() && outermost_key_ == outer &&
           innermost_key_ == key;
  }

 private:
  // The place of the next value: the root, an array's end, or the member whose key came last.
  template <class T>
  Value* Place(T&& value) {
    if (open_.empty()) {
      root_ = std::forward<T>(value);
      return &root_;
    }
    if (open_.back()->is_array()) {
      open_.back()->push_back(std::forward<T>(value));
      return &open_.back()->back();
    }
    *member_ = std::forward<T>(value);
    return member_;
  }

  template <class T>
  bool Add(T&& value) {
    Place(std::forward<T>(value));
    return true;
  }

  bool Open(Value empty) {
    if (open_.size() == kMaxJsonDepth) {
      return Fail(BadInput("values nest deeper than {}", kMaxJsonDepth));
    }
    open_.push_back(Place(std::move(empty)));
    return true;
  }

  bool Close() {
    open_.pop_back();
    return true;
  }

  Value root_;
  std::vector<Value*> open_;  // stable: a parent does not grow while its child is open
  Value* member_ = nullptr;
  Text outermost_key_;
  Text innermost_key_;
  std::optional<Error> error_;
};

}  // namespace bitloss

#endif  // BITLOSS_JSON_STRICT_BUILDER_H_
