#include "bitloss/templates/numbers.h"

#include <charconv>
#include <cstdlib>
#include <limits>

#include "bitloss/templates/text.h"

namespace bitloss::templates {
namespace {

// Digits with single underscores between them, without these; none if it is anything else.
std::optional<std::string> WithoutUnderscores(std::string_view text) {
  std::string digits;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      digits += text[i];
      continue;
    }
    const bool between = i > 0 && i + 1 < text.size() && text[i - 1] != '_' && text[i + 1] != '_';
    if (!between) return std::nullopt;
  }
  return digits;
}

int PrefixBase(std::string_view text) {
  if (text.size() < 3 || text[0] != '0') return 0;
  switch (text[1] | 0x20) {
    case 'x':
      return 16;
    case 'o':
      return 8;
    case 'b':
      return 2;
    default:
      return 0;
  }
}

}  // namespace

std::optional<double> ParseFloat(std::string_view text) {
  const auto plain = WithoutUnderscores(text);
  if (!plain || plain->empty()) return std::nullopt;
  std::string_view rest = *plain;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest.starts_with('-')) return std::nullopt;
  if (rest.find_first_of("pPxX(") != std::string_view::npos) return std::nullopt;
  double value = 0;
  const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (parsed.ptr != rest.data() + rest.size() || rest.empty()) return std::nullopt;
  if (parsed.ec == std::errc::invalid_argument) return std::nullopt;
  // Out of range: strtod says whether that is zero or infinity.
  if (parsed.ec == std::errc::result_out_of_range) value = std::strtod(plain->c_str(), nullptr);
  if (parsed.ec == std::errc::result_out_of_range) return value;
  return negative ? -value : value;
}

Value ParseIntegerLiteral(std::string_view text) {
  const int base = PrefixBase(text);
  std::string_view digits = base == 0 ? text : text.substr(2);
  int64_t value = 0;
  const auto parsed =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base == 0 ? 10 : base);
  if (parsed.ec != std::errc::result_out_of_range) return Value::Int(value);
  if (base != 0) Refuse("an integer past 64 bits: {}", text);
  return Value::BigInt(std::string(digits));
}

std::optional<int64_t> ParseInteger(std::string_view text, int base) {
  text = Strip(text, Side::kBoth);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const int prefix = PrefixBase(text);
  if (prefix != 0 && (base == 0 || base == prefix)) {
    text.remove_prefix(2);
    base = prefix;
  }
  const auto digits = WithoutUnderscores(text);
  if (!digits || digits->empty() || digits->front() == '-') return std::nullopt;
  uint64_t value = 0;
  const char* end = digits->data() + digits->size();
  const auto parsed = std::from_chars(digits->data(), end, value, base == 0 ? 10 : base);
  if (parsed.ptr != end) return std::nullopt;
  constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (parsed.ec == std::errc::result_out_of_range || value > kMax) {
    Refuse("an integer past 64 bits: {}", text);
  }
  return negative ? -static_cast<int64_t>(value) : static_cast<int64_t>(value);
}

int64_t IntegerOf(const Value& value) {
  RequireDefined(value);
  if (value.Is(Kind::kInt) || value.Is(Kind::kBool)) return value.AsInt();
  if (value.Is(Kind::kBigInt)) Refuse("an integer past 64 bits: {}", value.AsText());
  Refuse("'{}' object cannot be interpreted as an integer", TypeName(value));
}

}  // namespace bitloss::templates
