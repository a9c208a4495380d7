#include "bitloss/tokenizer/json_document.h"

#include <algorithm>

namespace bitloss {
namespace {

using Json = nlohmann::json;

// nlohmann's messages begin with its own name and may repeat a megabyte of input.
std::string ShortMessage(std::string_view what) {
  if (const size_t colon = what.find(": "); colon != std::string_view::npos) {
    what.remove_prefix(colon + 2);
  }
  return std::string(what.substr(0, 160));
}

// Receives the file's values one by one and builds the tree, except what Divert takes.
class TreeBuilder : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return Put(nullptr); }
  bool boolean(bool value) override { return Put(value); }
  bool number_integer(number_integer_t value) override { return Put(value); }
  bool number_unsigned(number_unsigned_t value) override { return Put(value); }
  bool number_float(number_float_t value, const string_t&) override { return Put(value); }
  bool string(string_t& value) override { return Put(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // not in JSON text
  bool start_object(size_t) override { return Open(Json::object()); }
  bool end_object() override { return Close(); }
  bool start_array(size_t) override { return Open(Json::array()); }
  bool end_array() override { return Close(); }
  bool key(string_t& value) override {
    key_ = std::move(value);
    return true;
  }
  bool parse_error(size_t position, const std::string&, const Json::exception& e) override {
    error_ = BadInput("not JSON at byte {}: {}", position, ShortMessage(e.what()));
    return false;
  }

  const std::optional<Error>& error() const { return error_; }
  Json TakeRoot() { return std::move(root_); }

 protected:
  bool Fail(Error error) {
    error_ = std::move(error);
    return false;
  }
  // Whether what comes next is the value of `key` in the object that is the value of `outer` in the
  // outermost one.
  bool IsAt(std::string_view outer, std::string_view key) const {
    return open_.size() == 2 && outer_key_ == outer && open_[1]->is_object() && key_ == key;
  }

 private:
  bool Put(Json value) { return Insert(std::move(value)) != nullptr; }

  Json* Insert(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    if (open_.back()->is_array()) {
      open_.back()->push_back(std::move(value));
      return &open_.back()->back();
    }
    if (open_.size() == 1) outer_key_ = key_;
    Json& place = (*open_.back())[key_];
    place = std::move(value);
    return &place;
  }

  bool Open(Json container) {
    if (open_.size() == kMaxTokenizerJsonDepth) {
      return Fail(BadInput("nested more than {} deep", kMaxTokenizerJsonDepth));
    }
    // A container does not grow while one inside it is open, so the pointers hold.
    open_.push_back(Insert(std::move(container)));
    return true;
  }

  bool Close() {
    open_.pop_back();
    return true;
  }

  Json root_;
  std::vector<Json*> open_;
  std::string key_;
  std::string outer_key_;
  std::optional<Error> error_;
};

class TokenizerBuilder : public TreeBuilder {
 public:
  explicit TokenizerBuilder(TokenizerDocument& document) : document_(document) {}

  bool start_object(size_t count) override {
    if (where_ != Where::kTree) return FailEntry();
    if (!IsAt("model", "vocab")) return TreeBuilder::start_object(count);
    return Enter(Where::kVocabulary, has_vocabulary_);
  }
  bool end_object() override {
    return where_ == Where::kVocabulary ? Leave() : TreeBuilder::end_object();
  }
  bool start_array(size_t count) override {
    if (where_ == Where::kMerges) {
      where_ = Where::kPair;
      pair_.clear();
      return true;
    }
    if (where_ != Where::kTree) return FailEntry();
    if (!IsAt("model", "merges")) return TreeBuilder::start_array(count);
    return Enter(Where::kMerges, has_merges_);
  }
  bool end_array() override {
    if (where_ == Where::kMerges) return Leave();
    if (where_ != Where::kPair) return TreeBuilder::end_array();
    if (pair_.size() != 2) return FailEntry();
    document_.merges.Add(pair_[0], pair_[1]);
    where_ = Where::kMerges;
    return true;
  }
  bool key(string_t& value) override {
    if (where_ != Where::kVocabulary) return TreeBuilder::key(value);
    token_ = std::move(value);
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (where_ == Where::kTree) return TreeBuilder::number_unsigned(value);
    if (where_ != Where::kVocabulary) return FailEntry();
    const Status added = document_.vocabulary.Add(token_, value);
    return added.ok() || Fail(Within("model.vocab", added.error()));
  }
  bool string(string_t& value) override {
    switch (where_) {
      case Where::kTree:
        return TreeBuilder::string(value);
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
  bool null() override { return where_ == Where::kTree ? TreeBuilder::null() : FailEntry(); }
  bool boolean(bool value) override {
    return where_ == Where::kTree ? TreeBuilder::boolean(value) : FailEntry();
  }
  bool number_integer(number_integer_t value) override {
    return where_ == Where::kTree ? TreeBuilder::number_integer(value) : FailEntry();
  }
  bool number_float(number_float_t value, const string_t& text) override {
    return where_ == Where::kTree ? TreeBuilder::number_float(value, text) : FailEntry();
  }

 private:
  enum class Where { kTree, kVocabulary, kMerges, kPair };

  bool Enter(Where where, bool& seen) {
    if (seen) return Fail(BadInput("model.vocab or model.merges is there twice"));
    seen = true;
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
  bool has_vocabulary_ = false;
  bool has_merges_ = false;
  std::string token_;
  std::vector<std::string> pair_;
};

Status Parse(std::string_view text, TreeBuilder& builder) {
  const bool done = Json::sax_parse(text.begin(), text.end(), &builder);
  if (builder.error()) return *builder.error();
  if (!done) return BadInput("not JSON");
  return Ok();
}

}  // namespace

Result<Json> ReadJson(std::string_view text) {
  TreeBuilder builder;
  BITLOSS_DO(Parse(text, builder));
  return builder.TakeRoot();
}

Result<TokenizerDocument> ReadTokenizerDocument(std::string_view text) {
  TokenizerDocument document;
  TokenizerBuilder builder(document);
  BITLOSS_DO(Parse(text, builder));
  document.rest = builder.TakeRoot();
  return document;
}

}  // namespace bitloss
