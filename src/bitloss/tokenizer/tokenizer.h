// Text to token ids and back, id for id as the model's own tokenizer does it.
//
// Byte-level BPE (Qwen2, Llama-3, GPT-2, SmolLM2, ...), SentencePiece-style BPE with byte fallback
// and Unigram, read from Hugging Face's tokenizer.json or from the metadata of a GGUF file. What
// those files ask for and is not implemented is refused by name, never ignored.
//
// Encoding, in the order of Hugging Face's `tokenizers`: added tokens are cut out; what lies
// between them is normalized (NFC, ...), cut into pieces by the pre-tokenizer, and each piece is
// merged by rank (or by score, for a SentencePiece vocabulary from GGUF); last, BOS and the like
// are put around it.
//
// A Tokenizer is immutable, cheap to copy (copies share the tables), and may be used by any number
// of threads at once.
#ifndef BITLOSS_TOKENIZER_TOKENIZER_H_
#define BITLOSS_TOKENIZER_TOKENIZER_H_

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/tokenizer/chat_template_source.h"
#include "bitloss/tokenizer/token_id.h"

namespace bitloss {

class GgufFile;         // checkpoint/gguf.h
struct TokenizerParts;  // tokenizer/tokenizer_parts.h

class Tokenizer {
 public:
  // What becomes of the text of a control token ("<|im_end|>") inside the text to encode.
  enum class Special {
    kParse,   // it is that token, as in `tokenizer(text)` of transformers
    kAsText,  // it is spelled out; added tokens that are not control tokens are still recognised
  };
  // Whether what the model was trained to see around a text (BOS, usually) is put around it.
  enum class AddTokens { kNone, kModel };
  // Whether control tokens appear in decoded text.
  enum class SpecialOut { kKeep, kSkip };

  // Reads `folder`/tokenizer.json, which must be there, and, where they are, tokenizer_config.json
  // (special tokens, add_bos_token, add_eos_token, chat_template) and the files of chat templates.
  static Result<Tokenizer> FromFolder(const std::filesystem::path& folder);

  // Reads the keys tokenizer.ggml.* and tokenizer.chat_template*.
  static Result<Tokenizer> FromGguf(const GgufFile& file);

  // The ids of `utf8`. kBadInput names the first byte that is not valid UTF-8, or the place at
  // which the pre-tokenizer's pattern gave up.
  Result<std::vector<TokenId>> Encode(std::string_view utf8, Special special,
                                      AddTokens add_tokens) const;

  // The text of `ids`, valid UTF-8: a sequence that is not becomes U+FFFD, ids without a token
  // (padding rows of the embedding) nothing. No space is cleaned up.
  std::string Decode(std::span<const TokenId> ids, SpecialOut special) const;

  // One more than the largest id. Models often have more rows (padding), never fewer.
  size_t num_tokens() const;

  std::optional<TokenId> bos() const;
  std::optional<TokenId> eos() const;

  // Whether AddTokens::kModel puts bos() in front.
  bool adds_bos() const;

  // The id of a token as the vocabulary spells it ("<|im_end|>", "Ġthe"); none if there is none.
  std::optional<TokenId> Find(std::string_view token) const;

  // The vocabulary's spelling of `id`; empty for an id without a token.
  std::string_view Spelling(TokenId id) const;

  // All that come with the model; templates/chat_template.h reads them.
  const std::vector<ChatTemplateSource>& chat_templates() const;
  // The source of the one named "default", or empty.
  std::string chat_template() const;
  // What templates know as bos_token and so on; those that there are.
  const std::vector<NamedToken>& named_tokens() const;

  // SHA-256 over all that decides ids: vocabulary, merges or scores, added tokens, normalizer,
  // pre-tokenizer, tokens put around. Not over the chat template.
  const std::string& identity() const;

  // For the readers of files: takes over parts that were checked.
  explicit Tokenizer(std::shared_ptr<const TokenizerParts> parts) : parts_(std::move(parts)) {}

 private:
  std::shared_ptr<const TokenizerParts> parts_;  // never null
};

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_TOKENIZER_H_
