#include "bitloss/tokenizer/unicode_form.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <vector>

#include "bitloss/base/check.h"
#include "bitloss/tokenizer/characters.h"

namespace bitloss {
namespace {

// utf8proc marks the second half of a composition by this bit of comb_index; all ones is "none".
constexpr uint16_t kSecondOfPair = 0x8000;
constexpr uint16_t kNone = UINT16_MAX;

struct CodePoints {
  char32_t first;
  char32_t last;
};

// What Unicode 10 to 14 added to normalization (U+0EBA got its class in 12): marks that move, and
// the parts of U+11938. The tokenizers that models were trained with normalize by Unicode 9, where
// these are characters like any other. Ascending.
constexpr std::array<CodePoints, 35> kYounger = {
    {{0x7FD, 0x7FD},     {0x898, 0x89F},     {0x8CA, 0x8D3},     {0x9FE, 0x9FE},
     {0xC3C, 0xC3C},     {0xD3B, 0xD3C},     {0xEBA, 0xEBA},     {0x1715, 0x1715},
     {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFA},   {0xA82C, 0xA82C},   {0x10D24, 0x10D27},
     {0x10EAB, 0x10EAC}, {0x10F46, 0x10F50}, {0x10F82, 0x10F85}, {0x11070, 0x11070},
     {0x1133B, 0x1133B}, {0x1145E, 0x1145E}, {0x11839, 0x1183A}, {0x11930, 0x11930},
     {0x11935, 0x11935}, {0x11938, 0x11938}, {0x1193D, 0x1193E}, {0x11943, 0x11943},
     {0x119E0, 0x119E0}, {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99},
     {0x11D42, 0x11D42}, {0x11D44, 0x11D45}, {0x11D97, 0x11D97}, {0x16FF0, 0x16FF1},
     {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF}}};

// Those that Unicode 10 to 14 gave a compatibility decomposition. Ascending.
constexpr std::array<CodePoints, 8> kYoungerCompatible = {{{0x32FF, 0x32FF},
                                                           {0xA7F2, 0xA7F4},
                                                           {0xAB69, 0xAB69},
                                                           {0x10781, 0x10785},
                                                           {0x10787, 0x107B0},
                                                           {0x107B2, 0x107BA},
                                                           {0x1F16C, 0x1F16C},
                                                           {0x1FBF0, 0x1FBF9}}};

template <size_t N>
bool IsIn(const std::array<CodePoints, N>& ranges, char32_t c) {
  const auto range = std::partition_point(ranges.begin(), ranges.end(),
                                          [&](const CodePoints& r) { return r.last < c; });
  return range != ranges.end() && range->first <= c;
}

bool IsYounger(char32_t c) { return IsIn(kYounger, c); }

bool IsVowelOrFinalJamo(char32_t c) { return c >= 0x1161 && c <= 0x11FF; }

// A character before which text can be cut: whatever is on either side, NFC of the whole is NFC of
// the parts, and the character alone is NFC. May say no where the answer is yes.
bool IsSafe(char32_t c) {
  if (c < 0x300) return true;
  if (IsVowelOrFinalJamo(c)) return false;
  const utf8proc_property_t& p = *utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
  const bool decomposes = p.decomp_seqindex != kNone && p.decomp_type == 0;
  const bool joins_left = p.comb_index != kNone && (p.comb_index & kSecondOfPair) != 0;
  return (p.combining_class == 0 && !decomposes && !joins_left) || IsYounger(c);
}

void AppendForm(UnicodeForm form, std::string_view text, std::string& out) {
  const bool composes = form == UnicodeForm::kNfc || form == UnicodeForm::kNfkc;
  const bool compatible = form == UnicodeForm::kNfkc || form == UnicodeForm::kNfkd;
  const auto option =
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | (compatible ? UTF8PROC_COMPAT : 0) |
                                     (composes ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE));
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto size = static_cast<utf8proc_ssize_t>(text.size());
  // A character decomposes into at most four, or, of three bytes, by compatibility into 18.
  std::vector<utf8proc_int32_t> characters(text.size() * 6 + 4);
  auto count = utf8proc_decompose(bytes, size, characters.data(),
                                  static_cast<utf8proc_ssize_t>(characters.size()), option);
  BITLOSS_CHECK(count >= 0 && static_cast<size_t>(count) <= characters.size());
  count = utf8proc_normalize_utf32(characters.data(), count, option);
  BITLOSS_CHECK(count >= 0);
  for (utf8proc_ssize_t i = 0; i < count; ++i) {
    AppendUtf8(static_cast<char32_t>(characters[static_cast<size_t>(i)]), out);
  }
}

// The first character at `from` or later that is not safe.
size_t FindUnsafe(std::string_view text, size_t from) {
  while (from < text.size()) {
    const size_t length = Utf8Length(text[from]);
    // Two bytes up to U+02FF begin with 0xCB at most.
    if (static_cast<uint8_t>(text[from]) >= 0xCC && !IsSafe(FirstCharacter(text.substr(from)))) {
      return from;
    }
    from += length;
  }
  return text.size();
}

size_t FindSafe(std::string_view text, size_t from) {
  while (from < text.size() && !IsSafe(FirstCharacter(text.substr(from)))) {
    from += Utf8Length(text[from]);
  }
  return from;
}

// Where the text that the unsafe character at `bad` may change begins: at the character before it,
// which it may join, unless that one is younger and utf8proc would see more in it.
size_t SegmentStart(std::string_view text, size_t done, size_t bad) {
  if (bad == done) return bad;
  const size_t before = LastCharacterStart(text, bad);
  return IsYounger(FirstCharacter(text.substr(before))) ? bad : before;
}

std::string_view ToNfc(std::string_view text, std::string& storage) {
  size_t bad = FindUnsafe(text, 0);
  if (bad == text.size()) return text;
  storage.clear();
  storage.reserve(text.size() + 16);
  size_t done = 0;
  while (bad < text.size()) {
    const size_t begin = SegmentStart(text, done, bad);
    const size_t end = FindSafe(text, bad);
    storage += text.substr(done, begin - done);
    AppendForm(UnicodeForm::kNfc, text.substr(begin, end - begin), storage);
    done = end;
    bad = FindUnsafe(text, done);
  }
  storage += text.substr(done);
  return storage;
}

bool IsAscii(char c) { return static_cast<uint8_t>(c) < 0x80; }

// A stretch without ASCII but for its first character, in any form. Younger characters stay:
// nothing moves over them or joins them.
void AppendStretch(UnicodeForm form, std::string_view text, std::string& out) {
  const bool compatible = form == UnicodeForm::kNfkc || form == UnicodeForm::kNfkd;
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const char32_t c = FirstCharacter(text.substr(at));
    const size_t next = at + Utf8Length(text[at]);
    if (IsYounger(c) || (compatible && IsIn(kYoungerCompatible, c))) {
      AppendForm(form, text.substr(done, at - done), out);
      out += text.substr(at, next - at);
      done = next;
    }
    at = next;
  }
  AppendForm(form, text.substr(done), out);
}

}  // namespace

std::string_view ToUnicodeForm(UnicodeForm form, std::string_view text, std::string& storage) {
  if (form == UnicodeForm::kNfc) return ToNfc(text, storage);
  if (std::all_of(text.begin(), text.end(), IsAscii)) return text;
  storage.clear();
  storage.reserve(text.size() + text.size() / 8);
  // ASCII is in every form, and joins at most what follows it.
  for (size_t at = 0; at < text.size();) {
    const auto* begin = text.begin() + at;
    const size_t plain = static_cast<size_t>(std::find_if_not(begin, text.end(), IsAscii) - begin);
    const size_t copied = at + plain == text.size() || plain == 0 ? plain : plain - 1;
    storage += text.substr(at, copied);
    at += copied;
    if (at == text.size()) break;
    const auto* stretch = text.begin() + at;
    const auto* end = std::find_if(stretch + 1, text.end(), IsAscii);
    // Behind an ASCII character that begins the stretch there is one that is not.
    AppendStretch(form, text.substr(at, static_cast<size_t>(end - stretch)), storage);
    at = static_cast<size_t>(end - text.begin());
  }
  return storage;
}

}  // namespace bitloss
