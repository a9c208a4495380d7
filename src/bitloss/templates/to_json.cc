#include <algorithm>
#include <cmath>

#include "bitloss/templates/compare.h"
#include "bitloss/templates/print.h"
#include "bitloss/templates/text.h"

namespace bitloss::templates {
namespace {

void AppendEscaped(char32_t c, std::string& out) {
  if (c >= 0x10000) {
    AppendEscaped(0xD800 + ((c - 0x10000) >> 10), out);
    AppendEscaped(0xDC00 + ((c - 0x10000) & 0x3FF), out);
  } else {
    out += fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
  }
}

void AppendString(std::string_view text, bool ensure_ascii, std::string& out) {
  constexpr std::string_view kSpecial = "\"\\\n\r\t\b\f";
  constexpr std::string_view kLetters = "\"\\nrtbf";
  out += '"';
  for (const std::string_view character : Characters(text)) {
    const char32_t c = CodePoint(character);
    const size_t special = character.size() == 1 ? kSpecial.find(character[0]) : kSpecial.npos;
    if (special != kSpecial.npos) {
      out += '\\';
      out += kLetters[special];
    } else if (c < 0x20 || (ensure_ascii && c > '~')) {
      AppendEscaped(c, out);
    } else {
      out += character;
    }
  }
  out += '"';
}

std::string JsonFloat(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return FloatText(value);
}

class JsonPrinter {
 public:
  JsonPrinter(const JsonOptions& options, Meter& meter) : options_(options), meter_(meter) {}

  void Print(const Value& value) {
    meter_.Step();
    switch (value.kind()) {
      case Kind::kString:
        AppendString(value.AsText(), options_.ensure_ascii, out_);
        break;
      case Kind::kList:
      case Kind::kTuple:
        Array(value.Items());
        break;
      case Kind::kDict:
        Object(value.AsDict());
        break;
      default:
        out_ += Scalar(value);
    }
    meter_.Grown(out_.size(), charged_);
  }

  std::string Take() { return std::move(out_); }

 private:
  static std::string Scalar(const Value& value) {
    switch (value.kind()) {
      case Kind::kNone:
        return "null";
      case Kind::kBool:
        return value.AsBool() ? "true" : "false";
      case Kind::kInt:
        return std::to_string(value.AsInt());
      case Kind::kBigInt:
        return value.AsText();
      case Kind::kFloat:
        return JsonFloat(value.AsFloat());
      default:
        Refuse("Object of type {} is not JSON serializable", TypeName(value));
    }
  }

  void NewLine() {
    if (!options_.indent) return;
    out_ += '\n';
    for (size_t i = 0; i < level_; ++i) {
      out_ += *options_.indent;
      meter_.Grown(out_.size(), charged_);
    }
  }

  void Array(const std::vector<Value>& items) {
    out_ += '[';
    ++level_;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += options_.item_separator;
      NewLine();
      Print(items[i]);
    }
    --level_;
    if (!items.empty()) NewLine();
    out_ += ']';
  }

  void Object(const Dict& dict) {
    std::vector<Dict::Item> items = dict.items();
    meter_.Items(items.size());
    if (options_.sort_keys) {
      std::stable_sort(items.begin(), items.end(), [&](const auto& a, const auto& b) {
        return Less(a.first, b.first, meter_);
      });
    }
    out_ += '{';
    ++level_;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += options_.item_separator;
      NewLine();
      Key(items[i].first);
      out_ += options_.key_separator;
      Print(items[i].second);
    }
    --level_;
    if (!items.empty()) NewLine();
    out_ += '}';
  }

  void Key(const Value& key) {
    if (key.Is(Kind::kTuple) || key.Is(Kind::kUndefined)) {
      Refuse("keys must be str, int, float, bool or None, not {}", TypeName(key));
    }
    AppendString(key.Is(Kind::kString) ? key.AsText() : Scalar(key), options_.ensure_ascii, out_);
  }

  const JsonOptions& options_;
  Meter& meter_;
  std::string out_;
  size_t charged_ = 0;
  size_t level_ = 0;
};

}  // namespace

std::string ToJson(const Value& value, const JsonOptions& options, Meter& meter) {
  JsonPrinter printer(options, meter);
  printer.Print(value);
  return printer.Take();
}

}  // namespace bitloss::templates
