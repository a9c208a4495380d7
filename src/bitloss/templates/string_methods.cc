#include "bitloss/templates/string_methods.h"

#include <algorithm>

#include "bitloss/templates/compare.h"
#include "bitloss/templates/text.h"

namespace bitloss::templates {
namespace {

// What a method works on: the string, its arguments, and how it is called in messages.
struct Call {
  const Value& self;
  const Arguments& arguments;
  std::string_view name;
  Meter& meter;

  const std::string& text() const { return self.AsText(); }
  Bound Bind(std::string_view parameters, size_t num_required) const {
    return Bound(name, parameters, num_required, arguments);
  }
  Value Like(std::string text_of_result) const {
    meter.String(text_of_result.size());
    return Value::StringLike(self, std::move(text_of_result));
  }
  // An argument as Markup's methods take it: escaped, unless it is Markup.
  std::string Escaped(const Bound& bound, size_t i) const {
    const std::string& plain = bound.Text(i);
    return self.safe() && !bound[i].safe() ? EscapeMarkup(plain) : plain;
  }
  Value Pieces(const std::vector<std::string_view>& pieces) const {
    meter.Items(pieces.size());
    std::vector<Value> items;
    for (const std::string_view piece : pieces) {
      items.push_back(Value::StringLike(self, std::string(piece)));
    }
    return Value::List(std::move(items));
  }
};

template <std::string (*kChange)(std::string_view)>
Value Changed(const Call& call) {
  call.Bind("", 0);
  return call.Like(kChange(call.text()));
}

template <bool (*kAsk)(std::string_view)>
Value Asked(const Call& call) {
  call.Bind("", 0);
  return Value::Bool(kAsk(call.text()));
}

template <Side kSide>
Value Stripped(const Call& call) {
  const Bound bound = call.Bind("chars", 0);
  const bool white = !bound.Has(0) || bound[0].Is(Kind::kNone);
  return call.Like(
      std::string(white ? Strip(call.text(), kSide) : Strip(call.text(), bound.Text(0), kSide)));
}

template <Side kFrom>
Value Split(const Call& call) {
  const Bound bound = call.Bind("sep maxsplit", 0);
  const int64_t max_splits = bound.Integer(1, -1);
  if (!bound.Has(0) || bound[0].Is(Kind::kNone)) {
    return call.Pieces(SplitSpace(call.text(), max_splits, kFrom));
  }
  if (bound.Text(0).empty()) Refuse("empty separator");
  return call.Pieces(SplitAt(call.text(), bound.Text(0), max_splits, kFrom));
}

Value SplitLines(const Call& call) {
  call.Bind("", 0);
  return call.Pieces(Lines(call.text()));
}

// The part of the text from character `start` to `stop`, as Python's searching methods take them.
std::string_view Window(const Call& call, const Bound& bound) {
  const auto size = static_cast<int64_t>(NumCodePoints(call.text()));
  const auto clip = [&](size_t i, int64_t fallback) {
    int64_t at = bound.Has(i) && !bound[i].Is(Kind::kNone) ? bound.Integer(i, 0) : fallback;
    if (at < 0) at += size;
    return std::clamp<int64_t>(at, 0, size);
  };
  if (!bound.Has(1) && !bound.Has(2)) return call.text();
  const int64_t start = clip(1, 0);
  const int64_t stop = std::max(start, clip(2, size));
  const std::vector<std::string_view> all = Characters(call.text());
  size_t begin = 0;
  for (int64_t i = 0; i < start; ++i) begin += all[static_cast<size_t>(i)].size();
  size_t end = begin;
  for (int64_t i = start; i < stop; ++i) end += all[static_cast<size_t>(i)].size();
  return std::string_view(call.text()).substr(begin, end - begin);
}

template <bool (*kIs)(std::string_view, std::string_view)>
Value HasEnd(const Call& call) {
  const Bound bound = call.Bind("text start end", 1);
  const std::string_view window = Window(call, bound);
  if (!bound[0].Is(Kind::kTuple)) return Value::Bool(kIs(window, bound.Text(0)));
  for (const Value& one : bound[0].Items()) {
    if (!one.Is(Kind::kString)) Refuse("{}() wants strings in its tuple", call.name);
    if (kIs(window, one.AsText())) return Value::Bool(true);
  }
  return Value::Bool(false);
}

bool StartsWith(std::string_view text, std::string_view part) { return text.starts_with(part); }
bool EndsWith(std::string_view text, std::string_view part) { return text.ends_with(part); }

Value Replaced(const Call& call) {
  const Bound bound = call.Bind("old new count", 2);
  const std::string old = call.Escaped(bound, 0);
  const std::string now = call.Escaped(bound, 1);
  const int64_t count = bound.Integer(2, -1);
  call.meter.String(ReplacedSize(call.text(), old, now, count));
  return call.Like(Replace(call.text(), old, now, count));
}

// find, rfind, index, rindex.
Value Found(const Call& call) {
  const Bound bound = call.Bind("text start end", 1);
  const std::string_view window = Window(call, bound);
  const bool last = call.name.starts_with('r');
  const size_t at = last ? window.rfind(bound.Text(0)) : window.find(bound.Text(0));
  if (at == std::string_view::npos) {
    if (call.name.ends_with("index")) Refuse("substring not found");
    return Value::Int(-1);
  }
  const auto skipped = static_cast<size_t>(window.data() - call.text().data()) + at;
  return Value::Int(
      static_cast<int64_t>(NumCodePoints(std::string_view(call.text()).substr(0, skipped))));
}

Value Counted(const Call& call) {
  const Bound bound = call.Bind("text start end", 1);
  return Value::Int(static_cast<int64_t>(Count(Window(call, bound), bound.Text(0))));
}

Value Joined(const Call& call) {
  const Bound bound = call.Bind("iterable", 1);
  std::string text;
  size_t charged = 0;
  const std::vector<Value> items = Iterate(bound[0], call.meter);
  for (size_t i = 0; i < items.size(); ++i) {
    if (!items[i].Is(Kind::kString)) {
      Refuse("sequence item {}: expected str instance, {} found", i, TypeName(items[i]));
    }
    const bool escape = call.self.safe() && !items[i].safe();
    if (i > 0) text += call.text();
    text += escape ? EscapeMarkup(items[i].AsText()) : items[i].AsText();
    call.meter.Grown(text.size(), charged);
  }
  return call.Like(std::move(text));
}

Value Formatted(const Call& call) { return FormatBraces(call.self, call.arguments, call.meter); }

Value PrefixRemoved(const Call& call) {
  const Bound bound = call.Bind("prefix", 1);
  const bool there = call.text().starts_with(bound.Text(0));
  return call.Like(there ? call.text().substr(bound.Text(0).size()) : call.text());
}

Value SuffixRemoved(const Call& call) {
  const Bound bound = call.Bind("suffix", 1);
  const bool there = call.text().ends_with(bound.Text(0));
  const size_t size = call.text().size() - (there ? bound.Text(0).size() : 0);
  return call.Like(call.text().substr(0, size));
}

template <Side kFrom>
Value Partitioned(const Call& call) {
  const std::string separator = call.Bind("sep", 1).Text(0);
  if (separator.empty()) Refuse("empty separator");
  const bool left = kFrom == Side::kLeft;
  const size_t at = left ? call.text().find(separator) : call.text().rfind(separator);
  if (at == std::string::npos) {
    return left ? Value::Tuple({call.self, call.Like(""), call.Like("")})
                : Value::Tuple({call.Like(""), call.Like(""), call.self});
  }
  return Value::Tuple({call.Like(call.text().substr(0, at)), call.Like(separator),
                       call.Like(call.text().substr(at + separator.size()))});
}

template <Align kAlign>
Value Padded(const Call& call) {
  const Bound bound = call.Bind("width fillchar", 1);
  const std::string fill = bound.Has(1) ? bound.Text(1) : " ";
  if (NumCodePoints(fill) != 1) Refuse("the fill character must be one character long");
  return call.Like(Pad(call.text(), bound.Integer(0, 0), kAlign, fill, call.meter));
}

Value ZeroFilled(const Call& call) {
  const Bound bound = call.Bind("width", 1);
  const bool has_sign = call.text().starts_with('-') || call.text().starts_with('+');
  const std::string sign = call.text().substr(0, has_sign ? 1 : 0);
  const int64_t width = bound.Integer(0, 0) - (has_sign ? 1 : 0);
  return call.Like(sign +
                   Pad(call.text().substr(sign.size()), width, Align::kRight, "0", call.meter));
}

Value TabsExpanded(const Call& call) {
  const int64_t size = call.Bind("tabsize", 0).Integer(0, 8);
  std::string text;
  size_t charged = 0;
  size_t column = 0;
  for (const std::string_view character : Characters(call.text())) {
    if (character != "\t") {
      text += character;
      column = character == "\n" || character == "\r" ? 0 : column + 1;
      continue;
    }
    const size_t blanks =
        size > 0 ? static_cast<size_t>(size) - column % static_cast<size_t>(size) : 0;
    call.meter.String(blanks);
    text.append(blanks, ' ');
    call.meter.Grown(text.size(), charged);
    column += blanks;
  }
  return call.Like(std::move(text));
}

struct MethodEntry {
  std::string_view name;
  Value (*call)(const Call&);
};

constexpr MethodEntry kMethods[] = {
    {"split", Split<Side::kLeft>},
    {"rsplit", Split<Side::kRight>},
    {"splitlines", SplitLines},
    {"strip", Stripped<Side::kBoth>},
    {"lstrip", Stripped<Side::kLeft>},
    {"rstrip", Stripped<Side::kRight>},
    {"startswith", HasEnd<StartsWith>},
    {"endswith", HasEnd<EndsWith>},
    {"replace", Replaced},
    {"upper", Changed<Upper>},
    {"lower", Changed<Lower>},
    {"title", Changed<Title>},
    {"capitalize", Changed<Capitalize>},
    {"swapcase", Changed<SwapCase>},
    {"casefold", Changed<CaseFold>},
    {"find", Found},
    {"rfind", Found},
    {"index", Found},
    {"rindex", Found},
    {"count", Counted},
    {"join", Joined},
    {"format", Formatted},
    {"isdigit", Asked<IsDigit>},
    {"isalpha", Asked<IsAlpha>},
    {"isalnum", Asked<IsAlnum>},
    {"isspace", Asked<IsSpaces>},
    {"islower", Asked<IsLower>},
    {"isupper", Asked<IsUpper>},
    {"isascii", Asked<IsAscii>},
    {"removeprefix", PrefixRemoved},
    {"removesuffix", SuffixRemoved},
    {"partition", Partitioned<Side::kLeft>},
    {"rpartition", Partitioned<Side::kRight>},
    {"center", Padded<Align::kCenter>},
    {"ljust", Padded<Align::kLeft>},
    {"rjust", Padded<Align::kRight>},
    {"zfill", ZeroFilled},
    {"expandtabs", TabsExpanded},
};

const MethodEntry* FindMethod(std::string_view name) {
  const auto found = std::find_if(std::begin(kMethods), std::end(kMethods),
                                  [&](const MethodEntry& entry) { return entry.name == name; });
  return found == std::end(kMethods) ? nullptr : found;
}

}  // namespace

bool IsStringMethod(std::string_view name) { return FindMethod(name) != nullptr; }

Value CallStringMethod(const Method& method, const Arguments& arguments, Meter& meter) {
  meter.Step(1 + method.self.AsText().size() / 16);
  return FindMethod(method.name)->call({method.self, arguments, method.name, meter});
}

}  // namespace bitloss::templates
