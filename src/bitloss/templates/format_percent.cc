#include <algorithm>
#include <cmath>

#include "bitloss/templates/operators.h"
#include "bitloss/templates/print.h"
#include "bitloss/templates/text.h"

namespace bitloss::templates {
namespace {

// %[(name)][flags][width][.precision]letter
struct Conversion {
  std::optional<std::string> name = {};
  bool left = false;
  bool zeros = false;
  bool plus = false;
  bool blank = false;
  size_t width = 0;
  std::optional<size_t> precision = {};
  char letter = 's';
};

constexpr size_t kMaxPrecision = 100;

class Formatter {
 public:
  Formatter(const Value& format, const Value& values, Meter& meter)
      : source_(format.AsText()), escapes_(format.safe()), values_(values), meter_(meter) {}

  std::string Run() {
    for (size_t i = 0; i < source_.size();) {
      if (source_[i] != '%') {
        out_ += source_[i++];
        continue;
      }
      ++i;
      const Conversion conversion = Read(i);
      if (conversion.letter == '%') {
        out_ += '%';
      } else {
        Append(conversion);
      }
      meter_.Grown(out_.size(), charged_);
    }
    const size_t given = values_.Is(Kind::kTuple) ? values_.Items().size() : 1;
    if (!values_.Is(Kind::kDict) && next_ < given) {
      Refuse("not all arguments converted during string formatting");
    }
    return std::move(out_);
  }

 private:
  size_t Number(size_t& i) {
    size_t number = 0;
    for (; i < source_.size() && source_[i] >= '0' && source_[i] <= '9'; ++i) {
      number =
          std::min<size_t>(number * 10 + static_cast<size_t>(source_[i] - '0'), size_t{1} << 40);
    }
    return number;
  }

  Conversion Read(size_t& i) {
    Conversion conversion;
    if (i < source_.size() && source_[i] == '(') {
      const size_t end = source_.find(')', i);
      if (end == std::string::npos) Refuse("incomplete format key");
      conversion.name = source_.substr(i + 1, end - i - 1);
      i = end + 1;
    }
    for (; i < source_.size(); ++i) {
      if (source_[i] == '-') {
        conversion.left = true;
      } else if (source_[i] == '0') {
        conversion.zeros = true;
      } else if (source_[i] == '+') {
        conversion.plus = true;
      } else if (source_[i] == ' ') {
        conversion.blank = true;
      } else {
        break;
      }
    }
    conversion.width = Number(i);
    if (i < source_.size() && source_[i] == '.') conversion.precision = Number(++i);
    if (i >= source_.size()) Refuse("incomplete format");
    conversion.letter = source_[i++];
    return conversion;
  }

  Value Next(const Conversion& conversion) {
    if (conversion.name) {
      if (!values_.Is(Kind::kDict)) Refuse("format requires a mapping");
      const Value* value = values_.AsDict().Find(*conversion.name);
      if (value == nullptr) Refuse("the format's key '{}' is not there", *conversion.name);
      return *value;
    }
    const bool tuple = values_.Is(Kind::kTuple);
    if (next_ >= (tuple ? values_.Items().size() : 1)) {
      Refuse("not enough arguments for format string");
    }
    return tuple ? values_.Items()[next_++] : (++next_, values_);
  }

  void Append(const Conversion& conversion) {
    const Value value = Next(conversion);
    std::string text;
    std::string sign;
    switch (conversion.letter) {
      case 's':
      case 'r':
        text = conversion.letter == 's' ? Str(value, meter_) : Repr(value, meter_);
        if (escapes_ && !value.safe()) text = EscapeMarkup(text);
        if (conversion.precision) text = FirstCharacters(text, *conversion.precision);
        break;
      case 'd':
      case 'i':
      case 'f':
      case 'x':
        text = Numeral(conversion, value, sign);
        break;
      default:
        Refuse("format conversion '%{}' is not implemented", conversion.letter);
    }
    Pad(conversion, sign, text);
  }

  static std::string FirstCharacters(const std::string& text, size_t count) {
    std::string first;
    for (const std::string_view character : Characters(text)) {
      if (count-- == 0) break;
      first += character;
    }
    return first;
  }

  static std::string Numeral(const Conversion& conversion, const Value& value, std::string& sign) {
    RequireDefined(value);
    if (!value.IsNumber() || (conversion.letter == 'x' && value.Is(Kind::kFloat))) {
      Refuse("%{} format: a real number is required, not {}", conversion.letter, TypeName(value));
    }
    const bool negative = value.AsFloat() < 0;
    sign = negative ? "-" : conversion.plus ? "+" : conversion.blank ? " " : "";
    if (conversion.letter == 'f') {
      const size_t precision = conversion.precision.value_or(6);
      if (precision > kMaxPrecision) Refuse("a precision of more than {}", kMaxPrecision);
      return fmt::format("{:.{}f}", std::fabs(value.AsFloat()), precision);
    }
    const double whole = std::trunc(value.AsFloat());
    if (!(std::fabs(whole) < 0x1p63)) Refuse("an integer past 64 bits");
    const int64_t integer = value.Is(Kind::kFloat) ? static_cast<int64_t>(whole) : value.AsInt();
    const auto magnitude =
        negative ? -static_cast<uint64_t>(integer) : static_cast<uint64_t>(integer);
    return conversion.letter == 'x' ? fmt::format("{:x}", magnitude) : std::to_string(magnitude);
  }

  void Pad(const Conversion& conversion, const std::string& sign, const std::string& text) {
    const size_t size = sign.size() + NumCodePoints(text);
    const size_t missing = conversion.width > size ? conversion.width - size : 0;
    meter_.String(missing + text.size());
    const bool zeros = conversion.zeros && !conversion.left && conversion.letter != 's' &&
                       conversion.letter != 'r';
    if (!conversion.left && !zeros) out_.append(missing, ' ');
    out_ += sign;
    if (zeros) out_.append(missing, '0');
    out_ += text;
    if (conversion.left) out_.append(missing, ' ');
  }

  const std::string& source_;
  bool escapes_;
  const Value& values_;
  Meter& meter_;
  std::string out_;
  size_t charged_ = 0;
  size_t next_ = 0;
};

}  // namespace

Value FormatPercent(const Value& format, const Value& values, Meter& meter) {
  meter.String(format.AsText().size());
  return Value::StringLike(format, Formatter(format, values, meter).Run());
}

}  // namespace bitloss::templates
