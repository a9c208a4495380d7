#include "bitloss/tokenizer/tokenizer_model.h"

#include <array>
#include <charconv>
#include <cmath>

#include "bitloss/tokenizer/merges.h"

namespace bitloss {
namespace {

using Json = nlohmann::json;

Status CheckBpe(const JsonFields& model) {
  BITLOSS_DO(
      model.Only({"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
                  "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"}));
  for (const std::string_view key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    BITLOSS_TRY(const std::string affix, model.String(key, ""));
    if (!affix.empty()) return Unsupported("model.{}: '{}' is not implemented", key, affix);
  }
  const Json* dropout = model.Find("dropout");
  if (dropout != nullptr && *dropout != 0.0) {
    return Unsupported("model.dropout: {}: encoding would be random; set it to null",
                       dropout->dump());
  }
  for (const std::string_view key : {"vocab", "merges"}) {
    if (model.Find(key) != nullptr) {
      return BadInput("model.{} is not {}", key, key == "vocab" ? "an object" : "an array");
    }
  }
  return Ok();
}

Result<BpeOptions> ReadBpeOptions(const JsonFields& model, const Vocabulary& vocabulary,
                                  BpeAlphabet alphabet) {
  BpeOptions options;
  options.alphabet = alphabet;
  BITLOSS_TRY(const bool ignore_merges, model.Bool("ignore_merges", false));
  if (ignore_merges) options.whole_pieces = BpeOptions::WholePieces::kLookUp;
  BITLOSS_TRY(const bool byte_fallback, model.Bool("byte_fallback", false));
  if (byte_fallback) options.byte_fallback = BpeOptions::ByteFallback::kOn;
  BITLOSS_TRY(const bool fuse, model.Bool("fuse_unk", false));
  if (fuse) options.unknowns = BpeOptions::Unknowns::kFused;
  BITLOSS_TRY(const std::string unknown, model.String("unk_token", ""));
  if (!unknown.empty()) {
    options.unknown = vocabulary.Find(unknown);
    if (!options.unknown) {
      return BadInput("model.unk_token: '{}' is not in the vocabulary", unknown);
    }
  }
  if (alphabet == BpeAlphabet::kBytes && byte_fallback) {
    return Unsupported("model.byte_fallback together with ByteLevel");
  }
  return options;
}

Result<ReadModel> ReadBpe(const JsonFields& model, BpeAlphabet alphabet,
                          TokenizerDocument& document) {
  BITLOSS_DO(CheckBpe(model));
  const Vocabulary& vocabulary = document.vocabulary;
  if (vocabulary.num_tokens() == 0) return BadInput("model.vocab is missing or empty");
  BITLOSS_TRY(const BpeOptions options, ReadBpeOptions(model, vocabulary, alphabet));
  auto merges = RankMerges(document.merges, vocabulary);
  if (!merges.ok()) return Within("model.merges", merges.error());
  return ReadModel{BpeModel(vocabulary, std::move(merges.value().table), options),
                   DescribeBpe(options) + merges.value().pairs};
}

// What serde_json, with which `tokenizers` reads, makes of the shortest decimals of a number: the
// digits as an integer, times or over a power of ten. That is not always the nearest double, and
// the last bit decides between cuts of the same score.
double AsSerdeReads(double number) {
  std::array<char, 40> text = {};
  const char* end = std::to_chars(text.data(), text.data() + text.size(), std::abs(number),
                                  std::chars_format::scientific)
                        .ptr;
  uint64_t digits = 0;
  int exponent = 0;
  const char* at = text.data();
  for (bool is_fraction = false; *at != 'e'; ++at) {
    if (*at == '.') {
      is_fraction = true;
      continue;
    }
    digits = digits * 10 + static_cast<uint64_t>(*at - '0');
    exponent -= is_fraction ? 1 : 0;
  }
  int written = 0;
  at += at[1] == '+' ? 2 : 1;
  std::from_chars(at, end, written);
  exponent += written;
  double power = 1.0;
  const std::string spelled = fmt::format("1e{}", std::abs(exponent));
  std::from_chars(spelled.data(), spelled.data() + spelled.size(), power);
  const auto whole = static_cast<double>(digits);
  return std::copysign(exponent < 0 ? whole / power : whole * power, number);
}

// [["<unk>", 0.0], ["\u2581", -3.2], ...], by id.
Result<std::vector<double>> ReadScores(const JsonFields& model, Vocabulary& vocabulary) {
  if (vocabulary.num_tokens() != 0) return BadInput("model.vocab is not an array");
  BITLOSS_TRY(const Json* list, model.Array("vocab"));
  if (list->empty()) return BadInput("model.vocab is empty");
  std::vector<double> scores;
  vocabulary.Reserve(list->size());
  for (const Json& entry : *list) {
    const bool fits = entry.is_array() && entry.size() == 2 && entry[0].is_string() &&
                      entry[1].is_number() && std::isfinite(entry[1].get<double>());
    if (!fits) return BadInput("model.vocab: entry {} is not a token and its score", scores.size());
    const Status added = vocabulary.Add(entry[0].get_ref<const std::string&>(), scores.size());
    if (!added.ok()) return Within("model.vocab", added.error());
    scores.push_back(AsSerdeReads(entry[1].get<double>()));
  }
  return scores;
}

Result<ReadModel> ReadUnigram(const JsonFields& model, BpeAlphabet alphabet,
                              TokenizerDocument& document) {
  BITLOSS_DO(model.Only({"type", "unk_id", "vocab", "byte_fallback"}));
  if (alphabet == BpeAlphabet::kBytes) {
    return Unsupported("model.type: 'Unigram' together with ByteLevel");
  }
  Vocabulary& vocabulary = document.vocabulary;
  BITLOSS_TRY(std::vector<double> scores, ReadScores(model, vocabulary));
  std::optional<TokenId> unknown;
  if (model.Find("unk_id") != nullptr) {
    BITLOSS_TRY(const uint64_t id, model.Count("unk_id"));
    if (id >= scores.size()) {
      return BadInput("model.unk_id is {}, but there are {} tokens", id, scores.size());
    }
    unknown = static_cast<TokenId>(id);
  }
  BITLOSS_TRY(const bool byte_fallback, model.Bool("byte_fallback", false));
  std::string description =
      fmt::format("unigram {} {}\n", unknown.value_or(-1), static_cast<int>(byte_fallback));
  description.append(reinterpret_cast<const char*>(scores.data()), scores.size() * sizeof(double));
  using Fallback = UnigramModel::ByteFallback;
  return ReadModel{UnigramModel(vocabulary, std::move(scores), unknown,
                                byte_fallback ? Fallback::kOn : Fallback::kOff),
                   std::move(description)};
}

}  // namespace

Result<ReadModel> ReadTokenModel(const JsonFields& model, BpeAlphabet alphabet,
                                 TokenizerDocument& document) {
  BITLOSS_TRY(const std::string type, model.String("type", "BPE"));
  if (type == "BPE") return ReadBpe(model, alphabet, document);
  if (type == "Unigram") return ReadUnigram(model, alphabet, document);
  return Unsupported("model.type: '{}' is not implemented (known: BPE, Unigram)", type);
}

}  // namespace bitloss
