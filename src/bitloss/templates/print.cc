#include "bitloss/templates/print.h"

#include <charconv>
#include <cmath>

#include "bitloss/templates/ast.h"
#include "bitloss/templates/text.h"

namespace bitloss::templates {
namespace {

void AppendQuoted(std::string_view text, std::string& out) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const bool has_double = text.find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  out += quote;
  for (const std::string_view character : Characters(text)) {
    const char32_t c = CodePoint(character);
    if (c == static_cast<char32_t>(quote) || c == '\\') {
      out += '\\';
      out += character;
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (IsPrintable(c)) {
      out += character;
    } else if (c < 0x100) {
      out += fmt::format("\\x{:02x}", static_cast<uint32_t>(c));
    } else if (c < 0x10000) {
      out += fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
    } else {
      out += fmt::format("\\U{:08x}", static_cast<uint32_t>(c));
    }
  }
  out += quote;
}

class Printer {
 public:
  explicit Printer(Meter& meter) : meter_(meter) {}

  void Repr(const Value& value) {
    meter_.Step();
    switch (value.kind()) {
      case Kind::kUndefined:
        out_ += "Undefined";
        break;
      case Kind::kString:
        if (value.safe()) out_ += "Markup(";
        AppendQuoted(value.AsText(), out_);
        if (value.safe()) out_ += ")";
        break;
      case Kind::kList:
        Items(value.Items(), "[", "]");
        break;
      case Kind::kTuple:
        Items(value.Items(), "(", value.Items().size() == 1 ? ",)" : ")");
        break;
      case Kind::kDict:
        Mapping(value.AsDict());
        break;
      case Kind::kView:
        PrintView(value.AsView(), TypeName(value));
        break;
      case Kind::kNamespace:
        out_ += "<Namespace ";
        Mapping(value.AsNamespace().attributes);
        out_ += ">";
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
        return "None";
      case Kind::kBool:
        return value.AsBool() ? "True" : "False";
      case Kind::kInt:
        return std::to_string(value.AsInt());
      case Kind::kBigInt:
        return value.AsText();
      case Kind::kFloat:
        return FloatText(value.AsFloat());
      case Kind::kMacro:
        return fmt::format("<Macro '{}'>", value.AsMacro().statement->name);
      case Kind::kRange: {
        const Range& range = value.AsRange();
        if (range.step == 1) return fmt::format("range({}, {})", range.start, range.stop);
        return fmt::format("range({}, {}, {})", range.start, range.stop, range.step);
      }
      default:
        Refuse("a {} has no text of its own: Python prints its address", TypeName(value));
    }
  }

  void Items(const std::vector<Value>& items, std::string_view open, std::string_view close) {
    out_ += open;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += ", ";
      Repr(items[i]);
    }
    out_ += close;
  }

  void Mapping(const Dict& dict) {
    out_ += "{";
    for (size_t i = 0; i < dict.items().size(); ++i) {
      if (i > 0) out_ += ", ";
      Repr(dict.items()[i].first);
      out_ += ": ";
      Repr(dict.items()[i].second);
    }
    out_ += "}";
  }

  void PrintView(const View& view, std::string_view name) {
    out_ += fmt::format("{}([", name);
    bool first = true;
    for (const auto& [key, item] : view.dict.AsDict().items()) {
      if (!first) out_ += ", ";
      first = false;
      if (view.of == View::Of::kItems) out_ += "(";
      if (view.of != View::Of::kValues) Repr(key);
      if (view.of == View::Of::kItems) out_ += ", ";
      if (view.of != View::Of::kKeys) Repr(item);
      if (view.of == View::Of::kItems) out_ += ")";
    }
    out_ += "])";
  }

  Meter& meter_;
  std::string out_;
  size_t charged_ = 0;
};

}  // namespace

std::string FloatText(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char digits[64];
  const double magnitude = std::fabs(value);
  const bool plain = magnitude == 0 || (magnitude >= 1e-4 && magnitude < 1e16);
  const auto end = std::to_chars(digits, digits + sizeof digits, value,
                                 plain ? std::chars_format::fixed : std::chars_format::scientific);
  std::string text(digits, end.ptr);
  if (plain && text.find('.') == std::string::npos) text += ".0";
  return text;
}

std::string Str(const Value& value, Meter& meter) {
  if (value.Is(Kind::kUndefined)) return {};
  if (value.Is(Kind::kString)) {
    meter.String(value.AsText().size());
    return value.AsText();
  }
  return Repr(value, meter);
}

std::string Repr(const Value& value, Meter& meter) {
  Printer printer(meter);
  printer.Repr(value);
  return printer.Take();
}

}  // namespace bitloss::templates
