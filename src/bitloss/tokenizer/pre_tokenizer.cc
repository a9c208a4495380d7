#include "bitloss/tokenizer/pre_tokenizer.h"

#include <algorithm>

#include "bitloss/base/check.h"
#include "bitloss/tokenizer/byte_alphabet.h"
#include "bitloss/tokenizer/normalizer.h"

namespace bitloss {
namespace {

struct Span {
  size_t begin;
  size_t end;
  bool found;  // what the split looks for, as opposed to what lies between
};

// The text as matches and gaps, in order. A gap is not empty.
Result<std::vector<Span>> Spans(const PreTokenizer::Split& split, std::string_view text,
                                Pattern::Scratch& scratch) {
  const bool match_is_found = split.finds == PreTokenizer::Finds::kMatches;
  std::vector<Span> spans;
  size_t at = 0;
  Pattern::Matches matches(split.pattern, text, scratch);
  for (;;) {
    BITLOSS_TRY(const auto match, matches.Next());
    if (!match) break;
    if (match->begin > at) spans.push_back({at, match->begin, !match_is_found});
    spans.push_back({match->begin, match->end, match_is_found});
    at = match->end;
  }
  if (at < text.size()) spans.push_back({at, text.size(), !match_is_found});
  return spans;
}

// A match joins the span before it, unless that is a match too.
std::vector<Span> MergeWithPrevious(const std::vector<Span>& spans) {
  std::vector<Span> merged;
  bool after_match = false;
  for (const Span& span : spans) {
    if (span.found && !after_match && !merged.empty()) {
      merged.back().end = span.end;
    } else {
      merged.push_back(span);
    }
    after_match = span.found;
  }
  return merged;
}

// The mirror image.
std::vector<Span> MergeWithNext(const std::vector<Span>& spans) {
  std::vector<Span> merged;
  bool before_match = false;
  for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
    if (span->found && !before_match && !merged.empty()) {
      merged.back().begin = span->begin;
    } else {
      merged.push_back(*span);
    }
    before_match = span->found;
  }
  return {merged.rbegin(), merged.rend()};
}

std::vector<Span> JoinContiguous(const std::vector<Span>& spans) {
  std::vector<Span> joined;
  for (const Span& span : spans) {
    if (!joined.empty() && joined.back().found == span.found) {
      joined.back().end = span.end;
    } else {
      joined.push_back(span);
    }
  }
  return joined;
}

std::vector<Span> Behave(PreTokenizer::Behavior behavior, std::vector<Span> spans) {
  switch (behavior) {
    case PreTokenizer::Behavior::kIsolated:
      return spans;
    case PreTokenizer::Behavior::kRemoved:
      std::erase_if(spans, [](const Span& span) { return span.found; });
      return spans;
    case PreTokenizer::Behavior::kMergedWithPrevious:
      return MergeWithPrevious(spans);
    case PreTokenizer::Behavior::kMergedWithNext:
      return MergeWithNext(spans);
    case PreTokenizer::Behavior::kContiguous:
      return JoinContiguous(spans);
  }
  return spans;
}

std::string DescribeStep(const PreTokenizer::Step& step) {
  if (const auto* split = std::get_if<PreTokenizer::Split>(&step)) {
    return fmt::format("split {} {} '{}';", static_cast<int>(split->behavior),
                       static_cast<int>(split->finds), split->pattern.source());
  }
  if (const auto* space = std::get_if<PreTokenizer::Metaspace>(&step)) {
    return fmt::format("metaspace '{}' {} {};", space->replacement,
                       static_cast<int>(space->prepend), static_cast<int>(space->cut));
  }
  return std::holds_alternative<PreTokenizer::Letters>(step) ? "letters;" : "prefix space;";
}

}  // namespace

// One descent through the steps: a piece of step i goes to step i + 1 as soon as it is cut, so no
// list of pieces is kept.
struct PreTokenizer::Walk {
  const std::vector<Step>& steps;
  Place place;
  Scratch& scratch;
  const Sink& sink;
  bool in_letters = false;

  Status Descend(size_t step, std::string_view piece, bool first) const {
    if (piece.empty()) return Ok();
    if (step == steps.size()) return Give(piece);
    return std::visit([&](const auto& kind) { return Apply(kind, step, piece, first); },
                      steps[step]);
  }

  Status Give(std::string_view piece) const {
    if (!in_letters) return sink(piece);
    const auto bytes = BytesOfLetters(piece);
    BITLOSS_CHECK(bytes);  // splits add no character
    return sink(*bytes);
  }

  Status Apply(const Split& split, size_t step, std::string_view piece, bool first) const {
    if (split.behavior == Behavior::kIsolated) return Isolate(split, step, piece, first);
    BITLOSS_TRY(std::vector<Span> spans, Spans(split, piece, scratch));
    for (const Span& span : Behave(split.behavior, std::move(spans))) {
      BITLOSS_DO(Descend(step + 1, piece.substr(span.begin, span.end - span.begin),
                         first && span.begin == 0));
    }
    return Ok();
  }

  // The common case, without a list.
  Status Isolate(const Split& split, size_t step, std::string_view piece, bool first) const {
    size_t at = 0;
    Pattern::Matches matches(split.pattern, piece, scratch);
    for (;;) {
      BITLOSS_TRY(const auto match, matches.Next());
      if (!match) break;
      BITLOSS_DO(Descend(step + 1, piece.substr(at, match->begin - at), first && at == 0));
      BITLOSS_DO(Descend(step + 1, piece.substr(match->begin, match->end - match->begin),
                         first && match->begin == 0));
      at = match->end;
    }
    return Descend(step + 1, piece.substr(at), first && at == 0);
  }

  Status Apply(const PrefixSpace&, size_t step, std::string_view piece, bool first) const {
    if (piece.starts_with(' ')) return Descend(step + 1, piece, first);
    return Descend(step + 1, " " + std::string(piece), first);
  }

  Status Apply(const Letters&, size_t step, std::string_view piece, bool first) const {
    return Walk{steps, place, scratch, sink, true}.Descend(step + 1, LettersOfBytes(piece), first);
  }

  Status Apply(const Metaspace& space, size_t step, std::string_view piece, bool first) const {
    std::string text = ReplaceAll(piece, " ", space.replacement);
    const bool wanted =
        space.prepend == Metaspace::Prepend::kAlways ||
        (space.prepend == Metaspace::Prepend::kFirst && first && place == Place::kStart);
    if (wanted && !text.starts_with(space.replacement)) text.insert(0, space.replacement);
    if (space.cut == Metaspace::Cut::kNone) return Descend(step + 1, text, first);
    const std::string_view view = text;
    for (size_t at = 0; at < view.size();) {
      const size_t next = std::min(view.find(space.replacement, at + 1), view.size());
      BITLOSS_DO(Descend(step + 1, view.substr(at, next - at), first && at == 0));
      at = next;
    }
    return Ok();
  }
};

Status PreTokenizer::Cut(std::string_view text, Place place, Scratch& scratch,
                         const Sink& sink) const {
  return Walk{steps_, place, scratch, sink}.Descend(0, text, true);
}

bool PreTokenizer::AsksForPlace() const {
  return std::any_of(steps_.begin(), steps_.end(), [](const Step& step) {
    const auto* space = std::get_if<Metaspace>(&step);
    return space != nullptr && space->prepend == Metaspace::Prepend::kFirst;
  });
}

std::string PreTokenizer::Describe() const {
  std::string line;
  for (const Step& step : steps_) line += DescribeStep(step);
  return line;
}

}  // namespace bitloss
