#include "bitloss/tokenizer/json_document.h"

#include <nlohmann/json.hpp>

#include "bitloss/json/strict_builder.h"

namespace bitloss {
namespace {

// Keeps the two large parts out of the tree.
class TokenizerBuilder : public StrictBuilder<Json> {
 public:
  explicit TokenizerBuilder(TokenizerDocument& document) : document_(document) {}

  bool start_object(size_t count) override {
    if (where_ != Where::kTree) return FailEntry();
    if (!IsAt("model", "vocab")) return StrictBuilder::start_object(count);
    return Enter(Where::kVocabulary);
  }
  bool end_object() override {
    return where_ == Where::kVocabulary ? Leave() : StrictBuilder::end_object();
  }
  bool start_array(size_t count) override {
    if (where_ == Where::kMerges) {
      where_ = Where::kPair;
      pair_.clear();
      return true;
    }
    if (where_ != Where::kTree) return FailEntry();
    if (!IsAt("model", "merges")) return StrictBuilder::start_array(count);
    return Enter(Where::kMerges);
  }
  bool end_array() override {
    if (where_ == Where::kMerges) return Leave();
    if (where_ != Where::kPair) return StrictBuilder::end_array();
    if (pair_.size() != 2) return FailEntry();
    document_.merges.Add(pair_[0], pair_[1]);
    where_ = Where::kMerges;
    return true;
  }
  bool key(Text& value) override {
    if (where_ != Where::kVocabulary) return StrictBuilder::key(value);
    token_ = std::move(value);
    return true;
  }
  bool number_unsigned(uint64_t value) override {
    if (where_ == Where::kTree) return StrictBuilder::number_unsigned(value);
    if (where_ != Where::kVocabulary) return FailEntry();
    const Status added = document_.vocabulary.Add(token_, value);
    return added.ok() || Fail(Within("model.vocab", added.error()));
  }
  bool string(Text& value) override {
    switch (where_) {
      case Where::kTree:
        return StrictBuilder::string(value);
      case Where::kMerges:
        return AddMergeLine(value);
      case Where::kPair:
        pair_.push_back(std::move(value));
        return pair_.size() <= 2 || FailEntry();
      case Where::kVocabulary:
        break;
    }
    return FailEntry();
  }
  bool null() override { return where_ == Where::kTree ? StrictBuilder::null() : FailEntry(); }
  bool boolean(bool value) override {
    return where_ == Where::kTree ? StrictBuilder::boolean(value) : FailEntry();
  }
  bool number_integer(int64_t value) override {
    return where_ == Where::kTree ? StrictBuilder::number_integer(value) : FailEntry();
  }
  bool number_float(double value, const Text& text) override {
    return where_ == Where::kTree ? StrictBuilder::number_float(value, text) : FailEntry();
  }

 private:
  enum class Where { kTree, kVocabulary, kMerges, kPair };

  bool Enter(Where where) {
    where_ = where;
    return true;
  }
  bool Leave() {
    where_ = Where::kTree;
    return true;
  }

  // "left right"; the line "#version: ..." of merges.txt may have come along.
  bool AddMergeLine(const std::string& line) {
    if (line.starts_with("#version")) return true;
    const size_t space = line.find(' ');
    if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos) {
      return FailEntry();
    }
    document_.merges.Add(std::string_view(line).substr(0, space),
                         std::string_view(line).substr(space + 1));
    return true;
  }

  bool FailEntry() {
    if (where_ == Where::kVocabulary) {
      return Fail(BadInput("model.vocab: the id of token '{}' is not a whole number from 0 to {}",
                           token_, Vocabulary::kMaxTokens - 1));
    }
    return Fail(BadInput("model.merges: entry {} is not two tokens", document_.merges.size()));
  }

  TokenizerDocument& document_;
  Where where_ = Where::kTree;
  std::string token_;
  std::vector<std::string> pair_;
};

}  // namespace

Result<TokenizerDocument> ReadTokenizerDocument(std::string_view text) {
  TokenizerDocument document;
  TokenizerBuilder builder(document);
  BITLOSS_TRY(document.rest, TokenizerBuilder::Parse(text, builder));
  return document;
}

}  // namespace bitloss
