// Which words of an answer differ from the baseline's.
#ifndef BITLOSS_REPORT_WORD_DIFF_H_
#define BITLOSS_REPORT_WORD_DIFF_H_

#include <string>
#include <string_view>
#include <vector>

namespace bitloss {

// A stretch of an answer. The texts of all pieces, in order, are the answer.
struct DiffPiece {
  std::string text;
  bool differs = false;  // words that are not in the baseline's answer at this place
  std::string missing;   // the baseline's words that stand here instead; may be all there is
};

// Compares word by word: a word is a run of bytes that are not ASCII white space, together with the
// white space after it; two words match if they are equal without that. The words that match are a
// longest common subsequence (the earliest one), after equal beginnings and ends are set aside.
// Beyond 2,000 x 2,000 words what is between equal ends counts as different altogether.
std::vector<DiffPiece> DiffWords(std::string_view baseline, std::string_view answer);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_WORD_DIFF_H_
