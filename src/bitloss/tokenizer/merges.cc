#include "bitloss/tokenizer/merges.h"

namespace bitloss {

Result<RankedMerges> RankMerges(const MergeList& merges, const Vocabulary& vocabulary) {
  RankedMerges ranked{MergeTable(merges.size()), {}};
  ranked.pairs.reserve(merges.size() * 2 * sizeof(TokenId));
  uint32_t rank = 0;
  std::string joined;
  const auto find = [&](std::string_view token) -> Result<TokenId> {
    if (const auto id = vocabulary.Find(token)) return *id;
    return BadInput("merge {} needs the token '{}', which is not in the vocabulary", rank, token);
  };
  BITLOSS_DO(merges.ForEach([&](std::string_view left, std::string_view right) -> Status {
    joined = left;
    joined += right;
    BITLOSS_TRY(const TokenId left_id, find(left));
    BITLOSS_TRY(const TokenId right_id, find(right));
    BITLOSS_TRY(const TokenId result, find(joined));
    ranked.table.Insert(left_id, right_id, {rank++, result});
    for (const TokenId id : {left_id, right_id}) {
      ranked.pairs.append(reinterpret_cast<const char*>(&id), sizeof(id));
    }
    return Ok();
  }));
  return ranked;
}

}  // namespace bitloss
