#include "bitloss/tokenizer/nfc.h"

#include <utf8proc.h>

#include <vector>

#include "bitloss/base/check.h"
#include "bitloss/tokenizer/characters.h"

namespace bitloss {
namespace {

// utf8proc marks the second half of a composition by this bit of comb_index; all ones is "none".
constexpr uint16_t kSecondOfPair = 0x8000;
constexpr uint16_t kNone = UINT16_MAX;

bool IsVowelOrFinalJamo(char32_t c) { return c >= 0x1161 && c <= 0x11FF; }

// A character before which text can be cut: whatever is on either side, NFC of the whole is NFC of
// the parts, and the character alone is NFC. May say no where the answer is yes.
bool IsSafe(char32_t c) {
  if (c < 0x300) return true;
  if (IsVowelOrFinalJamo(c)) return false;
  const utf8proc_property_t& p = *utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
  const bool decomposes = p.decomp_seqindex != kNone && p.decomp_type == 0;
  const bool joins_left = p.comb_index != kNone && (p.comb_index & kSecondOfPair) != 0;
  return p.combining_class == 0 && !decomposes && !joins_left;
}

void AppendNfc(std::string_view text, std::string& out) {
  const auto option = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto size = static_cast<utf8proc_ssize_t>(text.size());
  // A character decomposes into at most four.
  std::vector<utf8proc_int32_t> characters(text.size() * 4 + 4);
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

}  // namespace

std::string_view ToNfc(std::string_view text, std::string& storage) {
  size_t bad = FindUnsafe(text, 0);
  if (bad == text.size()) return text;
  storage.clear();
  storage.reserve(text.size() + 16);
  size_t done = 0;
  while (bad < text.size()) {
    const size_t begin = bad == done ? done : LastCharacterStart(text, bad);
    const size_t end = FindSafe(text, bad);
    storage += text.substr(done, begin - done);
    AppendNfc(text.substr(begin, end - begin), storage);
    done = end;
    bad = FindUnsafe(text, done);
  }
  storage += text.substr(done);
  return storage;
}

}  // namespace bitloss
