// chrF2 (Popovic 2015) as sacreBLEU computes it by default: character n-grams up to 6 without white
// space, case kept, beta 2, the mean precision and recall over the orders that both texts have.
#ifndef BITLOSS_DATA_CHECKS_CHRF_H_
#define BITLOSS_DATA_CHECKS_CHRF_H_

#include <string_view>

namespace bitloss {

// In [0, 1] (sacreBLEU prints a hundred times that); 0 if either text is empty.
//   P, R = means over n of matches_n / hypothesis n-grams and matches_n / reference n-grams
//   chrF = 5 P R / (4 P + R)
double Chrf(std::string_view hypothesis, std::string_view reference);

}  // namespace bitloss

#endif  // BITLOSS_DATA_CHECKS_CHRF_H_
