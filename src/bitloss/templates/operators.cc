#include "bitloss/templates/operators.h"

#include <cmath>
#include <limits>

#include "bitloss/templates/print.h"
#include "bitloss/templates/text.h"

namespace bitloss::templates {
namespace {

[[noreturn]] void Overflow(std::string_view sign) {
  Refuse("the result of '{}' is an integer past 64 bits", sign);
}

bool IsText(const Value& value) { return value.Is(Kind::kString); }
bool IsInteger(const Value& value) { return value.Is(Kind::kInt) || value.Is(Kind::kBool); }

[[noreturn]] void RefuseTypes(std::string_view sign, const Value& a, const Value& b) {
  for (const Value& value : {a, b}) {
    if (value.Is(Kind::kBigInt)) Refuse("'{}' of an integer past 64 bits", sign);
  }
  if (sign == "+" && (IsText(a) || a.IsSequence())) {
    Refuse("can only concatenate {} (not \"{}\") to {}", TypeName(a), TypeName(b), TypeName(a));
  }
  Refuse("unsupported operand type(s) for {}: '{}' and '{}'", sign == "**" ? "** or pow()" : sign,
         TypeName(a), TypeName(b));
}

// With Markup on one side, the other is escaped.
Value JoinTexts(const Value& a, const Value& b, Meter& meter) {
  meter.String(a.AsText().size() + b.AsText().size());
  if (a.safe() == b.safe()) return Value::StringLike(a, a.AsText() + b.AsText());
  const std::string left = a.safe() ? a.AsText() : EscapeMarkup(a.AsText());
  const std::string right = b.safe() ? b.AsText() : EscapeMarkup(b.AsText());
  meter.String(left.size() + right.size());
  return Value::Safe(left + right);
}

Value JoinItems(const Value& a, const Value& b, Meter& meter) {
  std::vector<Value> items = a.Items();
  meter.Items(items.size() + b.Items().size());
  items.insert(items.end(), b.Items().begin(), b.Items().end());
  return a.Is(Kind::kList) ? Value::List(std::move(items)) : Value::Tuple(std::move(items));
}

Value Repeat(const Value& value, int64_t count, Meter& meter) {
  const auto times = static_cast<size_t>(std::max<int64_t>(count, 0));
  if (IsText(value)) {
    const std::string& text = value.AsText();
    if (!text.empty() && times > std::numeric_limits<size_t>::max() / 2 / text.size()) {
      meter.String(std::numeric_limits<size_t>::max());
    }
    meter.String(text.size() * times);
    std::string repeated;
    for (size_t i = 0; i < times && !text.empty(); ++i) repeated += text;
    return Value::StringLike(value, std::move(repeated));
  }
  const std::vector<Value>& items = value.Items();
  meter.Items(items.empty() ? 0 : times > kMaxItems ? kMaxItems + 1 : items.size() * times);
  std::vector<Value> repeated;
  for (size_t i = 0; i < times && !items.empty(); ++i) {
    repeated.insert(repeated.end(), items.begin(), items.end());
  }
  return value.Is(Kind::kList) ? Value::List(std::move(repeated))
                               : Value::Tuple(std::move(repeated));
}

int64_t FloorDivide(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

Value Power(const Value& a, const Value& b) {
  if (b.AsInt() < 0) {
    if (a.AsInt() == 0) Refuse("0.0 cannot be raised to a negative power");
    return Value::Float(std::pow(a.AsFloat(), b.AsFloat()));
  }
  int64_t power = 1;
  if (a.AsInt() == 0 || a.AsInt() == 1) return Value::Int(b.AsInt() == 0 ? 1 : a.AsInt());
  if (a.AsInt() == -1) return Value::Int(b.AsInt() % 2 == 0 ? 1 : -1);
  for (int64_t i = 0; i < b.AsInt(); ++i) {  // overflows after 63 rounds at most
    if (__builtin_mul_overflow(power, a.AsInt(), &power)) Overflow("**");
  }
  return Value::Int(power);
}

Value Integers(std::string_view sign, const Value& left, const Value& right) {
  const int64_t a = left.AsInt();
  const int64_t b = right.AsInt();
  int64_t result = 0;
  if (sign == "+" || sign == "-" || sign == "*") {
    const bool overflow = sign == "+"   ? __builtin_add_overflow(a, b, &result)
                          : sign == "-" ? __builtin_sub_overflow(a, b, &result)
                                        : __builtin_mul_overflow(a, b, &result);
    if (overflow) Overflow(sign);
    return Value::Int(result);
  }
  if (sign == "**") return Power(left, right);
  if (b == 0) {
    Refuse("{}", sign == "/" ? "division by zero" : "integer division or modulo by zero");
  }
  if (sign == "/") return Value::Float(static_cast<double>(a) / static_cast<double>(b));
  if (b == -1) return sign == "%" ? Value::Int(0) : Integers("-", Value::Int(0), left);
  const int64_t quotient = FloorDivide(a, b);
  return Value::Int(sign == "//" ? quotient : a - quotient * b);
}

Value Floats(std::string_view sign, double a, double b) {
  if (sign == "+") return Value::Float(a + b);
  if (sign == "-") return Value::Float(a - b);
  if (sign == "*") return Value::Float(a * b);
  if (sign == "**") {
    if (a == 0 && b < 0) Refuse("0.0 cannot be raised to a negative power");
    if (a < 0 && std::trunc(b) != b) Refuse("a root of a negative number");
    return Value::Float(std::pow(a, b));
  }
  if (b == 0) Refuse("float {}", sign == "%" ? "modulo" : "division by zero");
  if (sign == "/") return Value::Float(a / b);
  double remainder = std::fmod(a, b);
  if (remainder != 0 && (remainder < 0) != (b < 0)) remainder += b;
  if (remainder == 0) remainder = std::copysign(0.0, b);
  if (sign == "%") return Value::Float(remainder);
  const double quotient = (a - remainder) / b;
  const double floor = std::floor(quotient);
  return Value::Float(quotient - floor > 0.5 ? floor + 1 : floor);
}

}  // namespace

Value Binary(std::string_view sign, const Value& a, const Value& b, Meter& meter) {
  if (sign == "%" && IsText(a)) return FormatPercent(a, b, meter);
  RequireDefined(a);
  RequireDefined(b);
  if (a.IsNumber() && b.IsNumber()) {
    if (IsInteger(a) && IsInteger(b)) return Integers(sign, a, b);
    return Floats(sign, a.AsFloat(), b.AsFloat());
  }
  if (sign == "+") {
    if (IsText(a) && IsText(b)) return JoinTexts(a, b, meter);
    if (a.IsSequence() && a.kind() == b.kind()) return JoinItems(a, b, meter);
  }
  if (sign == "*") {
    if ((IsText(a) || a.IsSequence()) && IsInteger(b)) return Repeat(a, b.AsInt(), meter);
    if ((IsText(b) || b.IsSequence()) && IsInteger(a)) return Repeat(b, a.AsInt(), meter);
  }
  RefuseTypes(sign, a, b);
}

Value Unary(std::string_view sign, const Value& value) {
  RequireDefined(value);
  if (value.Is(Kind::kFloat)) return Value::Float(sign == "-" ? -value.AsFloat() : value.AsFloat());
  if (!IsInteger(value)) Refuse("bad operand type for unary {}: '{}'", sign, TypeName(value));
  return sign == "-" ? Integers("-", Value::Int(0), value) : Value::Int(value.AsInt());
}

Value Concat(const std::vector<Value>& parts, Meter& meter) {
  std::string text;
  size_t charged = 0;
  for (const Value& part : parts) {
    text += Str(part, meter);
    meter.Grown(text.size(), charged);
  }
  return Value::String(std::move(text));
}

}  // namespace bitloss::templates
