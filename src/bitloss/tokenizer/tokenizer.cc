#include "bitloss/tokenizer/tokenizer.h"

#include <tuple>

#include "bitloss/base/text.h"
#include "bitloss/tokenizer/one_line.h"
#include "bitloss/tokenizer/tokenizer_parts.h"

namespace bitloss {
namespace {

// One call of Encode.
class Encoding {
 public:
  Encoding(const TokenizerParts& parts, AddedTokens::Control control)
      : parts_(parts), control_(control) {}

  Status AddText(std::string_view text) {
    for (const auto& segment : parts_.added_tokens.Cut(text, AddedTokens::Phase::kRaw, control_)) {
      if (segment.token) {
        ids_.push_back(*segment.token);
      } else {
        const bool at_start = segment.text.data() == text.data();
        BITLOSS_DO(AddRaw(segment.text,
                          at_start ? PreTokenizer::Place::kStart : PreTokenizer::Place::kLater));
      }
    }
    return Ok();
  }

  void AddTokens(const std::vector<TokenId>& tokens) {
    ids_.insert(ids_.end(), tokens.begin(), tokens.end());
  }

  std::vector<TokenId> TakeIds() { return std::move(ids_); }

 private:
  Status AddRaw(std::string_view raw, PreTokenizer::Place place) {
    BITLOSS_TRY(const std::string_view text, parts_.normalizer.Apply(raw, normalized_));
    const auto segments = parts_.added_tokens.Cut(text, AddedTokens::Phase::kNormalized, control_);
    for (const auto& segment : segments) {
      if (segment.token) {
        ids_.push_back(*segment.token);
      } else {
        const bool at_start = segment.text.data() == text.data();
        BITLOSS_DO(parts_.pre_tokenizer.Cut(
            segment.text, at_start ? place : PreTokenizer::Place::kLater, cut_scratch_, sink_));
      }
    }
    return Ok();
  }

  Status AddPiece(std::string_view piece) {
    return std::visit(
        [&]<class Model>(const Model& model) {
          return model.Encode(piece, std::get<typename Model::Scratch>(model_scratch_), ids_);
        },
        parts_.model);
  }

  const TokenizerParts& parts_;
  AddedTokens::Control control_;
  std::vector<TokenId> ids_;
  std::string normalized_;
  PreTokenizer::Scratch cut_scratch_;
  std::tuple<BpeModel::Scratch, SpmModel::Scratch, UnigramModel::Scratch> model_scratch_;
  PreTokenizer::Sink sink_ = [this](std::string_view piece) { return AddPiece(piece); };
};

}  // namespace

Result<std::vector<TokenId>> Tokenizer::Encode(std::string_view utf8, Special special,
                                               AddTokens add_tokens) const {
  if (const auto bad = FindInvalidUtf8(utf8)) {
    return BadInput("the text is not valid UTF-8 at byte {} (0x{:02X})", *bad,
                    static_cast<uint8_t>(utf8[*bad]));
  }
  Encoding encoding(*parts_, special == Special::kParse ? AddedTokens::Control::kRecognize
                                                        : AddedTokens::Control::kIgnore);
  if (add_tokens == AddTokens::kModel) encoding.AddTokens(parts_->prefix);
  if (const Status added = encoding.AddText(utf8); !added.ok()) return OnOneLine(added.error());
  if (add_tokens == AddTokens::kModel) encoding.AddTokens(parts_->suffix);
  return encoding.TakeIds();
}

std::string Tokenizer::Decode(std::span<const TokenId> ids, SpecialOut special) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const TokenId id : ids) {
    if (!parts_->vocabulary.Has(id)) continue;
    if (special == SpecialOut::kSkip && parts_->added_tokens.IsSpecial(id)) continue;
    tokens.emplace_back(parts_->vocabulary.Spelling(id));
  }
  return parts_->decoder.Decode(std::move(tokens));
}

size_t Tokenizer::num_tokens() const { return parts_->vocabulary.num_ids(); }

std::optional<TokenId> Tokenizer::bos() const { return parts_->bos; }

std::optional<TokenId> Tokenizer::eos() const { return parts_->eos; }

bool Tokenizer::adds_bos() const {
  return parts_->bos && !parts_->prefix.empty() && parts_->prefix.front() == *parts_->bos;
}

std::optional<TokenId> Tokenizer::Find(std::string_view token) const {
  return parts_->vocabulary.Find(token);
}

std::string_view Tokenizer::Spelling(TokenId id) const { return parts_->vocabulary.Spelling(id); }

const std::vector<ChatTemplateSource>& Tokenizer::chat_templates() const {
  return parts_->chat_templates;
}

const std::vector<NamedToken>& Tokenizer::named_tokens() const { return parts_->named_tokens; }

std::string Tokenizer::chat_template() const {
  for (const ChatTemplateSource& source : chat_templates()) {
    if (source.name == "default") return source.jinja;
  }
  return {};
}

const std::string& Tokenizer::identity() const { return parts_->identity; }

}  // namespace bitloss
