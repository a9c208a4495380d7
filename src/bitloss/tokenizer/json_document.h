// A tokenizer.json, which may be hostile, read in one pass.
#ifndef BITLOSS_TOKENIZER_JSON_DOCUMENT_H_
#define BITLOSS_TOKENIZER_JSON_DOCUMENT_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/tokenizer/vocabulary.h"

namespace bitloss {

// Pairs of strings, in order, in one block of memory.
class MergeList {
 public:
  void Add(std::string_view left, std::string_view right) {
    lengths_.push_back({static_cast<uint32_t>(left.size()), static_cast<uint32_t>(right.size())});
    text_ += left;
    text_ += right;
  }
  size_t size() const { return lengths_.size(); }

  // Calls visit(left, right) for all in order until it fails.
  template <class Visit>
  Status ForEach(Visit visit) const {
    std::string_view rest = text_;
    for (const auto& [left, right] : lengths_) {
      BITLOSS_DO(visit(rest.substr(0, left), rest.substr(left, right)));
      rest.remove_prefix(size_t{left} + right);
    }
    return Ok();
  }

 private:
  struct Lengths {
    uint32_t left;
    uint32_t right;
  };
  std::string text_;
  std::vector<Lengths> lengths_;
};

// A tokenizer.json. Its two large parts, hundreds of thousands of entries, never become JSON
// values.
struct TokenizerDocument {
  nlohmann::json rest;    // everything else; `model` without the two
  Vocabulary vocabulary;  // model.vocab, if it is an object
  MergeList merges;       // model.merges, if it is an array: ["a b", ...] or [["a", "b"], ...]
};

// kBadInput as ParseJson, and if an entry of the vocabulary or the merges is not one.
Result<TokenizerDocument> ReadTokenizerDocument(std::string_view text);

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_JSON_DOCUMENT_H_
