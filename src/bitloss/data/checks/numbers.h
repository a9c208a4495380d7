// Numbers as people write them.
#ifndef BITLOSS_DATA_CHECKS_NUMBERS_H_
#define BITLOSS_DATA_CHECKS_NUMBERS_H_

#include <optional>
#include <string_view>
#include <vector>

namespace bitloss {

struct WrittenNumber {
  double value = 0.0;
  size_t begin = 0;  // bytes [begin, end)
  size_t end = 0;
};

// Every number in `text`, in order: 42, -3.5 (also with U+2212, "minus", "negative"), 1,234,567
// (groups of three, also by spaces, apostrophes, or two or more points), .5, 1,5 (a decimal comma),
// 6.02e23, 3 x 10^8 (also with the multiplication sign, "*", "\times", braces, superscript digits),
// 3/4 (no spaces; a date like 4/5/2031 is three numbers), \frac{3}{4}, \sqrt{2}, and the root sign.
// A sign belongs to the number if what is before it is no word, number or closing bracket. Digits
// right after a letter or "_" (H2O, x1) are part of a name and no number. Percent signs and units
// are not looked at: 15% is 15.
// A power of a name (cm^2) is none.
std::vector<WrittenNumber> FindNumbers(std::string_view text);

// The last number in English words, up to ninety-nine hundred: "forty-two". For texts without
// digits: "one" is often no number.
std::optional<double> FindNumberInWords(std::string_view text);

}  // namespace bitloss

#endif  // BITLOSS_DATA_CHECKS_NUMBERS_H_
