// The trees of tokenizer.json (normalizer, pre_tokenizer, post_processor, decoder) as plain lists
// of steps. A kind, field or combination that is not implemented is refused with its JSON path.
#ifndef BITLOSS_TOKENIZER_TOKENIZER_STEPS_H_
#define BITLOSS_TOKENIZER_TOKENIZER_STEPS_H_

#include <nlohmann/json.hpp>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/tokenizer/bpe.h"
#include "bitloss/tokenizer/normalizer.h"
#include "bitloss/tokenizer/pre_tokenizer.h"
#include "bitloss/tokenizer/token_decoder.h"
#include "bitloss/tokenizer/vocabulary.h"

namespace bitloss {

// In all of these `value` may be null, which stands for none.

Result<Normalizer> ReadNormalizer(const nlohmann::json& value);

struct PreTokenizerPlan {
  PreTokenizer pre_tokenizer;
  BpeAlphabet alphabet = BpeAlphabet::kCharacters;  // bytes if it ends in ByteLevel
};
Result<PreTokenizerPlan> ReadPreTokenizer(const nlohmann::json& value);

// What goes around a single text.
struct Surroundings {
  std::vector<TokenId> prefix;
  std::vector<TokenId> suffix;
  bool from_template = false;  // a TemplateProcessing says so, be it nothing
};
Result<Surroundings> ReadPostProcessor(const nlohmann::json& value, const Vocabulary& vocabulary);

Result<TokenDecoder> ReadDecoder(const nlohmann::json& value);

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_TOKENIZER_STEPS_H_
