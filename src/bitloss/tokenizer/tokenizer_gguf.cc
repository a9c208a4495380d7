// Tokenizer::FromGguf: the keys tokenizer.ggml.*, read as llama.cpp reads them.
#include <algorithm>
#include <array>
#include <cmath>

#include "bitloss/base/text.h"
#include "bitloss/checkpoint/gguf.h"
#include "bitloss/tokenizer/chat_template_files.h"
#include "bitloss/tokenizer/gguf_pre_tokenizers.h"
#include "bitloss/tokenizer/identity.h"
#include "bitloss/tokenizer/json_document.h"
#include "bitloss/tokenizer/merges.h"
#include "bitloss/tokenizer/one_line.h"
#include "bitloss/tokenizer/tokenizer.h"
#include "bitloss/tokenizer/tokenizer_parts.h"

namespace bitloss {
namespace {

enum TokenType : int64_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

// The keys of one file.
class Keys {
 public:
  explicit Keys(const GgufMetadata& metadata) : metadata_(metadata) {}

  Status Read() {
    BITLOSS_TRY(tokens, metadata_.GetStrings("tokenizer.ggml.tokens"));
    if (tokens.empty()) return BadInput("tokenizer.ggml.tokens is empty");
    for (size_t id = 0; id < tokens.size(); ++id) {
      if (FindInvalidUtf8(tokens[id])) {
        return BadInput("tokenizer.ggml.tokens: entry {} is not valid UTF-8", id);
      }
    }
    types.assign(tokens.size(), kNormal);
    if (metadata_.Has("tokenizer.ggml.token_type")) {
      BITLOSS_TRY(types, metadata_.GetInts("tokenizer.ggml.token_type"));
    }
    if (types.size() != tokens.size()) {
      return BadInput("tokenizer.ggml.token_type has {} entries for {} tokens", types.size(),
                      tokens.size());
    }
    return ReadName();
  }

  const GgufMetadata& metadata() const { return metadata_; }
  bool is_phi3() const { return is_phi3_; }

  Result<bool> Flag(std::string_view key, bool fallback) const {
    if (!metadata_.Has(key)) return fallback;
    return metadata_.GetBool(key);
  }

  Result<std::optional<TokenId>> Token(std::string_view key) const {
    if (!metadata_.Has(key)) return std::optional<TokenId>();
    BITLOSS_TRY(const uint64_t id, metadata_.GetUint(key));
    if (id >= tokens.size()) {
      return BadInput("{} is {}, but there are {} tokens", key, id, tokens.size());
    }
    return std::optional(static_cast<TokenId>(id));
  }

  std::span<const std::string> tokens;
  std::vector<int64_t> types;

