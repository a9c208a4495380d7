// The tokenizer of a folder as the metadata of a GGUF file.
#ifndef BITLOSS_CONVERT_GGUF_TOKENIZER_H_
#define BITLOSS_CONVERT_GGUF_TOKENIZER_H_

#include <cstdint>
#include <filesystem>

#include "bitloss/base/result.h"
#include "bitloss/checkpoint/write_gguf.h"
#include "bitloss/study/model_files.h"

namespace bitloss {

// What "tokenizer.ggml.token_type" says of each token.
struct GgufTokenType {
  static constexpr int32_t kNormal = 1;
  static constexpr int32_t kUnknown = 2;
  static constexpr int32_t kControl = 3;
  static constexpr int32_t kUserDefined = 4;
  static constexpr int32_t kUnused = 5;
  static constexpr int32_t kByte = 6;
};

// `pairs` and the keys tokenizer.*: tokens in the order of their ids (ids without one, up to the
// model's rows, are unused "[PAD<id>]"), types, merges, ends, chat template, and the pre-tokenizer
// name of those known with which the keys, read back, give the tokenizer's own ids. Errors as
// WriteGgufFile says. `folder` is for a file that is written and removed again.
Result<GgufPairs> WithTokenizer(const ModelFiles& model, GgufPairs pairs,
                                const std::filesystem::path& folder);

// Whether two tokenizers give the same ids for a text that tells pre-tokenizers apart (numbers,
// contractions, spaces, line ends, accents, scripts) and the calibration text that ships.
Result<bool> GiveTheSameIds(const Tokenizer& a, const Tokenizer& b);

}  // namespace bitloss

#endif  // BITLOSS_CONVERT_GGUF_TOKENIZER_H_
