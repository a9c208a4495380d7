// Reading an answer: code points, words, lines, and the normal forms in which strings are compared.
// Text is valid UTF-8; a byte that is not counts as U+FFFD.
#ifndef BITLOSS_DATA_CHECKS_ANSWER_TEXT_H_
#define BITLOSS_DATA_CHECKS_ANSWER_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/json/fields.h"

namespace bitloss {

struct CodePoint {
  int32_t value = 0;
  size_t begin = 0;  // bytes [begin, end)
  size_t end = 0;
};
std::vector<CodePoint> CodePoints(std::string_view text);

// Letters, marks, digits and "_", except the scripts that are written without spaces (Han, kana,
// Hangul, Thai), whose words have no edges to test.
bool IsWordPart(int32_t codepoint);

// ASCII letters folded; as many bytes as before.
std::string LowerAscii(std::string_view text);

std::string_view Trim(std::string_view text);

// Lines that hold more than white space, without their newlines.
std::vector<std::string_view> NonBlankLines(std::string_view text);

// Pieces between white space that hold a letter or a digit.
std::vector<std::string_view> Words(std::string_view text);

// The first fenced block's content (``` or ~~~), without the fence lines; none if there is no
// fence. A block that was never closed ends with the text.
std::optional<std::string_view> FirstFencedBlock(std::string_view text);

// At most 80 bytes of `text` on one line, cut between code points; for evidence.
std::string Excerpt(std::string_view text);

// How a string is brought to the form in which it is compared.
struct Normalization {
  bool casefold = true;      // Unicode case folding
  bool collapse_ws = true;   // runs of white space to one space, none at the edges
  bool strip_punct = false;  // without code points of the categories P*
  bool nfkc = false;         // compatibility composition
};

// The field "normalize": an array of these names, which replaces the default.
Result<Normalization> ReadNormalization(Fields& fields, Normalization otherwise = {});

std::string Normalize(std::string_view text, const Normalization& normalization);

enum class Match { kAnywhere, kWholeWords };

// Byte offset of the first `needle` in `text` at or after `from`; npos if none. With kWholeWords,
// an edge of the needle that is a word character does not touch another one.
size_t FindText(std::string_view text, std::string_view needle, Match match, size_t from = 0);

}  // namespace bitloss

#endif  // BITLOSS_DATA_CHECKS_ANSWER_TEXT_H_
