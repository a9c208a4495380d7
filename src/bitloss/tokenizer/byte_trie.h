// All strings of a set that begin at a place of a text, found in one descent.
#ifndef BITLOSS_TOKENIZER_BYTE_TRIE_H_
#define BITLOSS_TOKENIZER_BYTE_TRIE_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "bitloss/tokenizer/token_id.h"

namespace bitloss {

// A tree of bytes whose edges are one open-addressing table. Reading is thread-safe.
class ByteTrie {
 public:
  // Requires: `text` not empty, not there yet.
  void Insert(std::string_view text, TokenId token) {
    uint32_t node = 0;
    for (const char byte : text) node = ChildOrNew(node, byte);
    tokens_[node] = token;
  }

  // Calls visit(length, token) for each string that `text` begins with, the shortest first.
  template <class Visit>
  void ForEachPrefix(std::string_view text, Visit visit) const {
    uint32_t node = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      const Edge& edge = edges_[SlotOf(Key(node, text[i]))];
      if (edge.key == kFree) return;
      node = edge.child;
      if (tokens_[node] >= 0) visit(i + 1, tokens_[node]);
    }
  }

 private:
  static constexpr uint64_t kFree = UINT64_MAX;
  struct Edge {
    uint64_t key = kFree;
    uint32_t child = 0;
  };

  static uint64_t Key(uint32_t node, char byte) {
    return uint64_t{node} << 8 | static_cast<uint8_t>(byte);
  }
  size_t SlotOf(uint64_t key) const {
    const size_t mask = edges_.size() - 1;
    size_t i = static_cast<size_t>((key * 0x9E3779B97F4A7C15) >> 20) & mask;
    while (edges_[i].key != key && edges_[i].key != kFree) i = (i + 1) & mask;
    return i;
  }
  uint32_t ChildOrNew(uint32_t node, char byte) {
    if (tokens_.size() * 2 >= edges_.size()) Grow();
    Edge& edge = edges_[SlotOf(Key(node, byte))];
    if (edge.key == kFree) {
      edge = {Key(node, byte), static_cast<uint32_t>(tokens_.size())};
      tokens_.push_back(-1);
    }
    return edge.child;
  }
  void Grow() {
    std::vector<Edge> old(edges_.size() * 2);
    old.swap(edges_);
    for (const Edge& edge : old) {
      if (edge.key != kFree) edges_[SlotOf(edge.key)] = edge;
    }
  }

  std::vector<Edge> edges_ = std::vector<Edge>(64);  // at most half used
  std::vector<TokenId> tokens_ = {-1};               // by node; -1: no string ends there
};

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_BYTE_TRIE_H_
