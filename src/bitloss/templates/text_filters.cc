// Filters that give texts and numbers.
#include <cmath>

#include "bitloss/templates/filters.h"
#include "bitloss/templates/methods.h"
#include "bitloss/templates/numbers.h"
#include "bitloss/templates/operators.h"
#include "bitloss/templates/print.h"
#include "bitloss/templates/text.h"

namespace bitloss::templates {
namespace {

// The value as text; Markup stays Markup.
Value Soft(const Value& value, Meter& meter) {
  return value.Is(Kind::kString) ? value : Value::String(Str(value, meter));
}

Value Trim(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound bound("trim", "chars", 0, arguments);
  const Value text = Soft(value, meter);
  const bool white = !bound.Has(0) || bound[0].Is(Kind::kNone);
  return Value::StringLike(text,
                           std::string(white ? Strip(text.AsText(), Side::kBoth)
                                             : Strip(text.AsText(), bound.Text(0), Side::kBoth)));
}

template <std::string (*kChange)(std::string_view)>
Value Change(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound none("filter", "", 0, arguments);
  const Value text = Soft(value, meter);
  return Value::StringLike(text, kChange(text.AsText()));
}

// Upper at the start of words, which are cut at white space and -([{<, lower inside.
Value TitleOf(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound none("title", "", 0, arguments);
  const std::string text = Str(value, meter);
  std::string title;
  bool starts = true;
  for (const std::string_view character : Characters(text)) {
    const bool cuts = IsSpace(CodePoint(character)) || character == "-" || character == "(" ||
                      character == "[" || character == "{" || character == "<";
    title += starts && !cuts ? Upper(character) : Lower(character);
    starts = cuts;
  }
  return Value::String(std::move(title));
}

Value ReplaceIn(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound bound("replace", "old new count", 2, arguments);
  const std::string text = Str(value, meter);
  const std::string old = Str(bound[0], meter);
  const std::string now = Str(bound[1], meter);
  const bool all = !bound.Has(2) || bound[2].Is(Kind::kNone);
  const int64_t count = all ? -1 : bound.Integer(2, -1);
  meter.String(ReplacedSize(text, old, now, count));
  return Value::String(Replace(text, old, now, count));
}

Value ToText(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound none("string", "", 0, arguments);
  return Soft(value, meter);
}

Value FromFloat(double number, const Value& fallback) {
  if (!std::isfinite(number)) return fallback;
  if (!(std::fabs(number) < 0x1p63)) Refuse("an integer past 64 bits");
  return Value::Int(static_cast<int64_t>(number));
}

Value ToInt(const Value& value, const Arguments& arguments, Meter&) {
  const Bound bound("int", "default base", 0, arguments);
  RequireDefined(value);
  const Value fallback = bound.Or(0, Value::Int(0));
  if (value.Is(Kind::kInt) || value.Is(Kind::kBool)) return Value::Int(value.AsInt());
  if (value.Is(Kind::kBigInt)) return value;
  if (value.Is(Kind::kFloat)) return FromFloat(value.AsFloat(), fallback);
  if (!value.Is(Kind::kString)) return fallback;
  const int64_t base = bound.Integer(1, 10);
  if (base != 0 && (base < 2 || base > 36)) Refuse("int() base must be >= 2 and <= 36, or 0");
  if (const auto integer = ParseInteger(value.AsText(), static_cast<int>(base))) {
    return Value::Int(*integer);
  }
  const auto number = ParseFloat(Strip(value.AsText(), Side::kBoth));
  return number ? FromFloat(*number, fallback) : fallback;
}

Value ToFloat(const Value& value, const Arguments& arguments, Meter&) {
  const Bound bound("float", "default", 0, arguments);
  RequireDefined(value);
  const Value fallback = bound.Or(0, Value::Float(0));
  if (value.IsNumber()) return Value::Float(value.AsFloat());
  if (!value.Is(Kind::kString) && !value.Is(Kind::kBigInt)) return fallback;
  const auto number = ParseFloat(Strip(value.AsText(), Side::kBoth));
  return number ? Value::Float(*number) : fallback;
}

Value Abs(const Value& value, const Arguments& arguments, Meter&) {
  const Bound none("abs", "", 0, arguments);
  if (!value.IsNumber()) Refuse("bad operand type for abs(): '{}'", TypeName(value));
  if (value.Is(Kind::kFloat)) return Value::Float(std::fabs(value.AsFloat()));
  return value.AsInt() < 0 ? Unary("-", value) : Value::Int(value.AsInt());
}

Value Round(const Value& value, const Arguments& arguments, Meter&) {
  const Bound bound("round", "precision method", 0, arguments);
  RequireDefined(value);
  if (!value.IsNumber()) Refuse("round() wants a number, not {}", TypeName(value));
  const int64_t precision = bound.Integer(0, 0);
  if (precision < 0 || precision > 100) Refuse("round() with a precision of {}", precision);
  const std::string method = bound.Has(1) ? bound.Text(1) : "common";
  if (method == "common") {
    if (!value.Is(Kind::kFloat)) return Value::Int(value.AsInt());
    // Printing rounds the exact value, as Python's round does.
    return Value::Float(ParseFloat(fmt::format("{:.{}f}", value.AsFloat(), precision)).value());
  }
  if (method != "ceil" && method != "floor") Refuse("method must be common, ceil or floor");
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = value.AsFloat() * scale;
  return Value::Float((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Value Indent(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound bound("indent", "width first blank", 0, arguments);
  RequireDefined(value);
  if (!value.Is(Kind::kString)) Refuse("indent() wants a string, not {}", TypeName(value));
  std::string by;
  if (bound.Has(0) && bound[0].Is(Kind::kString)) {
    by = bound.Text(0);
  } else {
    by = Pad("", bound.Integer(0, 4), Align::kLeft, " ", meter);
  }
  const bool blank = bound.Flag(2, false);
  const std::string text = value.AsText() + "\n";
  std::string indented;
  size_t charged = 0;
  bool is_first = true;
  for (const std::string_view line : Lines(text)) {
    if (!is_first) indented += '\n';
    const bool indents = is_first ? bound.Flag(1, false) : blank || !line.empty();
    if (indents) indented += by;
    indented += line;
    meter.Grown(indented.size(), charged);
    is_first = false;
  }
  return Value::StringLike(value, std::move(indented));
}

Value ToJsonText(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound bound("tojson", "ensure_ascii indent separators sort_keys", 0, arguments);
  JsonOptions options;
  options.ensure_ascii = bound.Flag(0, false);
  options.sort_keys = bound.Flag(3, false);
  if (bound.Has(1) && !bound[1].Is(Kind::kNone)) {
    options.item_separator = ",";
    options.indent = bound[1].Is(Kind::kString)
                         ? bound.Text(1)
                         : Pad("", bound.Integer(1, 0), Align::kLeft, " ", meter);
  }
  if (bound.Has(2) && !bound[2].Is(Kind::kNone)) {
    const Value& pair = bound[2];
    if (!pair.IsSequence() || pair.Items().size() != 2 || !pair.Items()[0].Is(Kind::kString) ||
        !pair.Items()[1].Is(Kind::kString)) {
      Refuse("tojson() wants two strings as separators");
    }
    options.item_separator = pair.Items()[0].AsText();
    options.key_separator = pair.Items()[1].AsText();
  }
  return Value::String(ToJson(value, options, meter));
}

Value Safe(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound none("safe", "", 0, arguments);
  return Value::Safe(Str(value, meter));
}

Value Escape(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound none("escape", "", 0, arguments);
  if (value.safe()) return value;
  return Value::Safe(EscapeMarkup(Str(value, meter)));
}

Value ForceEscape(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound none("forceescape", "", 0, arguments);
  return Value::Safe(EscapeMarkup(Str(value, meter)));
}

Value Format(const Value& value, const Arguments& arguments, Meter& meter) {
  const Value text = Soft(value, meter);
  if (!arguments.positional.empty() && !arguments.named.empty()) {
    Refuse("format() takes positional or named arguments, not both");
  }
  if (arguments.named.empty()) {
    return FormatPercent(text, Value::Tuple(arguments.positional), meter);
  }
  Dict named;
  for (const auto& [name, argument] : arguments.named) named.Set(name, argument);
  return FormatPercent(text, Value::Of(std::move(named)), meter);
}

Value Center(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound bound("center", "width", 0, arguments);
  const Value text = Soft(value, meter);
  return Value::StringLike(text,
                           Pad(text.AsText(), bound.Integer(0, 80), Align::kCenter, " ", meter));
}

Value WordCount(const Value& value, const Arguments& arguments, Meter& meter) {
  const Bound none("wordcount", "", 0, arguments);
  const std::string text = Str(value, meter);
  int64_t count = 0;
  bool in_word = false;  // a run of letters, digits and underscores
  for (const std::string_view character : Characters(text)) {
    const bool belongs = character == "_" || IsAlnum(character);
    if (belongs && !in_word) ++count;
    in_word = belongs;
  }
  return Value::Int(count);
}

constexpr Filter kTextFilters[] = {
    {"trim", Trim},
    {"upper", Change<Upper>},
    {"lower", Change<Lower>},
    {"capitalize", Change<Capitalize>},
    {"title", TitleOf},
    {"replace", ReplaceIn},
    {"string", ToText},
    {"int", ToInt},
    {"float", ToFloat},
    {"abs", Abs},
    {"round", Round},
    {"indent", Indent},
    {"tojson", ToJsonText},
    {"safe", Safe},
    {"escape", Escape},
    {"e", Escape},
    {"forceescape", ForceEscape},
    {"format", Format},
    {"center", Center},
    {"wordcount", WordCount},
};

}  // namespace

std::span<const Filter> TextFilters() { return kTextFilters; }

}  // namespace bitloss::templates
