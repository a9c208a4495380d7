// Strings as Python sees them: sequences of code points, in UTF-8. Requires: valid UTF-8.
#ifndef BITLOSS_TEMPLATES_TEXT_H_
#define BITLOSS_TEMPLATES_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bitloss::templates {

size_t NumCodePoints(std::string_view text);

// The code points as strings of their own.
std::vector<std::string_view> Characters(std::string_view text);

// The first code point. Requires: not empty.
char32_t CodePoint(std::string_view text);
void AppendUtf8(char32_t c, std::string& text);

// str.isspace of one character.
bool IsSpace(char32_t c);
// str.isprintable of one character.
bool IsPrintable(char32_t c);

enum class Side { kLeft, kRight, kBoth };
// White space, or any of the characters of `characters`.
std::string_view Strip(std::string_view text, Side side);
std::string_view Strip(std::string_view text, std::string_view characters, Side side);

// Full case mappings: "ß" becomes "SS".
std::string Upper(std::string_view text);
std::string Lower(std::string_view text);
std::string Capitalize(std::string_view text);
// str.title: upper at the start of every run of letters.
std::string Title(std::string_view text);
std::string SwapCase(std::string_view text);
std::string CaseFold(std::string_view text);

// str.islower, str.isupper: there are cased characters, and all are so.
bool IsLower(std::string_view text);
bool IsUpper(std::string_view text);
// str.isalpha and so on: not empty, and true for each character.
bool IsAlpha(std::string_view text);
bool IsDigit(std::string_view text);
bool IsAlnum(std::string_view text);
bool IsSpaces(std::string_view text);
bool IsAscii(std::string_view text);

// At runs of white space; at most `max_splits` times, all if it is negative.
std::vector<std::string_view> SplitSpace(std::string_view text, int64_t max_splits, Side from);
// At each `separator`, which is not empty.
std::vector<std::string_view> SplitAt(std::string_view text, std::string_view separator,
                                      int64_t max_splits, Side from);
// str.splitlines().
std::vector<std::string_view> Lines(std::string_view text);

// At most `count` times, all if it is negative; an empty `old` is between all characters.
std::string Replace(std::string_view text, std::string_view old, std::string_view now,
                    int64_t count);
// How long the result would be.
size_t ReplacedSize(std::string_view text, std::string_view old, std::string_view now,
                    int64_t count);
// How often `part` is in `text` without overlap.
size_t Count(std::string_view text, std::string_view part);

// & < > " ' for HTML.
std::string EscapeMarkup(std::string_view text);

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_TEXT_H_
