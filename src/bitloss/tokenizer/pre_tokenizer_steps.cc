// The `pre_tokenizer` of tokenizer.json.
#include <algorithm>

#include "bitloss/tokenizer/step_tree.h"
#include "bitloss/tokenizer/tokenizer_steps.h"

namespace bitloss {
namespace {

using Behavior = PreTokenizer::Behavior;

// The punctuation of Unicode 8, which `tokenizers` knows, and ASCII's, some of which are symbols to
// Unicode: what has become punctuation since is none, and two characters are that are none by now.
constexpr std::string_view kPunctuation =
    R"((?![\x{61D}\x{9FD}\x{A76}\x{C77}\x{C84}\x{1B7D}-\x{1B7F}\x{1B4E}-\x{1B4F}\x{2E43}-\x{2E7F})"
    R"(\x{10EAD}\x{10F00}-\x{10FDF}\x{11400}-\x{1147F}\x{11660}-\x{1167F}\x{116B9})"
    R"(\x{11800}-\x{1189F}\x{11900}-\x{11ABF}\x{11AE0}-\x{11FFF}\x{12FF0}-\x{12FFF})"
    R"(\x{16E40}-\x{16E9F}\x{16FE2}\x{1E900}-\x{1E95F}])[\p{P}\x{166D}\x{111C9}!-/:-@\[-`{-~])";
// \w+|[^\w\s]+ as Rust's regex reads it; in PCRE2's syntax.
constexpr std::string_view kWordsAndOthers =
    R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+)"
    R"(|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+)";

Result<PreTokenizer::Behavior> ReadBehavior(const JsonFields& node) {
  BITLOSS_TRY(const std::string name, node.String("behavior"));
  if (name == "Isolated") return Behavior::kIsolated;
  if (name == "Removed") return Behavior::kRemoved;
  if (name == "MergedWithPrevious") return Behavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return Behavior::kMergedWithNext;
  if (name == "Contiguous") return Behavior::kContiguous;
  return Unsupported("{}: '{}' is not implemented", node.PathOf("behavior"), name);
}

// `source` is of this project and compiles.
PreTokenizer::Split SplitBy(std::string_view source, PreTokenizer::Behavior behavior) {
  auto pattern = Pattern::Compile(source);
  return {std::move(pattern).value(), behavior, PreTokenizer::Finds::kMatches};
}

Result<PreTokenizer::Split> ReadSplit(const JsonFields& node) {
  BITLOSS_DO(node.Only({"type", "pattern", "behavior", "invert"}));
  BITLOSS_TRY(Pattern pattern, AnyPattern(node));
  BITLOSS_TRY(const PreTokenizer::Behavior behavior, ReadBehavior(node));
  BITLOSS_TRY(const bool invert, node.Bool("invert", false));
  return PreTokenizer::Split{std::move(pattern), behavior,
                             invert ? PreTokenizer::Finds::kGaps : PreTokenizer::Finds::kMatches};
}

// What the kinds that cut by a pattern of their own ask for; none if `type` is another kind.
Result<std::optional<PreTokenizer::Split>> ReadNamedSplit(const JsonFields& node,
                                                          const std::string& type) {
  using Split = std::optional<PreTokenizer::Split>;
  if (type == "Split") {
    BITLOSS_TRY(auto split, ReadSplit(node));
    return Split(std::move(split));
  }
  if (type == "Digits") {
    BITLOSS_DO(node.Only({"type", "individual_digits"}));
    BITLOSS_TRY(const bool each, node.Bool("individual_digits"));
    return Split(SplitBy(R"(\p{N})", each ? Behavior::kIsolated : Behavior::kContiguous));
  }
  if (type == "Punctuation") {
    BITLOSS_DO(node.Only({"type", "behavior"}));
    if (node.Find("behavior") == nullptr) return Split(SplitBy(kPunctuation, Behavior::kIsolated));
    BITLOSS_TRY(const Behavior behavior, ReadBehavior(node));
    return Split(SplitBy(kPunctuation, behavior));
  }
  if (type == "WhitespaceSplit") {
    BITLOSS_DO(node.Only({"type"}));
    return Split(SplitBy(R"(\s)", Behavior::kRemoved));
  }
  if (type == "Whitespace") {
    BITLOSS_DO(node.Only({"type"}));
    auto words = Pattern::CompilePcre2(std::string(kWordsAndOthers));  // ours; compiles
    return Split(PreTokenizer::Split{std::move(words).value(), Behavior::kRemoved,
                                     PreTokenizer::Finds::kGaps});
  }
  if (type == "CharDelimiterSplit") {
    BITLOSS_DO(node.Only({"type", "delimiter"}));
    BITLOSS_TRY(const std::string delimiter, node.String("delimiter"));
    auto pattern = Pattern::CompileLiteral(delimiter);
    if (!pattern.ok()) return Within(node.PathOf("delimiter"), pattern.error());
    return Split(PreTokenizer::Split{std::move(pattern).value(), Behavior::kRemoved});
  }
  return Split();
}

// Adds the steps of ByteLevel.
Status AddByteLevel(const JsonFields& node, std::vector<PreTokenizer::Step>& steps) {
  BITLOSS_DO(node.Only({"type", "add_prefix_space", "trim_offsets", "use_regex"}));
  BITLOSS_TRY(const bool prefix_space, node.Bool("add_prefix_space"));
  BITLOSS_TRY(const bool use_regex, node.Bool("use_regex", true));
  if (prefix_space) steps.emplace_back(PreTokenizer::PrefixSpace{});
  if (use_regex) steps.emplace_back(SplitBy(kGpt2Pattern, Behavior::kIsolated));
  return Ok();
}

// Adds the step or steps of one node. What follows ByteLevel sees its letters.
Status AddPreTokenizerSteps(const JsonFields& node, const std::string& type,
                            std::vector<PreTokenizer::Step>& steps, BpeAlphabet& alphabet) {
  const bool in_letters = alphabet == BpeAlphabet::kBytes;
  BITLOSS_TRY(auto split, ReadNamedSplit(node, type));
  if (split) {
    const bool are_letters = std::any_of(steps.begin(), steps.end(), [](const auto& step) {
      return std::holds_alternative<PreTokenizer::Letters>(step);
    });
    if (in_letters && !are_letters) steps.emplace_back(PreTokenizer::Letters{});
    steps.emplace_back(*std::move(split));
    return Ok();
  }
  if (type != "ByteLevel" && type != "Metaspace") {
    return UnknownKind(node, type,
                       "Sequence, Split, Digits, ByteLevel, Metaspace, Punctuation, Whitespace, "
                       "WhitespaceSplit, CharDelimiterSplit");
  }
  if (in_letters) {
    return Unsupported("{}: '{}' after ByteLevel is not implemented", node.where(), type);
  }
  if (type == "ByteLevel") {
    BITLOSS_DO(AddByteLevel(node, steps));
    alphabet = BpeAlphabet::kBytes;
    return Ok();
  }
  BITLOSS_TRY(auto metaspace, ReadMetaspace(node));
  steps.emplace_back(std::move(metaspace));
  return Ok();
}

}  // namespace

Result<PreTokenizerPlan> ReadPreTokenizer(const nlohmann::json& value) {
  std::vector<PreTokenizer::Step> steps;
  BpeAlphabet alphabet = BpeAlphabet::kCharacters;
  BITLOSS_DO(ForEachStep(value, "pre_tokenizer", "pretokenizers",
                         [&](const JsonFields& node, const std::string& type) {
                           return AddPreTokenizerSteps(node, type, steps, alphabet);
                         }));
  return PreTokenizerPlan{PreTokenizer(std::move(steps)), alphabet};
}

}  // namespace bitloss
