#include "bitloss/metrics/script.h"

#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include <algorithm>
#include <set>

#include "bitloss/base/text.h"

namespace bitloss {
namespace {

// Calls `visit` with the script of each letter that has one of its own.
template <class Visit>
void ForEachLetter(std::string_view text, const Visit& visit) {
  for (const char32_t code_point : CodePointsOf(text)) {
    const auto c = static_cast<UChar32>(code_point);
    if (!u_isalpha(c)) continue;
    UErrorCode error = U_ZERO_ERROR;
    const UScriptCode script = uscript_getScript(c, &error);
    if (U_FAILURE(error) || script <= USCRIPT_INHERITED) continue;
    visit(script);
  }
}
static_assert(USCRIPT_COMMON < USCRIPT_INHERITED && USCRIPT_INHERITED < USCRIPT_ARABIC);

}  // namespace

std::vector<std::string> ScriptsOf(std::string_view text) {
  std::set<UScriptCode> scripts;
  ForEachLetter(text, [&](UScriptCode script) { scripts.insert(script); });
  if (scripts.contains(USCRIPT_HIRAGANA) || scripts.contains(USCRIPT_KATAKANA)) {
    scripts.insert({USCRIPT_HAN, USCRIPT_HIRAGANA, USCRIPT_KATAKANA});
  }
  std::vector<std::string> names;
  for (const UScriptCode script : scripts) names.emplace_back(uscript_getName(script));
  std::ranges::sort(names);
  return names;
}

std::optional<double> ScriptDrift(std::string_view text, std::span<const std::string> expected) {
  std::set<int32_t> inside;
  for (const std::string& name : expected) {
    const int32_t script = u_getPropertyValueEnum(UCHAR_SCRIPT, name.c_str());
    if (script == UCHAR_INVALID_CODE) return std::nullopt;
    inside.insert(script);
  }
  size_t num_letters = 0;
  size_t num_outside = 0;
  ForEachLetter(text, [&](UScriptCode script) {
    ++num_letters;
    num_outside += inside.contains(script) ? 0 : 1;
  });
  if (num_letters == 0 || inside.empty()) return std::nullopt;
  return static_cast<double>(num_outside) / static_cast<double>(num_letters);
}

}  // namespace bitloss
