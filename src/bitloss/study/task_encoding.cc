#include "bitloss/study/task_encoding.h"

#include "bitloss/data/white_space.h"

namespace bitloss {
namespace {

std::optional<TokenId> BeginToken(const Tokenizer& tokenizer) {
  return tokenizer.bos() ? tokenizer.bos() : tokenizer.eos();
}

Result<std::vector<TokenId>> EncodeText(const Tokenizer& tokenizer, const std::string& text) {
  const std::optional<TokenId> begin = BeginToken(tokenizer);
  const bool begins_so = begin && text.starts_with(tokenizer.Spelling(*begin));
  return tokenizer.Encode(text, Tokenizer::Special::kParse,
                          begins_so ? Tokenizer::AddTokens::kNone : Tokenizer::AddTokens::kModel);
}

Status PutBeginToken(const Tokenizer& tokenizer, EncodedContinuation& encoded) {
  const std::optional<TokenId> begin = BeginToken(tokenizer);
  encoded.first_scored = 1;
  if (!begin) return BadInput("nothing comes before it, and the tokenizer has no token for that");
  // A continuation that begins with it already says what the first of its others follows.
  if (!encoded.tokens.empty() && encoded.tokens[0] == *begin) return Ok();
  encoded.tokens.insert(encoded.tokens.begin(), *begin);
  return Ok();
}

Result<EncodedContinuation> EncodePair(const Tokenizer& tokenizer, std::string_view context,
                                       std::string_view continuation) {
  EncodedContinuation encoded;
  if (context.empty()) {
    BITLOSS_TRY(encoded.tokens, tokenizer.Encode(continuation, Tokenizer::Special::kParse,
                                                 Tokenizer::AddTokens::kNone));
    BITLOSS_DO(PutBeginToken(tokenizer, encoded));
    return encoded;
  }
  const std::string before(context.substr(0, TrailingSpaceStart(context)));
  BITLOSS_TRY(const std::vector<TokenId> whole,
              EncodeText(tokenizer, std::string(context) + std::string(continuation)));
  BITLOSS_TRY(encoded.tokens, EncodeText(tokenizer, before));
  encoded.first_scored = encoded.tokens.size();
  if (whole.size() > encoded.tokens.size()) {
    encoded.tokens.insert(encoded.tokens.end(),
                          whole.begin() + static_cast<std::ptrdiff_t>(encoded.first_scored),
                          whole.end());
  }
  if (encoded.first_scored == 0) BITLOSS_DO(PutBeginToken(tokenizer, encoded));
  return encoded;
}

}  // namespace

Result<EncodedContinuation> EncodeContinuation(const Tokenizer& tokenizer, std::string_view context,
                                               std::string_view continuation,
                                               size_t max_positions) {
  BITLOSS_TRY(EncodedContinuation encoded, EncodePair(tokenizer, context, continuation));
  if (encoded.tokens.size() <= encoded.first_scored) {
    return BadInput("the continuation has no token of its own: it ends within the context's last");
  }
  // The last token is predicted and takes no position.
  const size_t most = max_positions + 1;
  if (encoded.num_scored() >= most) {
    return BadInput("the continuation has {} tokens, but the model only {} positions; shorten it",
                    encoded.num_scored(), max_positions);
  }
  if (encoded.tokens.size() > most) {
    encoded.num_cut = encoded.tokens.size() - most;
    encoded.tokens.erase(encoded.tokens.begin(),
                         encoded.tokens.begin() + static_cast<std::ptrdiff_t>(encoded.num_cut));
    encoded.first_scored -= encoded.num_cut;
  }
  return encoded;
}

}  // namespace bitloss
