// Small questions about text.
#ifndef BITLOSS_BASE_TEXT_H_
#define BITLOSS_BASE_TEXT_H_

#include <optional>
#include <string_view>

namespace bitloss {

// The byte offset of the first sequence that is not valid UTF-8 (Unicode 15, table 3-7: no
// surrogates, no overlong forms); none if all is well.
std::optional<size_t> FindInvalidUtf8(std::string_view text);

}  // namespace bitloss

#endif  // BITLOSS_BASE_TEXT_H_
