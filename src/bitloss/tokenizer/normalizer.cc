#include "bitloss/tokenizer/normalizer.h"

#include <fmt/format.h>

#include "bitloss/base/check.h"
#include "bitloss/tokenizer/nfc.h"

namespace bitloss {
namespace {

std::string DescribeStep(const Normalizer::Step& step) {
  if (const auto* prepend = std::get_if<Normalizer::Prepend>(&step)) {
    return fmt::format("prepend '{}';", prepend->text);
  }
  if (const auto* replace = std::get_if<Normalizer::Replace>(&step)) {
    return fmt::format("replace '{}' by '{}';", replace->from, replace->to);
  }
  return "nfc;";
}

}  // namespace

std::string_view Normalizer::Apply(std::string_view text, std::string& storage) const {
  for (const Step& step : steps_) {
    std::string next;
    if (std::holds_alternative<Nfc>(step)) {
      const std::string_view same = text;
      text = ToNfc(text, next);
      if (text.data() == same.data()) continue;
    } else if (const auto* prepend = std::get_if<Prepend>(&step)) {
      if (text.empty()) continue;
      next = prepend->text;
      next += text;
    } else {
      const auto& replace = std::get<Replace>(step);
      next = ReplaceAll(text, replace.from, replace.to);
    }
    storage = std::move(next);
    text = storage;
  }
  return text;
}

std::string Normalizer::Describe() const {
  std::string line;
  for (const Step& step : steps_) line += DescribeStep(step);
  return line;
}

std::string ReplaceAll(std::string_view text, std::string_view from, std::string_view to) {
  BITLOSS_CHECK(!from.empty());
  std::string out;
  out.reserve(text.size() + text.size() / 4);
  for (size_t at = 0;;) {
    const size_t hit = text.find(from, at);
    out += text.substr(at, hit - at);
    if (hit == std::string_view::npos) return out;
    out += to;
    at = hit + from.size();
  }
}

}  // namespace bitloss
