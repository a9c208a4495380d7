// White space as Python's str.isspace() has it: Unicode's, with the ASCII separators 1C to 1F. The
// protocols come from Python programs, which call a line blank by it.
#ifndef BITLOSS_DATA_WHITE_SPACE_H_
#define BITLOSS_DATA_WHITE_SPACE_H_

#include <cstddef>
#include <string_view>

namespace bitloss {

// Whether valid UTF-8 is nothing but white space; so is an empty one.
bool IsBlank(std::string_view utf8);

// How many runs of white space valid UTF-8 has.
size_t CountSpaceRuns(std::string_view utf8);

// Where the white space at the end of valid UTF-8 begins: what Python's rstrip() keeps.
size_t TrailingSpaceStart(std::string_view utf8);

// Without ASCII white space at either end.
std::string_view StripAsciiSpace(std::string_view text);

}  // namespace bitloss

#endif  // BITLOSS_DATA_WHITE_SPACE_H_
