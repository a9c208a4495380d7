#include "bitloss/tokenizer/normalizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "bitloss/base/check.h"
#include "bitloss/tokenizer/characters.h"

namespace bitloss {
namespace {

// A step takes a text and gives it back, or a changed one that it keeps in `storage`.

Result<std::string_view> Apply(UnicodeForm form, std::string_view text, std::string& storage) {
  return ToUnicodeForm(form, text, storage);
}

Result<std::string_view> Apply(const Normalizer::Prepend& prepend, std::string_view text,
                               std::string& storage) {
  if (text.empty()) return text;
  storage = prepend.text;
  storage += text;
  return std::string_view(storage);
}

Result<std::string_view> Apply(const Normalizer::Replace& replace, std::string_view text,
                               std::string& storage) {
  storage = ReplaceAll(text, replace.from, replace.to);
  return std::string_view(storage);
}

Result<std::string_view> Apply(const Normalizer::ReplaceMatches& replace, std::string_view text,
                               std::string& storage) {
  if (text.empty()) return text;
  Pattern::Scratch scratch;
  Pattern::Matches matches(replace.pattern, text, scratch);
  size_t done = 0;
  for (;;) {
    BITLOSS_TRY(const auto match, matches.Next());
    if (!match) break;
    storage += text.substr(done, match->begin - done);
    storage += replace.to;
    done = match->end;
  }
  storage += text.substr(done);
  return std::string_view(storage);
}

Result<std::string_view> Apply(const Normalizer::Strip& strip, std::string_view text,
                               std::string&) {
  if (strip.left) text.remove_prefix(WhiteSpaceEnd(text, 0));
  if (strip.right) text = text.substr(0, WhiteSpaceStart(text, text.size()));
  return text;
}

std::string Describe(UnicodeForm form) {
  switch (form) {
    case UnicodeForm::kNfc:
      return "nfc;";
    case UnicodeForm::kNfd:
      return "nfd;";
    case UnicodeForm::kNfkc:
      return "nfkc;";
    case UnicodeForm::kNfkd:
      return "nfkd;";
  }
  return {};
}
std::string Describe(const Normalizer::Prepend& prepend) {
  return fmt::format("prepend '{}';", prepend.text);
}
std::string Describe(const Normalizer::Replace& replace) {
  return fmt::format("replace '{}' by '{}';", replace.from, replace.to);
}
std::string Describe(const Normalizer::ReplaceMatches& replace) {
  return fmt::format("replace pattern '{}' by '{}';", replace.pattern.source(), replace.to);
}
std::string Describe(const Normalizer::Strip& strip) {
  return fmt::format("strip {} {};", strip.left, strip.right);
}

}  // namespace

Result<std::string_view> Normalizer::Apply(std::string_view text, std::string& storage) const {
  for (const Step& step : steps_) {
    std::string next;
    BITLOSS_TRY(
        const std::string_view changed,
        std::visit([&](const auto& kind) { return bitloss::Apply(kind, text, next); }, step));
    text = changed;
    if (changed.data() != next.data()) continue;
    storage = std::move(next);
    text = storage;
  }
  return text;
}

bool Normalizer::MayDropTheStart() const {
  return std::any_of(steps_.begin(), steps_.end(), [](const Step& step) {
    if (const auto* strip = std::get_if<Strip>(&step)) return strip->left;
    if (const auto* replace = std::get_if<Replace>(&step)) return replace->to.empty();
    const auto* replace = std::get_if<ReplaceMatches>(&step);
    return replace != nullptr && replace->to.empty();
  });
}

std::string Normalizer::Describe() const {
  std::string line;
  for (const Step& step : steps_) {
    line += std::visit([](const auto& kind) { return bitloss::Describe(kind); }, step);
  }
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
