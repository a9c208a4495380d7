// For messages about a name that is not known.
#ifndef BITLOSS_QUANT_NEAREST_NAMES_H_
#define BITLOSS_QUANT_NEAREST_NAMES_H_

#include <span>
#include <string>
#include <string_view>

namespace bitloss {

// The names nearest to `name` first (fewest single-character edits, then the given order), at most
// `count`, joined by ", ".
std::string NearestNames(std::string_view name, std::span<const std::string_view> known,
                         size_t count);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_NEAREST_NAMES_H_
