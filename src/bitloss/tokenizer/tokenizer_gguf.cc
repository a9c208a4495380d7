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

using Normalize = NamedPreTokenizer::Normalize;
using Digits = NamedPreTokenizer::Digits;

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
    return Ok();
  }

  const GgufMetadata& metadata() const { return metadata_; }

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
  const GgufMetadata& metadata_;
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

std::vector<AddedToken> AddedTokensOf(const Keys& keys) {
  std::vector<AddedToken> added;
  for (size_t id = 0; id < keys.tokens.size(); ++id) {
    const int64_t type = keys.types[id];
    const bool special = type == kControl || type == kUnknown;
    if ((!special && type != kUserDefined) || keys.tokens[id].empty()) continue;
    added.push_back(
        {.content = keys.tokens[id], .id = static_cast<TokenId>(id), .special = special});
  }
  return added;
}

PreTokenizer::Split SplitBy(std::string_view source) {
  auto pattern = Pattern::Compile(source);  // ours; compiles
  return {.pattern = std::move(pattern).value()};
}

Result<NamedPreTokenizer> FindPreTokenizer(const Keys& keys) {
  std::string name = "default";
  if (keys.metadata().Has("tokenizer.ggml.pre")) {
    BITLOSS_TRY(name, keys.metadata().GetString("tokenizer.ggml.pre"));
  }
  std::string known;
  for (const NamedPreTokenizer& entry : GgufPreTokenizers()) {
    if (entry.name == name) return entry;
    known += known.empty() ? "" : ", ";
    known += entry.name;
  }
  return Unsupported("tokenizer.ggml.pre: '{}' is not implemented (known: {})", name, known);
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
  if (named.normalize == Normalize::kNfc) normalizer_steps.emplace_back(Normalizer::Nfc{});
  const Normalizer normalizer(std::move(normalizer_steps));
  std::vector<PreTokenizer::Step> steps;
  if (named.digits == Digits::kEachFirst) steps.emplace_back(SplitBy(R"(\p{N})"));
  steps.emplace_back(SplitBy(named.pattern));
  const BpeOptions options{.whole_pieces = named.whole_pieces};

  TokenizerParts parts{
      .vocabulary = std::move(all),
      .added_tokens = AddedTokens(AddedTokensOf(keys), normalizer),
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

std::array<TokenId, 256> ByteTokensOf(const Vocabulary& vocabulary) {
  std::array<TokenId, 256> tokens;
  for (size_t byte = 0; byte < 256; ++byte) {
    tokens[byte] = vocabulary.Find(fmt::format("<0x{:02X}>", byte)).value_or(-1);
  }
  return tokens;
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

  const std::array<TokenId, 256> byte_tokens = ByteTokensOf(all);
  TokenizerParts parts{
      .vocabulary = std::move(all),
      .added_tokens = AddedTokens(AddedTokensOf(keys), normalizer),
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

Result<TokenizerParts> ReadParts(const GgufMetadata& metadata) {
  BITLOSS_TRY(const std::string model, metadata.GetString("tokenizer.ggml.model"));
  if (model != "gpt2" && model != "llama") {
    return Unsupported("tokenizer.ggml.model: '{}' is not implemented (known: gpt2, llama)", model);
  }
  Keys keys(metadata);
  BITLOSS_DO(keys.Read());
  BITLOSS_TRY(TokenizerParts parts,
              model == "gpt2" ? ReadByteLevel(keys) : ReadSentencePiece(keys));
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
