#include "bitloss/tokenizer/unigram.h"

#include <algorithm>

#include "bitloss/base/check.h"
#include "bitloss/tokenizer/characters.h"

namespace bitloss {
namespace {
constexpr double kUnknownPenalty = 10.0;
}  // namespace

UnigramModel::UnigramModel(const Vocabulary& vocabulary, std::vector<double> scores,
                           std::optional<TokenId> unknown, ByteFallback byte_fallback)
    : vocabulary_(vocabulary),
      scores_(std::move(scores)),
      unknown_(unknown),
      byte_fallback_(byte_fallback),
      byte_tokens_(SpelledByteTokens(vocabulary)) {
  BITLOSS_CHECK(scores_.size() == vocabulary.num_ids() && !scores_.empty());
  unknown_score_ = *std::min_element(scores_.begin(), scores_.end()) - kUnknownPenalty;
  for (size_t id = 0; id < vocabulary.num_ids(); ++id) {
    const auto token = static_cast<TokenId>(id);
    if (!vocabulary.Spelling(token).empty()) trie_.Insert(vocabulary.Spelling(token), token);
  }
}

Status UnigramModel::FindBest(std::string_view piece, std::vector<Node>& nodes) const {
  nodes.assign(piece.size() + 1, {});
  const auto offer = [&](size_t begin, size_t end, TokenId token, double token_score) {
    const double score = token_score + nodes[begin].score;
    Node& node = nodes[end];
    if (node.begin == SIZE_MAX || score > node.score) node = {score, begin, token};
  };
  for (size_t at = 0; at < piece.size();) {
    const size_t length = Utf8Length(piece[at]);
    bool has_character = false;
    trie_.ForEachPrefix(piece.substr(at), [&](size_t num_bytes, TokenId token) {
      offer(at, at + num_bytes, token, scores_[static_cast<size_t>(token)]);
      has_character |= num_bytes == length;
    });
    if (!has_character) {
      if (!unknown_) {
        return BadInput("'{}' is no token, and the tokenizer has none for what is unknown",
                        piece.substr(at, length));
      }
      offer(at, at + length, *unknown_, unknown_score_);
    }
    at += length;
  }
  return Ok();
}

Status UnigramModel::Encode(std::string_view piece, Scratch& scratch,
                            std::vector<TokenId>& ids) const {
  if (scratch.cache.Find(piece, ids)) return Ok();
  BITLOSS_DO(FindBest(piece, scratch.nodes));
  std::vector<std::string_view>& tokens = scratch.tokens;
  tokens.clear();
  bool after_unknown = false;
  for (size_t end = piece.size(); end > 0;) {
    const Node& node = scratch.nodes[end];
    const bool is_unknown = unknown_ && node.token == *unknown_;
    if (is_unknown && after_unknown) {
      tokens.back() = {piece.data() + node.begin, tokens.back().size() + (end - node.begin)};
    } else {
      tokens.push_back(piece.substr(node.begin, end - node.begin));
    }
    after_unknown = is_unknown;
    end = node.begin;
  }
  const size_t before = ids.size();
  for (auto token = tokens.rbegin(); token != tokens.rend(); ++token) Append(*token, ids);
  scratch.cache.Insert(piece, std::span(ids).subspan(before));
  return Ok();
}

// By its spelling, as `tokenizers` does: a run of unknown characters may be a token after all.
void UnigramModel::Append(std::string_view token, std::vector<TokenId>& ids) const {
  if (const auto id = vocabulary_.Find(token)) {
    ids.push_back(*id);
    return;
  }
  if (byte_fallback_ == ByteFallback::kOn) {
    const size_t before = ids.size();
    for (const char byte : token) ids.push_back(byte_tokens_[static_cast<uint8_t>(byte)]);
    if (std::find(ids.begin() + static_cast<ptrdiff_t>(before), ids.end(), -1) == ids.end()) return;
    ids.resize(before);
  }
  BITLOSS_CHECK(unknown_);
  ids.push_back(*unknown_);
}

}  // namespace bitloss
