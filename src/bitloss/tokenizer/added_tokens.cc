#include "bitloss/tokenizer/added_tokens.h"

#include <algorithm>

#include "bitloss/tokenizer/characters.h"

namespace bitloss {
namespace {

bool InsideWord(std::string_view text, size_t begin, size_t end) {
  const bool word_before =
      begin > 0 && IsWordCharacter(FirstCharacter(text.substr(LastCharacterStart(text, begin))));
  const bool word_after = end < text.size() && IsWordCharacter(FirstCharacter(text.substr(end)));
  return word_before || word_after;
}

}  // namespace

void AddedTokens::Trie::Insert(std::string_view content, size_t token) {
  uint32_t at = 0;
  for (const char byte : content) {
    const auto& children = nodes_[at].children;
    const auto child = std::find_if(children.begin(), children.end(),
                                    [&](const auto& edge) { return edge.first == byte; });
    if (child != children.end()) {
      at = child->second;
    } else {
      const auto fresh = static_cast<uint32_t>(nodes_.size());
      nodes_[at].children.emplace_back(byte, fresh);
      nodes_.emplace_back();
      at = fresh;
    }
  }
  nodes_[at].token = token;
}

std::optional<AddedTokens::Trie::Match> AddedTokens::Trie::Longest(std::string_view text) const {
  std::optional<Match> longest;
  uint32_t at = 0;
  for (size_t length = 0;; ++length) {
    const Node& node = nodes_[at];
    if (node.token) longest = Match{length, *node.token};
    if (length == text.size()) return longest;
    const auto child = std::find_if(node.children.begin(), node.children.end(),
                                    [&](const auto& edge) { return edge.first == text[length]; });
    if (child == node.children.end()) return longest;
    at = child->second;
  }
}

Result<AddedTokens> AddedTokens::Of(std::vector<AddedToken> tokens, const Normalizer& normalizer) {
  AddedTokens added;
  for (size_t i = 0; i < tokens.size(); ++i) {
    added.by_id_[tokens[i].id] = i;
    if (!tokens[i].normalized) {
      added.raw_.Insert(tokens[i].content, i);
      continue;
    }
    std::string storage;
    BITLOSS_TRY(const std::string_view content, normalizer.Apply(tokens[i].content, storage));
    if (content.empty()) {
      return Unsupported("added token '{}': nothing is left of it when it is normalized",
                         tokens[i].content);
    }
    added.normalized_.Insert(content, i);
  }
  added.tokens_ = std::move(tokens);
  return added;
}

std::vector<AddedTokens::Segment> AddedTokens::Cut(std::string_view text, Phase phase,
                                                   Control control) const {
  const Trie& trie = phase == Phase::kRaw ? raw_ : normalized_;
  std::vector<Segment> segments;
  size_t done = 0;  // text before it is in a segment
  for (size_t at = 0; at < text.size() && !trie.empty();) {
    const auto match = trie.Longest(text.substr(at));
    if (!match) {
      ++at;  // a byte: contents are valid UTF-8 and cannot match inside a character
      continue;
    }
    size_t begin = at;
    size_t end = at + match->length;
    at = end;
    const AddedToken& token = tokens_[match->token];
    if (token.special && control == Control::kIgnore) continue;
    if (token.single_word && InsideWord(text, begin, end)) continue;
    if (token.lstrip) begin = WhiteSpaceStart(text, begin);
    if (token.rstrip) end = WhiteSpaceEnd(text, end);
    begin = std::max(begin, done);  // white space that the token before took
    if (begin > done) segments.push_back({text.substr(done, begin - done), std::nullopt});
    segments.push_back({{}, token.id});
    done = std::max(end, done);
  }
  if (done < text.size()) segments.push_back({text.substr(done), std::nullopt});
  return segments;
}

bool AddedTokens::IsSpecial(TokenId id) const {
  const auto found = by_id_.find(id);
  return found != by_id_.end() && tokens_[found->second].special;
}

}  // namespace bitloss
