// The `model` of tokenizer.json.
#ifndef BITLOSS_TOKENIZER_TOKENIZER_MODEL_H_
#define BITLOSS_TOKENIZER_TOKENIZER_MODEL_H_

#include <string>

#include "bitloss/base/result.h"
#include "bitloss/tokenizer/json_document.h"
#include "bitloss/tokenizer/json_fields.h"
#include "bitloss/tokenizer/tokenizer_parts.h"

namespace bitloss {

struct ReadModel {
  TokenModel model;
  std::string description;  // TokenizerParts::model_description
};

// `model` is that field of `document`, whose vocabulary is filled if it was not. A kind or an
// option that is not implemented is refused by its name.
Result<ReadModel> ReadTokenModel(const JsonFields& model, BpeAlphabet alphabet,
                                 TokenizerDocument& document);

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_TOKENIZER_MODEL_H_
