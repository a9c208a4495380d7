#include <algorithm>
#include <cmath>

#include "bitloss/templates/access.h"
#include "bitloss/templates/methods.h"
#include "bitloss/templates/numbers.h"
#include "bitloss/templates/operators.h"
#include "bitloss/templates/print.h"
#include "bitloss/templates/text.h"

namespace bitloss::templates {
namespace {

// [[fill]align][0][width][.precision][letter]
struct Specification {
  std::string fill = " ";
  char align = 0;
  int64_t width = 0;
  std::string precision = {};
  char letter = 0;
};

Specification ReadSpecification(std::string_view text) {
  Specification spec;
  const std::vector<std::string_view> characters = Characters(text);
  const auto is_align = [](std::string_view c) { return c == "<" || c == ">" || c == "^"; };
  size_t i = 0;
  if (characters.size() > 1 && is_align(characters[1])) {
    spec.fill = characters[0];
    i = 1;
  }
  if (i < characters.size() && is_align(characters[i])) spec.align = characters[i++][0];
  std::string width;
  while (i < characters.size() && IsDigit(characters[i])) width += characters[i++];
  if (width.starts_with('0') && spec.align == 0) {
    spec.fill = "0";
    spec.align = '>';
  }
  if (!width.empty()) spec.width = ParseInteger(width, 10).value_or(0);
  if (i < characters.size() && characters[i] == ".") {
    for (++i; i < characters.size() && IsDigit(characters[i]);) spec.precision += characters[i++];
    if (spec.precision.empty()) Refuse("format specification '{}': no precision", text);
  }
  if (i < characters.size() && std::string_view("sdfx").find(characters[i]) != std::string::npos) {
    spec.letter = characters[i++][0];
  }
  if (i < characters.size()) Refuse("format specification '{}' is not implemented", text);
  return spec;
}

std::string FormatOne(const Value& value, std::string_view text, Meter& meter) {
  if (text.empty()) return Str(value, meter);
  const Specification spec = ReadSpecification(text);
  const bool is_text = value.Is(Kind::kString);
  if (!is_text && !value.IsNumber()) {
    Refuse("a format specification for {} is not implemented", TypeName(value));
  }
  if (is_text != (spec.letter == 's') && spec.letter != 0) {
    Refuse("unknown format code '{}' for an object of type '{}'", spec.letter, TypeName(value));
  }
  if (!spec.precision.empty() && !is_text && spec.letter != 'f') {
    Refuse("format specification '{}' is not implemented", text);
  }
  std::string body;
  if (spec.letter == 0 && spec.precision.empty()) {
    body = Str(value, meter);
  } else {
    const std::string precision = spec.precision.empty() ? "" : "." + spec.precision;
    const char letter = spec.letter == 0 ? 's' : spec.letter;
    body = FormatPercent(Value::String("%" + precision + letter), Value::Tuple({value}), meter)
               .AsText();
  }
  const Align align = spec.align == '<'   ? Align::kLeft
                      : spec.align == '^' ? Align::kCenter
                      : spec.align == '>' ? Align::kRight
                      : is_text           ? Align::kLeft
                                          : Align::kRight;
  const bool zeros = spec.fill == "0" && align == Align::kRight && body.starts_with('-');
  if (!zeros) return Pad(body, spec.width, align, spec.fill, meter);
  return "-" + Pad(body.substr(1), spec.width - 1, align, spec.fill, meter);
}

class Formatter {
 public:
  Formatter(const Value& format, const Arguments& arguments, Meter& meter)
      : source_(format.AsText()), escapes_(format.safe()), arguments_(arguments), meter_(meter) {}

  std::string Run() {
    for (size_t i = 0; i < source_.size();) {
      const char c = source_[i];
      const bool doubled = i + 1 < source_.size() && source_[i + 1] == c;
      if ((c == '{' || c == '}') && doubled) {
        out_ += c;
        i += 2;
      } else if (c == '{') {
        const size_t end = source_.find('}', i);
        if (end == std::string::npos) Refuse("expected '}}' before end of string");
        Field(std::string_view(source_).substr(i + 1, end - i - 1));
        i = end + 1;
      } else if (c == '}') {
        Refuse("Single '}}' encountered in format string");
      } else {
        out_ += c;
        ++i;
      }
      meter_.Grown(out_.size(), charged_);
    }
    return std::move(out_);
  }

 private:
  void Field(std::string_view field) {
    const size_t colon = field.find(':');
    const std::string_view name = field.substr(0, colon);
    if (name.find('!') != std::string_view::npos || field.find('{') != std::string_view::npos) {
      Refuse("format field '{}' is not implemented", field);
    }
    const size_t path = std::min(name.find('.'), name.find('['));
    Value value = Argument(name.substr(0, path));
    if (path < name.size()) value = Follow(std::move(value), name.substr(path));
    const std::string_view spec = colon < field.size() ? field.substr(colon + 1) : "";
    std::string text = FormatOne(value, spec, meter_);
    out_ += escapes_ && !value.safe() ? EscapeMarkup(text) : text;
  }

  Value Argument(std::string_view name) {
    if (name.empty() || IsDigit(name)) {
      const size_t index =
          name.empty() ? next_++ : static_cast<size_t>(ParseInteger(name, 10).value_or(0));
      if (index >= arguments_.positional.size()) {
        Refuse("Replacement index {} out of range for positional args tuple", index);
      }
      return arguments_.positional[index];
    }
    for (const auto& [key, value] : arguments_.named) {
      if (key == name) return value;
    }
    Refuse("format() misses its argument '{}'", name);
  }

  // ".name" and "[key]".
  Value Follow(Value value, std::string_view path) {
    while (!path.empty()) {
      if (path[0] == '.') {
        const size_t end = std::min(path.find_first_of(".[", 1), path.size());
        value = GetAttribute(value, path.substr(1, end - 1), meter_);
        path.remove_prefix(end);
        continue;
      }
      const size_t end = path.find(']');
      if (path[0] != '[' || end == std::string_view::npos) Refuse("Missing ']' in format string");
      const std::string key(path.substr(1, end - 1));
      value = GetItem(
          value, IsDigit(key) ? Value::Int(ParseInteger(key, 10).value_or(0)) : Value::String(key),
          meter_);
      path.remove_prefix(end + 1);
    }
    return value;
  }

  const std::string& source_;
  bool escapes_;
  const Arguments& arguments_;
  Meter& meter_;
  std::string out_;
  size_t charged_ = 0;
  size_t next_ = 0;
};

}  // namespace

Value FormatBraces(const Value& format, const Arguments& arguments, Meter& meter) {
  return Value::StringLike(format, Formatter(format, arguments, meter).Run());
}

std::string Pad(std::string_view text, int64_t width, Align align, std::string_view fill,
                Meter& meter) {
  const auto size = static_cast<int64_t>(NumCodePoints(text));
  const auto missing = static_cast<size_t>(std::max<int64_t>(width - size, 0));
  if (missing > 0) meter.String(missing);
  meter.String(text.size() + missing * fill.size());
  // Python puts the odd blank of an odd width on the left.
  size_t left = align == Align::kLeft ? 0 : missing;
  if (align == Align::kCenter) left = missing / 2 + (missing & static_cast<size_t>(width) & 1);
  std::string padded;
  for (size_t i = 0; i < left; ++i) padded += fill;
  padded += text;
  for (size_t i = left; i < missing; ++i) padded += fill;
  return padded;
}

}  // namespace bitloss::templates
