// Where a text in SentencePiece's spelling (U+2581 for a space) can be cut into words before it is
// merged, with the same ids: before a U+2581 behind another character, if no token joins the two.
#ifndef BITLOSS_TOKENIZER_WORD_CUTS_H_
#define BITLOSS_TOKENIZER_WORD_CUTS_H_

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "bitloss/tokenizer/vocabulary.h"

namespace bitloss {

// Immutable and thread-safe.
class WordCuts {
 public:
  // Cuts nowhere.
  WordCuts() = default;

  // `vocabulary` holds all that merging can make.
  explicit WordCuts(const Vocabulary& vocabulary);

  // Calls visit(word) for the words of `piece`, in order.
  // Requires: valid UTF-8.
  template <class Visit>
  void ForEach(std::string_view piece, Visit visit) const {
    size_t begin = 0;
    for (size_t at = 1; cuts_ && at < piece.size(); ++at) {
      at = std::min(piece.find(kSpace, at), piece.size());
      if (at == piece.size() || IsJoined(piece, at)) continue;
      visit(piece.substr(begin, at - begin));
      begin = at;
    }
    if (begin < piece.size()) visit(piece.substr(begin));
  }

 private:
  static constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581

  // Whether a token may hold the character before `at` and the U+2581 there.
  bool IsJoined(std::string_view piece, size_t at) const;

  bool cuts_ = false;
  // Characters that stand before a U+2581 in a token.
  std::unordered_set<char32_t> joined_;
};

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_WORD_CUTS_H_
