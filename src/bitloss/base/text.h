// Small questions about text.
#ifndef BITLOSS_BASE_TEXT_H_
#define BITLOSS_BASE_TEXT_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace bitloss {

// The byte offset of the first sequence that is not valid UTF-8 (Unicode 15, table 3-7: no
// surrogates, no overlong forms); none if all is well.
std::optional<size_t> FindInvalidUtf8(std::string_view text);

// The code points of `text`. A byte b that belongs to no valid sequence is kNotText + b, beyond
// Unicode, so that it equals no character.
inline constexpr char32_t kNotText = 0x110000;
std::u32string CodePointsOf(std::string_view text);

// Ascii letters, the others as they are.
std::string InLowerCase(std::string_view text);

// Without "\uFEFF" at the beginning, if it is there.
std::string_view WithoutByteOrderMark(std::string_view text);

}  // namespace bitloss

#endif  // BITLOSS_BASE_TEXT_H_
