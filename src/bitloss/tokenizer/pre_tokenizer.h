// How normalized text is cut into the pieces that are merged one by one: the `pre_tokenizer` of
// tokenizer.json. Steps follow one another; each cuts every piece of the one before.
#ifndef BITLOSS_TOKENIZER_PRE_TOKENIZER_H_
#define BITLOSS_TOKENIZER_PRE_TOKENIZER_H_

#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/tokenizer/pattern.h"

namespace bitloss {

// GPT-2's pattern, which ByteLevel brings along.
inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

class PreTokenizer {
 public:
  // What becomes of the matches of a pattern.
  enum class Behavior {
    kIsolated,            // a piece each, and so is what lies between
    kRemoved,             // dropped
    kMergedWithPrevious,  // the end of the piece before
    kMergedWithNext,      // the beginning of the piece after
    kContiguous,          // neighbouring matches are one piece
  };
  // What the pattern finds: the matches, or what lies between.
  enum class Finds { kMatches, kGaps };
  struct Split {
    Pattern pattern;
    Behavior behavior = Behavior::kIsolated;
    Finds finds = Finds::kMatches;
  };
  // A space in front of each piece that does not begin with one.
  struct PrefixSpace {};
  // SentencePiece's view: spaces become `replacement`, one goes in front, then a cut before each.
  struct Metaspace {
    enum class Prepend { kAlways, kFirst, kNever };
    std::string replacement;
    Prepend prepend = Prepend::kAlways;
    enum class Cut { kBeforeEach, kNone } cut = Cut::kBeforeEach;
  };
  // ByteLevel with steps behind it, which see the letters of bytes (byte_alphabet.h). Pieces are
  // bytes again in the end. Only splits may follow.
  struct Letters {};
  using Step = std::variant<Split, PrefixSpace, Metaspace, Letters>;

  // What a thread needs to cut texts, one after the other.
  using Scratch = Pattern::Scratch;
  using Sink = std::function<Status(std::string_view piece)>;

  PreTokenizer() = default;
  explicit PreTokenizer(std::vector<Step> steps) : steps_(std::move(steps)) {}

  // Whether a step asks for a text's Place.
  bool AsksForPlace() const;

  // Where in the original text a normalized text stands; Metaspace may ask.
  enum class Place { kStart, kLater };

  // Gives all pieces, none empty, to `sink`, in order; they live during the call. Fails if a
  // pattern gives up or `sink` does. Requires: valid UTF-8.
  Status Cut(std::string_view text, Place place, Scratch& scratch, const Sink& sink) const;

  // The same pre-tokenizer gives the same line; for identities.
  std::string Describe() const;

 private:
  struct Walk;

  std::vector<Step> steps_;
};

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_PRE_TOKENIZER_H_
