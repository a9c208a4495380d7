#include "bitloss/tokenizer/tokenizer_steps.h"

#include <functional>
#include <nlohmann/json.hpp>

#include "bitloss/tokenizer/json_fields.h"

namespace bitloss {
namespace {

using Json = nlohmann::json;
using Visit = std::function<Status(const JsonFields& node, const std::string& type)>;

// Visits the leaves of a tree of Sequences, in order; `children` is the field that holds them.
Status ForEachStep(const Json& value, const std::string& where, std::string_view children,
                   const Visit& visit) {
  if (value.is_null()) return Ok();
  BITLOSS_TRY(const JsonFields node, JsonFields::Of(value, where));
  BITLOSS_TRY(const std::string type, node.String("type"));
  if (type != "Sequence") return visit(node, type);
  BITLOSS_DO(node.Only({"type", children}));
  BITLOSS_TRY(const Json* list, node.Array(children));
  for (size_t i = 0; i < list->size(); ++i) {
    BITLOSS_DO(
        ForEachStep((*list)[i], fmt::format("{}[{}]", node.PathOf(children), i), children, visit));
  }
  return Ok();
}

Error UnknownKind(const JsonFields& node, std::string_view type, std::string_view known) {
  return Unsupported("{}: '{}' is not implemented (known: {})", node.where(), type, known);
}

// {"String": "..."}: a text to be replaced.
Result<std::string> LiteralPattern(const JsonFields& node) {
  BITLOSS_TRY(const Json* value, node.Get("pattern"));
  BITLOSS_TRY(const JsonFields pattern, JsonFields::Of(*value, node.PathOf("pattern")));
  BITLOSS_DO(pattern.Only({"String"}));
  BITLOSS_TRY(std::string text, pattern.String("String"));
  if (text.empty()) return BadInput("{} is empty", pattern.PathOf("String"));
  return text;
}

Result<Normalizer::Step> NormalizerStep(const JsonFields& node, const std::string& type) {
  if (type == "NFC") {
    BITLOSS_DO(node.Only({"type"}));
    return Normalizer::Step(Normalizer::Nfc{});
  }
  if (type == "Prepend") {
    BITLOSS_DO(node.Only({"type", "prepend"}));
    BITLOSS_TRY(std::string text, node.String("prepend"));
    return Normalizer::Step(Normalizer::Prepend{std::move(text)});
  }
  if (type == "Replace") {
    BITLOSS_DO(node.Only({"type", "pattern", "content"}));
    BITLOSS_TRY(std::string from, LiteralPattern(node));
    BITLOSS_TRY(std::string to, node.String("content"));
    return Normalizer::Step(Normalizer::Replace{std::move(from), std::move(to)});
  }
  return UnknownKind(node, type, "Sequence, NFC, Prepend, Replace");
}

Result<PreTokenizer::Behavior> ReadBehavior(const JsonFields& node) {
  using Behavior = PreTokenizer::Behavior;
  BITLOSS_TRY(const std::string name, node.String("behavior"));
  if (name == "Isolated") return Behavior::kIsolated;
  if (name == "Removed") return Behavior::kRemoved;
  if (name == "MergedWithPrevious") return Behavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return Behavior::kMergedWithNext;
  if (name == "Contiguous") return Behavior::kContiguous;
  return Unsupported("{}: '{}' is not implemented", node.PathOf("behavior"), name);
}

Result<Pattern> ReadPattern(const JsonFields& node) {
  BITLOSS_TRY(const Json* value, node.Get("pattern"));
  BITLOSS_TRY(const JsonFields fields, JsonFields::Of(*value, node.PathOf("pattern")));
  BITLOSS_DO(fields.Only({"Regex", "String"}));
  const bool is_regex = fields.Find("Regex") != nullptr;
  BITLOSS_TRY(const std::string source, fields.String(is_regex ? "Regex" : "String"));
  auto pattern = is_regex ? Pattern::Compile(source) : Pattern::CompileLiteral(source);
  if (!pattern.ok()) return Within(fields.where(), pattern.error());
  return pattern;
}

// `source` is of this project and compiles.
PreTokenizer::Split SplitBy(std::string_view source, PreTokenizer::Behavior behavior) {
  auto pattern = Pattern::Compile(source);
  return {std::move(pattern).value(), behavior, PreTokenizer::Finds::kMatches};
}

Result<PreTokenizer::Split> ReadSplit(const JsonFields& node) {
  BITLOSS_DO(node.Only({"type", "pattern", "behavior", "invert"}));
  BITLOSS_TRY(Pattern pattern, ReadPattern(node));
  BITLOSS_TRY(const PreTokenizer::Behavior behavior, ReadBehavior(node));
  BITLOSS_TRY(const bool invert, node.Bool("invert", false));
  return PreTokenizer::Split{std::move(pattern), behavior,
                             invert ? PreTokenizer::Finds::kGaps : PreTokenizer::Finds::kMatches};
}

Result<PreTokenizer::Metaspace> ReadMetaspace(const JsonFields& node) {
  using Metaspace = PreTokenizer::Metaspace;
  BITLOSS_DO(
      node.Only({"type", "replacement", "add_prefix_space", "str_rep", "prepend_scheme", "split"}));
  Metaspace metaspace;
  BITLOSS_TRY(metaspace.replacement, node.String("replacement"));
  if (metaspace.replacement.empty()) return BadInput("{} is empty", node.PathOf("replacement"));
  BITLOSS_TRY(const bool prefix, node.Bool("add_prefix_space", true));
  BITLOSS_TRY(const std::string scheme, node.String("prepend_scheme", prefix ? "always" : "never"));
  if (scheme == "first") {
    metaspace.prepend = Metaspace::Prepend::kFirst;
  } else if (scheme == "never") {
    metaspace.prepend = Metaspace::Prepend::kNever;
  } else if (scheme != "always") {
    return Unsupported("{}: '{}' is not implemented", node.PathOf("prepend_scheme"), scheme);
  }
  BITLOSS_TRY(const bool split, node.Bool("split", true));
  metaspace.cut = split ? Metaspace::Cut::kBeforeEach : Metaspace::Cut::kNone;
  return metaspace;
}

// Adds the step or steps of one node.
Status AddPreTokenizerSteps(const JsonFields& node, const std::string& type,
                            std::vector<PreTokenizer::Step>& steps, BpeAlphabet& alphabet) {
  using Behavior = PreTokenizer::Behavior;
  if (alphabet == BpeAlphabet::kBytes) {
    return Unsupported("{}: '{}' after ByteLevel is not implemented", node.where(), type);
  }
  if (type == "Split") {
    BITLOSS_TRY(auto split, ReadSplit(node));
    steps.emplace_back(std::move(split));
  } else if (type == "Digits") {
    BITLOSS_DO(node.Only({"type", "individual_digits"}));
    BITLOSS_TRY(const bool each, node.Bool("individual_digits"));
    steps.emplace_back(SplitBy(R"(\p{N})", each ? Behavior::kIsolated : Behavior::kContiguous));
  } else if (type == "ByteLevel") {
    BITLOSS_DO(node.Only({"type", "add_prefix_space", "trim_offsets", "use_regex"}));
    BITLOSS_TRY(const bool prefix_space, node.Bool("add_prefix_space"));
    BITLOSS_TRY(const bool use_regex, node.Bool("use_regex", true));
    if (prefix_space) steps.emplace_back(PreTokenizer::PrefixSpace{});
    if (use_regex) steps.emplace_back(SplitBy(kGpt2Pattern, Behavior::kIsolated));
    alphabet = BpeAlphabet::kBytes;
  } else if (type == "Metaspace") {
    BITLOSS_TRY(auto metaspace, ReadMetaspace(node));
    steps.emplace_back(std::move(metaspace));
  } else {
    return UnknownKind(node, type, "Sequence, Split, Digits, ByteLevel, Metaspace");
  }
  return Ok();
}

// The ids that a template's special token stands for.
Status AddTemplateToken(const JsonFields& node, const JsonFields& piece,
                        const Vocabulary& vocabulary, std::vector<TokenId>& ids) {
  BITLOSS_TRY(const std::string name, piece.String("id"));
  BITLOSS_TRY(const Json* table, node.Get("special_tokens"));
  BITLOSS_TRY(const JsonFields tokens, JsonFields::Of(*table, node.PathOf("special_tokens")));
  BITLOSS_TRY(const Json* entry, tokens.Get(name));
  BITLOSS_TRY(const JsonFields token, JsonFields::Of(*entry, tokens.PathOf(name)));
  BITLOSS_TRY(const Json* list, token.Array("ids"));
  for (const Json& id : *list) {
    const bool known = id.is_number_unsigned() && id.get<uint64_t>() < vocabulary.num_ids() &&
                       vocabulary.Has(static_cast<TokenId>(id.get<uint64_t>()));
    if (!known) return BadInput("{}: no token has id {}", token.PathOf("ids"), id.dump());
    ids.push_back(static_cast<TokenId>(id.get<uint64_t>()));
  }
  return Ok();
}

// {"single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}], ...}; what it says of
// pairs of texts is of no use here.
Status ReadTemplate(const JsonFields& node, const Vocabulary& vocabulary, Surroundings& around) {
  BITLOSS_DO(node.Only({"type", "single", "pair", "special_tokens"}));
  if (around.from_template) return Unsupported("{}: a second template", node.where());
  BITLOSS_TRY(const Json* single, node.Array("single"));
  bool after_text = false;
  for (size_t i = 0; i < single->size(); ++i) {
    const std::string where = fmt::format("{}[{}]", node.PathOf("single"), i);
    BITLOSS_TRY(const JsonFields item, JsonFields::Of((*single)[i], where));
    BITLOSS_DO(item.Only({"SpecialToken", "Sequence"}));
    if (const Json* token = item.Find("SpecialToken")) {
      BITLOSS_TRY(const JsonFields piece, JsonFields::Of(*token, item.PathOf("SpecialToken")));
      BITLOSS_DO(
          AddTemplateToken(node, piece, vocabulary, after_text ? around.suffix : around.prefix));
    } else {
      BITLOSS_TRY(const Json* text, item.Get("Sequence"));
      BITLOSS_TRY(const JsonFields piece, JsonFields::Of(*text, item.PathOf("Sequence")));
      BITLOSS_TRY(const std::string name, piece.String("id"));
      if (after_text || name != "A") {
        return Unsupported("{}: a template with the text '{}' here", where, name);
      }
      after_text = true;
    }
  }
  if (!after_text) return Unsupported("{}: a template without the text", node.PathOf("single"));
  around.from_template = true;
  return Ok();
}

Result<TokenDecoder::Step> DecoderStep(const JsonFields& node, const std::string& type) {
  if (type == "ByteLevel") return TokenDecoder::Step(TokenDecoder::ByteLevel{});
  if (type == "ByteFallback") return TokenDecoder::Step(TokenDecoder::ByteFallback{});
  if (type == "Fuse") return TokenDecoder::Step(TokenDecoder::Fuse{});
  if (type == "Replace") {
    BITLOSS_DO(node.Only({"type", "pattern", "content"}));
    BITLOSS_TRY(std::string from, LiteralPattern(node));
    BITLOSS_TRY(std::string to, node.String("content"));
    return TokenDecoder::Step(TokenDecoder::Replace{std::move(from), std::move(to)});
  }
  if (type == "Strip") {
    BITLOSS_DO(node.Only({"type", "content", "start", "stop"}));
    BITLOSS_TRY(std::string content, node.String("content"));
    if (content.empty()) return BadInput("{} is empty", node.PathOf("content"));
    BITLOSS_TRY(const uint64_t start, node.Count("start"));
    BITLOSS_TRY(const uint64_t stop, node.Count("stop"));
    return TokenDecoder::Step(TokenDecoder::Strip{std::move(content), start, stop});
  }
  if (type == "Metaspace") {
    BITLOSS_TRY(const PreTokenizer::Metaspace metaspace, ReadMetaspace(node));
    using First = TokenDecoder::Metaspace::First;
    return TokenDecoder::Step(TokenDecoder::Metaspace{
        metaspace.replacement, metaspace.prepend == PreTokenizer::Metaspace::Prepend::kNever
                                   ? First::kKeep
                                   : First::kDrop});
  }
  return UnknownKind(node, type,
                     "Sequence, ByteLevel, Replace, ByteFallback, Fuse, Strip, "
                     "Metaspace");
}

}  // namespace

Result<Normalizer> ReadNormalizer(const Json& value) {
  std::vector<Normalizer::Step> steps;
  BITLOSS_DO(ForEachStep(value, "normalizer", "normalizers",
                         [&](const JsonFields& node, const std::string& type) -> Status {
                           BITLOSS_TRY(auto step, NormalizerStep(node, type));
                           steps.push_back(std::move(step));
                           return Ok();
                         }));
  return Normalizer(std::move(steps));
}

Result<PreTokenizerPlan> ReadPreTokenizer(const Json& value) {
  std::vector<PreTokenizer::Step> steps;
  BpeAlphabet alphabet = BpeAlphabet::kCharacters;
  BITLOSS_DO(ForEachStep(value, "pre_tokenizer", "pretokenizers",
                         [&](const JsonFields& node, const std::string& type) {
                           return AddPreTokenizerSteps(node, type, steps, alphabet);
                         }));
  return PreTokenizerPlan{PreTokenizer(std::move(steps)), alphabet};
}

Result<Surroundings> ReadPostProcessor(const Json& value, const Vocabulary& vocabulary) {
  Surroundings around;
  BITLOSS_DO(ForEachStep(value, "post_processor", "processors",
                         [&](const JsonFields& node, const std::string& type) -> Status {
                           // ByteLevel changes offsets only.
                           if (type == "ByteLevel") return Ok();
                           if (type == "TemplateProcessing") {
                             return ReadTemplate(node, vocabulary, around);
                           }
                           return UnknownKind(node, type,
                                              "Sequence, ByteLevel, TemplateProcessing");
                         }));
  return around;
}

Result<TokenDecoder> ReadDecoder(const Json& value) {
  if (value.is_null()) return TokenDecoder({}, TokenDecoder::Between::kSpace);
  std::vector<TokenDecoder::Step> steps;
  BITLOSS_DO(ForEachStep(value, "decoder", "decoders",
                         [&](const JsonFields& node, const std::string& type) -> Status {
                           BITLOSS_TRY(auto step, DecoderStep(node, type));
                           steps.push_back(std::move(step));
                           return Ok();
                         }));
  return TokenDecoder(std::move(steps), TokenDecoder::Between::kNothing);
}

}  // namespace bitloss
