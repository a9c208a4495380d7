// Tokenizer::FromFolder: Hugging Face's tokenizer.json and tokenizer_config.json.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "bitloss/base/file.h"
#include "bitloss/tokenizer/identity.h"
#include "bitloss/tokenizer/json_document.h"
#include "bitloss/tokenizer/json_fields.h"
#include "bitloss/tokenizer/one_line.h"
#include "bitloss/tokenizer/tokenizer.h"
#include "bitloss/tokenizer/tokenizer_config.h"
#include "bitloss/tokenizer/tokenizer_model.h"
#include "bitloss/tokenizer/tokenizer_parts.h"
#include "bitloss/tokenizer/tokenizer_steps.h"

namespace bitloss {
namespace {

using Json = nlohmann::json;
constexpr size_t kMaxTokenizerBytes = size_t{512} << 20;  // the largest in use have 35 MB

const Json& FieldOrNull(const JsonFields& fields, std::string_view key) {
  static const Json null;
  const Json* value = fields.Find(key);
  return value == nullptr ? null : *value;
}

Result<AddedToken> ReadAddedToken(const Json& value, const std::string& where) {
  BITLOSS_TRY(const JsonFields fields, JsonFields::Of(value, where));
  BITLOSS_DO(
      fields.Only({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"}));
  AddedToken token;
  BITLOSS_TRY(const uint64_t id, fields.Count("id"));
  if (id >= Vocabulary::kMaxTokens) {
    return BadInput("{}: {}; ids up to {} are accepted", fields.PathOf("id"), id,
                    Vocabulary::kMaxTokens - 1);
  }
  token.id = static_cast<TokenId>(id);
  BITLOSS_TRY(token.content, fields.String("content"));
  if (token.content.empty()) return BadInput("{} is empty", fields.PathOf("content"));
  BITLOSS_TRY(token.special, fields.Bool("special", false));
  BITLOSS_TRY(token.single_word, fields.Bool("single_word", false));
  BITLOSS_TRY(token.lstrip, fields.Bool("lstrip", false));
  BITLOSS_TRY(token.rstrip, fields.Bool("rstrip", false));
  BITLOSS_TRY(token.normalized, fields.Bool("normalized", !token.special));
  return token;
}

// Adds to `vocabulary` those that the model does not have. `tokenizers` does not believe their ids
// but counts on, so a file that says anything else means two things, and is refused.
Result<std::vector<AddedToken>> ReadAddedTokens(const JsonFields& root, Vocabulary& vocabulary) {
  std::vector<AddedToken> tokens;
  if (root.Find("added_tokens") == nullptr) return tokens;
  BITLOSS_TRY(const Json* list, root.Array("added_tokens"));
  size_t next_id = vocabulary.num_tokens();
  for (size_t i = 0; i < list->size(); ++i) {
    const std::string where = fmt::format("added_tokens[{}]", i);
    BITLOSS_TRY(AddedToken token, ReadAddedToken((*list)[i], where));
    const auto id = static_cast<size_t>(token.id);
    if (vocabulary.Find(token.content) != token.id) {
      const Status added = vocabulary.Add(token.content, id);
      if (!added.ok()) return Within(where, added.error());
      if (id != next_id) {
        return BadInput("{}: '{}' has id {}, but the next free one is {}", where, token.content, id,
                        next_id);
      }
    }
    next_id = std::max(next_id, id + 1);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

Result<TokenizerParts> ReadParts(std::string_view text) {
  BITLOSS_TRY(TokenizerDocument document, ReadTokenizerDocument(text));
  BITLOSS_TRY(const JsonFields root, JsonFields::Of(document.rest, ""));
  BITLOSS_DO(root.Only({"version", "truncation", "padding", "added_tokens", "normalizer",
                        "pre_tokenizer", "post_processor", "decoder", "model"}));
  for (const std::string_view key : {"truncation", "padding"}) {
    if (root.Find(key) != nullptr) {
      return Unsupported("{} is not implemented; set it to null", key);
    }
  }
  BITLOSS_TRY(const Json* model_json, root.Get("model"));
  BITLOSS_TRY(const JsonFields model_fields, JsonFields::Of(*model_json, "model"));

  BITLOSS_TRY(PreTokenizerPlan plan, ReadPreTokenizer(FieldOrNull(root, "pre_tokenizer")));
  BITLOSS_TRY(Normalizer normalizer, ReadNormalizer(FieldOrNull(root, "normalizer")));
  if (normalizer.MayDropTheStart() && plan.pre_tokenizer.AsksForPlace()) {
    return Unsupported(
        "a normalizer that may drop what a text begins with, with a Metaspace that prepends to the "
        "first piece");
  }
  BITLOSS_TRY(TokenDecoder decoder, ReadDecoder(FieldOrNull(root, "decoder")));
  BITLOSS_TRY(ReadModel model, ReadTokenModel(model_fields, plan.alphabet, document));

  BITLOSS_TRY(std::vector<AddedToken> added, ReadAddedTokens(root, document.vocabulary));
  BITLOSS_TRY(Surroundings around,
              ReadPostProcessor(FieldOrNull(root, "post_processor"), document.vocabulary));
  BITLOSS_TRY(AddedTokens added_tokens, AddedTokens::Of(std::move(added), normalizer));
  return TokenizerParts{.vocabulary = std::move(document.vocabulary),
                        .added_tokens = std::move(added_tokens),
                        .normalizer = std::move(normalizer),
                        .pre_tokenizer = std::move(plan.pre_tokenizer),
                        .model = std::move(model.model),
                        .decoder = std::move(decoder),
                        .prefix = std::move(around.prefix),
                        .suffix = std::move(around.suffix),
                        .surroundings_are_settled = around.from_template,
                        .model_description = std::move(model.description)};
}

Result<std::optional<TokenId>> FindNamed(const Vocabulary& vocabulary, std::string_view key,
                                         const std::optional<std::string>& token) {
  if (!token) return std::optional<TokenId>();
  const auto id = vocabulary.Find(*token);
  if (!id) return BadInput("{} names '{}', which tokenizer.json does not have", key, *token);
  return id;
}

Status CheckListedTokens(const TokenizerConfig& config, const Vocabulary& vocabulary) {
  for (const auto& token : config.added_tokens) {
    const auto id = vocabulary.Find(token.content);
    if (!id || static_cast<uint64_t>(*id) != token.id) {
      return BadInput("added_tokens_decoder lists '{}' with id {}, tokenizer.json {}",
                      token.content, token.id,
                      id ? fmt::format("with id {}", *id) : std::string("not at all"));
    }
  }
  return Ok();
}

// A template of tokenizer.json says what goes around a text; without one the config does.
Status ApplyConfig(const TokenizerConfig& config, TokenizerParts& parts) {
  BITLOSS_DO(CheckListedTokens(config, parts.vocabulary));
  BITLOSS_TRY(parts.bos, FindNamed(parts.vocabulary, "bos_token", config.bos_token));
  BITLOSS_TRY(parts.eos, FindNamed(parts.vocabulary, "eos_token", config.eos_token));
  if (!parts.surroundings_are_settled) {
    if (config.add_bos_token && parts.bos) parts.prefix = {*parts.bos};
    if (config.add_eos_token && parts.eos) parts.suffix = {*parts.eos};
  }
  parts.chat_templates = config.chat_templates;
  parts.named_tokens = config.named_tokens;
  return Ok();
}

Result<TokenizerParts> ReadFolder(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "tokenizer.json";
  BITLOSS_TRY(const std::string text, ReadFile(path, kMaxTokenizerBytes));
  auto parts = ReadParts(text);
  if (!parts.ok()) return Within(path.string(), parts.error());
  BITLOSS_TRY(const TokenizerConfig config, ReadTokenizerConfig(folder));
  if (const Status applied = ApplyConfig(config, parts.value()); !applied.ok()) {
    return Within((folder / "tokenizer_config.json").string(), applied.error());
  }
  return parts;
}

}  // namespace

Result<Tokenizer> Tokenizer::FromFolder(const std::filesystem::path& folder) {
  auto parts = ReadFolder(folder);
  if (!parts.ok()) return OnOneLine(parts.error());
  parts.value().identity = IdentityOf(parts.value());
  return Tokenizer(std::make_shared<TokenizerParts>(std::move(parts).value()));
}

}  // namespace bitloss