 private:
  Status ReadName() {
    constexpr std::string_view kName = "general.name";
    if (!metadata_.Has(kName)) return Ok();
    BITLOSS_TRY(std::string name, metadata_.GetString(kName));
    std::transform(name.begin(), name.end(), name.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    is_phi3_ = name.find("phi-3") != std::string::npos || name.find("phi3") != std::string::npos;
    return Ok();
  }

  const GgufMetadata& metadata_;
  bool is_phi3_ = false;
};

// The tokens of the types that `wanted` accepts.
template <class Wanted>
Result<Vocabulary> Select(const Keys& keys, Wanted wanted) {
  Vocabulary vocabulary;
  vocabulary.Reserve(keys.tokens.size());
  for (size_t id = 0; id < keys.tokens.size(); ++id) {
    if (!wanted(keys.types[id])) continue;
    const Status added = vocabulary.Add(keys.tokens[id], id);
    if (!added.ok()) return Within("tokenizer.ggml.tokens", added.error());
  }
  return vocabulary;
}

// Phi-3's tokens take the white space behind them along, all but these. GGUF has no key for it:
// the name of the model says so, as in llama.cpp.
bool TakesSpaceBehind(const Keys& keys, std::string_view token) {
  if (!keys.is_phi3()) return false;
  constexpr std::array<std::string_view, 3> kOthers = {"<unk>", "<s>", "<|endoftext|>"};
  return std::find(kOthers.begin(), kOthers.end(), token) == kOthers.end();
}

Result<AddedTokens> AddedTokensOf(const Keys& keys, const Normalizer& normalizer) {
  std::vector<AddedToken> added;
  for (size_t id = 0; id < keys.tokens.size(); ++id) {
    const int64_t type = keys.types[id];
    const bool special = type == kControl || type == kUnknown;
    if ((!special && type != kUserDefined) || keys.tokens[id].empty()) continue;
    added.push_back({.content = keys.tokens[id],
                     .id = static_cast<TokenId>(id),
                     .special = special,
                     .rstrip = TakesSpaceBehind(keys, keys.tokens[id])});
  }
  return AddedTokens::Of(std::move(added), normalizer);
}

PreTokenizer::Split SplitBy(std::string_view source) {
  auto pattern = Pattern::Compile(source);  // ours; compiles
  return {.pattern = std::move(pattern).value()};
}

Result<NamedPreTokenizer> FindPreTokenizer(const Keys& keys) {
  constexpr std::string_view kKey = "tokenizer.ggml.pre";
  std::string name = "default";
  if (keys.metadata().Has(kKey)) {
    BITLOSS_TRY(name, keys.metadata().GetString(kKey));
  }
  if (const auto found = FindGgufPreTokenizer(name)) return *found;
  if (name == "default") {
    return Unsupported(
        "{} is missing or 'default', so how text is cut is not known; convert the model again with "
        "a newer converter",
        kKey);
  }
  return Unsupported("{}: '{}' is not implemented (known: {})", kKey, name,
                     GgufPreTokenizerNames());
}

// "left right"; a token may begin with a space.
Result<MergeList> ReadMerges(const Keys& keys) {
  BITLOSS_TRY(const auto lines, keys.metadata().GetStrings("tokenizer.ggml.merges"));
  MergeList merges;
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string_view line = lines[i];
    const size_t space = line.find(' ', 1);
    if (space == std::string_view::npos) {
      return BadInput("tokenizer.ggml.merges: entry {} is not two tokens", i);
    }
    merges.Add(line.substr(0, space), line.substr(space + 1));
  }
  return merges;
}

// BOS and EOS, and which of them go around a text.
Status ReadEnds(const Keys& keys, bool adds_bos, TokenizerParts& parts) {
  BITLOSS_TRY(parts.bos, keys.Token("tokenizer.ggml.bos_token_id"));
  BITLOSS_TRY(parts.eos, keys.Token("tokenizer.ggml.eos_token_id"));
  BITLOSS_TRY(adds_bos, keys.Flag("tokenizer.ggml.add_bos_token", adds_bos));
  BITLOSS_TRY(const bool adds_eos, keys.Flag("tokenizer.ggml.add_eos_token", false));
  if (adds_bos && parts.bos) parts.prefix = {*parts.bos};
  if (adds_eos && parts.eos) parts.suffix = {*parts.eos};
  return Ok();
}

// tokenizer.ggml.model = gpt2.
Result<TokenizerParts> ReadByteLevel(const Keys& keys) {
  BITLOSS_TRY(const NamedPreTokenizer named, FindPreTokenizer(keys));
  BITLOSS_TRY(Vocabulary all, Select(keys, [](int64_t) { return true; }));
  BITLOSS_TRY(const Vocabulary pieces,
              Select(keys, [](int64_t type) { return type == kNormal || type == kByte; }));
  BITLOSS_TRY(const MergeList list, ReadMerges(keys));
  auto merges = RankMerges(list, all);
  if (!merges.ok()) return Within("tokenizer.ggml.merges", merges.error());

  std::vector<Normalizer::Step> normalizer_steps;
  if (named.normalize == NamedPreTokenizer::Normalize::kNfc) {
    normalizer_steps.emplace_back(UnicodeForm::kNfc);
  }
  const Normalizer normalizer(std::move(normalizer_steps));
  std::vector<PreTokenizer::Step> steps;
  for (const std::string_view pattern : named.patterns) steps.emplace_back(SplitBy(pattern));
  const BpeOptions options{.whole_pieces = named.whole_pieces};

  BITLOSS_TRY(AddedTokens added_tokens, AddedTokensOf(keys, normalizer));
  TokenizerParts parts{
      .vocabulary = std::move(all),
      .added_tokens = std::move(added_tokens),
      .normalizer = normalizer,
      .pre_tokenizer = PreTokenizer(std::move(steps)),
      .model = BpeModel(pieces, std::move(merges.value().table), options),
      .decoder = TokenDecoder({TokenDecoder::ByteLevel{}}, TokenDecoder::Between::kNothing),
      .model_description = DescribeBpe(options) + merges.value().pairs};
  BITLOSS_DO(ReadEnds(keys, named.adds_bos, parts));
  return parts;
}

Result<std::vector<float>> ReadScores(const Keys& keys) {
  BITLOSS_TRY(const auto values, keys.metadata().GetFloats("tokenizer.ggml.scores"));
  if (values.size() != keys.tokens.size()) {
    return BadInput("tokenizer.ggml.scores has {} entries for {} tokens", values.size(),
                    keys.tokens.size());
  }
  std::vector<float> scores;
  scores.reserve(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) return BadInput("tokenizer.ggml.scores: entry {} is NaN", i);
    scores.push_back(static_cast<float>(values[i]));
  }
  return scores;
}

// tokenizer.ggml.model = gemma4: spaces become U+2581, characters are merged by rank, those without
// a token become bytes.
Result<TokenizerParts> ReadGemma4(const Keys& keys) {
  BITLOSS_TRY(Vocabulary all, Select(keys, [](int64_t) { return true; }));
  BITLOSS_TRY(const MergeList list, ReadMerges(keys));
  auto merges = RankMerges(list, all);
  if (!merges.ok()) return Within("tokenizer.ggml.merges", merges.error());
  BITLOSS_TRY(const auto unknown, keys.Token("tokenizer.ggml.unknown_token_id"));
  const BpeOptions options{.alphabet = BpeAlphabet::kCharacters,
                           .byte_fallback = BpeOptions::ByteFallback::kOn,
                           .unknown = unknown,
                           .unknowns = BpeOptions::Unknowns::kFused};
  const Normalizer normalizer({Normalizer::Replace{" ", "\u2581"}});
  BITLOSS_TRY(AddedTokens added_tokens, AddedTokensOf(keys, normalizer));
  BpeModel model(all, std::move(merges.value().table), options);
  TokenizerParts parts{.vocabulary = std::move(all),
                       .added_tokens = std::move(added_tokens),
                       .normalizer = normalizer,
                       .pre_tokenizer = {},
                       .model = std::move(model),
                       .decoder = TokenDecoder::SentencePiece(TokenDecoder::LeadingSpace::kKeep),
                       .model_description = DescribeBpe(options) + merges.value().pairs};
  BITLOSS_DO(ReadEnds(keys, /*adds_bos=*/false, parts));
  return parts;
}

// tokenizer.ggml.model = llama: SentencePiece, with scores.
Result<TokenizerParts> ReadSentencePiece(const Keys& keys) {
  BITLOSS_TRY(Vocabulary all, Select(keys, [](int64_t) { return true; }));
  BITLOSS_TRY(Vocabulary pieces, Select(keys, [](int64_t type) {
                return type == kNormal || type == kUserDefined || type == kUnused;
              }));
  BITLOSS_TRY(std::vector<float> scores, ReadScores(keys));
  BITLOSS_TRY(const auto unknown, keys.Token("tokenizer.ggml.unknown_token_id"));
  BITLOSS_TRY(const bool prefix, keys.Flag("tokenizer.ggml.add_space_prefix", true));

  std::vector<Normalizer::Step> steps;
  if (prefix) steps.emplace_back(Normalizer::Prepend{" "});
  steps.emplace_back(Normalizer::Replace{" ", "\u2581"});
  const Normalizer normalizer(std::move(steps));
  std::string description = fmt::format("spm {}\n", unknown.value_or(-1));
  description.append(reinterpret_cast<const char*>(scores.data()), scores.size() * sizeof(float));

  const std::array<TokenId, 256> byte_tokens = SpelledByteTokens(all);
  BITLOSS_TRY(AddedTokens added_tokens, AddedTokensOf(keys, normalizer));
  TokenizerParts parts{
      .vocabulary = std::move(all),
      .added_tokens = std::move(added_tokens),
      .normalizer = normalizer,
      .pre_tokenizer = {},
      .model = SpmModel(std::move(pieces), std::move(scores), byte_tokens, unknown),
      .decoder = TokenDecoder::SentencePiece(prefix ? TokenDecoder::LeadingSpace::kDrop
                                                    : TokenDecoder::LeadingSpace::kKeep),
      .model_description = std::move(description)};
  BITLOSS_DO(ReadEnds(keys, /*adds_bos=*/true, parts));
  return parts;
}

// The tokens that chat templates know by name.
Result<std::vector<NamedToken>> NamedTokens(const Keys& keys) {
  constexpr std::array<std::pair<const char*, const char*>, 7> kNames = {
      {{"bos_token", "bos"},
       {"eos_token", "eos"},
       {"unk_token", "unknown"},
       {"sep_token", "seperator"},
       {"pad_token", "padding"},
       {"cls_token", "cls"},
       {"mask_token", "mask"}}};  // seperator: as GGUF spells it
  std::vector<NamedToken> tokens;
  for (const auto& [name, key] : kNames) {
    BITLOSS_TRY(const auto id, keys.Token(fmt::format("tokenizer.ggml.{}_token_id", key)));
    if (id) tokens.push_back({name, keys.tokens[static_cast<size_t>(*id)]});
  }
  return tokens;
}

using ReadKind = Result<TokenizerParts> (*)(const Keys&);

// By the file's tokenizer.ggml.model; null for another.
ReadKind ReaderOf(std::string_view model) {
  if (model == "gpt2") return &ReadByteLevel;
  if (model == "llama") return &ReadSentencePiece;
  return model == "gemma4" ? &ReadGemma4 : nullptr;
}

Result<TokenizerParts> ReadParts(const GgufMetadata& metadata) {
  BITLOSS_TRY(const std::string model, metadata.GetString("tokenizer.ggml.model"));
  const ReadKind read = ReaderOf(model);
  if (read == nullptr) {
    return Unsupported("tokenizer.ggml.model: '{}' is not implemented (known: gpt2, llama, gemma4)",
                       model);
  }
  Keys keys(metadata);
  BITLOSS_DO(keys.Read());
  BITLOSS_TRY(TokenizerParts parts, read(keys));
  BITLOSS_TRY(parts.chat_templates, FindChatTemplates(metadata));
  BITLOSS_TRY(parts.named_tokens, NamedTokens(keys));
  return parts;
}

}  // namespace

Result<Tokenizer> Tokenizer::FromGguf(const GgufFile& file) {
  auto parts = ReadParts(file.metadata());
  if (!parts.ok()) return OnOneLine(parts.error());
  parts.value().identity = IdentityOf(parts.value());
  return Tokenizer(std::make_shared<TokenizerParts>(std::move(parts).value()));
}

}  // namespace bitloss
