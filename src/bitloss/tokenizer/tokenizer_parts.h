// What a Tokenizer is made of; the readers of files fill it in.
#ifndef BITLOSS_TOKENIZER_TOKENIZER_PARTS_H_
#define BITLOSS_TOKENIZER_TOKENIZER_PARTS_H_

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "bitloss/tokenizer/added_tokens.h"
#include "bitloss/tokenizer/bpe.h"
#include "bitloss/tokenizer/chat_template_source.h"
#include "bitloss/tokenizer/normalizer.h"
#include "bitloss/tokenizer/pre_tokenizer.h"
#include "bitloss/tokenizer/spm.h"
#include "bitloss/tokenizer/token_decoder.h"
#include "bitloss/tokenizer/unigram.h"
#include "bitloss/tokenizer/vocabulary.h"

namespace bitloss {

// What makes ids of a piece.
using TokenModel = std::variant<BpeModel, SpmModel, UnigramModel>;

struct TokenizerParts {
  Vocabulary vocabulary;  // all tokens, the added ones too
  AddedTokens added_tokens;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  TokenModel model;
  TokenDecoder decoder;
  std::vector<TokenId> prefix = {};       // AddTokens::kModel puts these in front
  std::vector<TokenId> suffix = {};       // and these behind
  bool surroundings_are_settled = false;  // by a template, so that no other setting changes them
  std::optional<TokenId> bos = {};
  std::optional<TokenId> eos = {};
  std::vector<ChatTemplateSource> chat_templates = {};
  std::vector<NamedToken> named_tokens = {};
  // The model beside its vocabulary (options, merges or scores), as bytes that are equal exactly
  // for equal models; for the identity.
  std::string model_description = {};
  std::string identity = {};
};

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_TOKENIZER_PARTS_H_
