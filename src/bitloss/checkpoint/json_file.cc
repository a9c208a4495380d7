#include "bitloss/checkpoint/json_file.h"

#include <string>
#include <utility>
#include <vector>

#include "bitloss/base/file.h"

namespace bitloss {
namespace {

using Json = nlohmann::json;

// Builds the value while nlohmann's parser reads; returning false stops it.
class StrictBuilder : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return Add(nullptr); }
  bool boolean(bool value) override { return Add(value); }
  bool number_integer(number_integer_t value) override { return Add(value); }
  bool number_unsigned(number_unsigned_t value) override { return Add(value); }
  bool number_float(number_float_t value, const string_t&) override { return Add(value); }
  bool string(string_t& value) override { return Add(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // not in JSON text
  bool start_object(size_t) override { return Open(Json::object()); }
  bool start_array(size_t) override { return Open(Json::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }

  bool key(string_t& name) override {
    const auto [member, is_new] = open_.back()->emplace(name, nullptr);
    if (!is_new) reason_ = fmt::format("key {} appears twice", Json(name).dump());
    member_ = &*member;
    return is_new;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    reason_ = fmt::format("at byte {}: not valid JSON", position == 0 ? 0 : position - 1);
    return false;
  }

  const std::string& reason() const { return reason_; }
  Json Take() { return std::move(root_); }

 private:
  // The place of the next value: the root, an array's end, or the member whose key came last.
  template <class T>
  Json* Place(T&& value) {
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

  bool Open(Json empty) {
    if (open_.size() == kMaxJsonDepth) {
      reason_ = fmt::format("values nest deeper than {}", kMaxJsonDepth);
      return false;
    }
    open_.push_back(Place(std::move(empty)));
    return true;
  }

  bool Close() {
    open_.pop_back();
    return true;
  }

  Json root_;
  std::vector<Json*> open_;  // stable: a parent does not grow while its child is open
  Json* member_ = nullptr;
  std::string reason_;
};

}  // namespace

Result<Json> ParseJson(std::string_view text) {
  // The parser takes a zero byte for the end and would not look at what follows.
  if (const size_t zero = text.find('\0'); zero != text.npos) {
    return BadInput("at byte {}: not valid JSON", zero);
  }
  StrictBuilder builder;
  if (!Json::sax_parse(text, &builder)) return BadInput("{}", builder.reason());
  return builder.Take();
}

Result<Json> ReadJsonFile(const std::filesystem::path& path) {
  constexpr size_t kMaxBytes = size_t{1} << 28;  // the largest tokenizer.json has some 30 MB
  BITLOSS_TRY(const std::string text, ReadFile(path, kMaxBytes));
  auto value = ParseJson(text);
  if (!value.ok()) return Within(path.string(), value.error());
  return value;
}

}  // namespace bitloss
