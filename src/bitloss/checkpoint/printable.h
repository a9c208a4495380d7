#ifndef BITLOSS_CHECKPOINT_PRINTABLE_H_
#define BITLOSS_CHECKPOINT_PRINTABLE_H_

#include <algorithm>
#include <string_view>

#include "bitloss/base/text.h"

namespace bitloss {

// UTF-8 without control characters: a name from a file that may stand in a one-line message.
inline bool IsPrintable(std::string_view name) {
  return !FindInvalidUtf8(name) && std::none_of(name.begin(), name.end(), [](unsigned char c) {
    return c < 0x20 || c == 0x7F;
  });
}

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_PRINTABLE_H_
