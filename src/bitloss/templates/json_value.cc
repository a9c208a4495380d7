#include "bitloss/templates/json_value.h"

#include <nlohmann/json.hpp>

#include "bitloss/templates/meter.h"

namespace bitloss::templates {
namespace {

// Builds values from the events of a parser.
class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return Add(Value::None()); }
  bool boolean(bool value) override { return Add(Value::Bool(value)); }
  bool number_integer(int64_t value) override { return Add(Value::Int(value)); }
  bool number_unsigned(uint64_t value) override {
    if (value > static_cast<uint64_t>(INT64_MAX)) return Add(Value::BigInt(std::to_string(value)));
    return Add(Value::Int(static_cast<int64_t>(value)));
  }
  bool number_float(double value, const std::string& spelling) override {
    const bool integer = spelling.find_first_of(".eE") == std::string::npos;
    return Add(integer ? Value::BigInt(spelling) : Value::Float(value));
  }
  bool string(std::string& text) override { return Add(Value::String(std::move(text))); }
  bool binary(nlohmann::json::binary_t&) override { return false; }

  bool start_object(size_t) override { return Open(true); }
  bool start_array(size_t) override { return Open(false); }
  bool key(std::string& key) override {
    open_.back().key = std::move(key);
    return true;
  }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::json::exception& error) override {
    const std::string_view what = error.what();
    const size_t number = what.find("out of range");
    error_ = number != std::string_view::npos ? "a number out of range"
                                              : fmt::format("not valid JSON at byte {}", position);
    return false;
  }

  Value result;
  std::string error_;

 private:
  struct Level {
    bool object;
    Dict dict = {};
    std::vector<Value> items = {};
    std::string key = {};
  };

  bool Open(bool object) {
    if (open_.size() >= kMaxValueDepth) {
      error_ = fmt::format("nested more than {} deep", kMaxValueDepth);
      return false;
    }
    open_.push_back({object});
    return true;
  }

  bool Close() {
    Level level = std::move(open_.back());
    open_.pop_back();
    return Add(level.object ? Value::Of(std::move(level.dict))
                            : Value::List(std::move(level.items)));
  }

  bool Add(Value value) {
    if (open_.empty()) {
      result = std::move(value);
    } else if (open_.back().object) {
      open_.back().dict.Set(Value::String(std::move(open_.back().key)), std::move(value));
    } else {
      open_.back().items.push_back(std::move(value));
    }
    return true;
  }

  std::vector<Level> open_;
};

}  // namespace

Result<Value> ParseJsonValue(std::string_view text) {
  Builder builder;
  if (!nlohmann::json::sax_parse(text, &builder)) return BadInput("{}", builder.error_);
  return std::move(builder.result);
}

}  // namespace bitloss::templates
