#ifndef BITLOSS_TOKENIZER_MERGES_H_
#define BITLOSS_TOKENIZER_MERGES_H_

#include <string>

#include "bitloss/base/result.h"
#include "bitloss/tokenizer/json_document.h"
#include "bitloss/tokenizer/merge_table.h"
#include "bitloss/tokenizer/vocabulary.h"

namespace bitloss {

struct RankedMerges {
  MergeTable table;
  std::string pairs;  // the ids of all pairs, in order of rank, as bytes; for identities
};

// The rank of a merge is its place in the list. kBadInput if one of the two tokens, or the token
// that they join to, is not in the vocabulary.
Result<RankedMerges> RankMerges(const MergeList& merges, const Vocabulary& vocabulary);

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_MERGES_H_
