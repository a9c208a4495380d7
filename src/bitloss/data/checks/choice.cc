// choice: which of a few labels the answer names.
//
// A label, or one of its aliases, is named where it stands as whole words; where several begin at
// one place, the longest counts and hides what lies inside it. What is negated ("not positive",
// "rather than positive") is not named. A label of one letter is named by that capital, not by the
// words "a" and "I". If `exclusive`, the gold label has to be the only one, or the one that the
// answer opens with ("B, because ..."), or the one that it calls the answer, or what the prompt
// asked for ("Carl is the shortest"). Where a longer answer names several and none so, it is
// undecided.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "bitloss/data/checks/answer_text.h"
#include "bitloss/data/checks/list.h"
#include "bitloss/data/checks/mentions.h"

namespace bitloss {
namespace {

struct Label {
  std::string name;
  std::vector<std::string> spellings;  // normalized, the name among them
};

Status ReadAliases(Fields& fields, const Normalization& normalization, std::vector<Label>& labels) {
  const OrderedJson* aliases = fields.Find("aliases");
  if (aliases == nullptr) return Ok();
  BITLOSS_TRY(Fields table, Fields::Of(*aliases, fields.pointer() + "/aliases"));
  for (Label& label : labels) {
    BITLOSS_TRY(const std::vector<std::string> more, table.StringsOr(label.name, {}));
    for (const std::string& alias : more) {
      label.spellings.push_back(Normalize(alias, normalization));
    }
  }
  return table.Finish();
}

struct Mention {
  size_t begin;
  size_t end;
  const Label* label;
};

bool IsLetterLabel(std::string_view spelling) {
  return spelling.size() == 1 && spelling[0] >= 'A' && spelling[0] <= 'Z';
}

std::string Upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

std::string_view FirstWord(std::string_view text) {
  const std::vector<std::string_view> words = Words(text);
  return words.empty() ? std::string_view() : words.front();
}

// "A dog", "I think": words, no letters of a choice.
bool IsAnArticle(std::string_view text, const Mention& mention) {
  constexpr std::array<std::string_view, 9> kVerbs = {"is", "because", "since", "was",  "and",
                                                      "or", "as",      "but",   "would"};
  if (mention.label->name != "A" && mention.label->name != "I") return false;
  const std::string_view rest = text.substr(mention.end);
  if (rest.starts_with('\'') || rest.starts_with("\u2019")) return true;
  if (!rest.starts_with(' ')) return false;
  const std::string_view next = FirstWord(rest);
  return mention.label->name == "I" ||
         std::find(kVerbs.begin(), kVerbs.end(), next) == kVerbs.end();
}

// "no doubt", "no need": not the answer "no".
bool IsAnIdiom(std::string_view text, const Mention& mention) {
  constexpr std::array<std::string_view, 10> kAfterNo = {
      "doubt", "need", "reason", "way", "problem", "question", "other", "one", "matter", "longer"};
  if (mention.label->name != "no") return false;
  const std::string_view rest = text.substr(mention.end);
  return rest.starts_with(' ') &&
         std::find(kAfterNo.begin(), kAfterNo.end(),
                   Normalize(FirstWord(rest), {.strip_punct = true})) != kAfterNo.end();
}

// What `text` names, in order.
std::vector<Mention> FindMentions(std::string_view text, const std::vector<Label>& labels) {
  std::vector<Mention> mentions;
  for (const Label& label : labels) {
    for (const std::string& spelling : label.spellings) {
      for (size_t at = FindText(text, spelling, Match::kWholeWords); at != std::string_view::npos;
           at = FindText(text, spelling, Match::kWholeWords, at + 1)) {
        mentions.push_back({at, at + spelling.size(), &label});
      }
    }
  }
  std::stable_sort(mentions.begin(), mentions.end(), [](const Mention& a, const Mention& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end > b.end;
  });
  std::vector<Mention> named;
  const std::string folded = LowerAscii(text);
  size_t covered = 0;
  for (const Mention& mention : mentions) {
    if (mention.begin < covered) continue;
    covered = mention.end;
    if (!IsNegatedAt(folded, mention.begin) && !IsAnArticle(text, mention) &&
        !IsAnIdiom(text, mention)) {
      named.push_back(mention);
    }
  }
  return named;
}

// Whether the answer opens with this and goes on to explain it.
bool IsLead(std::string_view text, const Mention& first) {
  constexpr std::array<std::string_view, 4> kReasons = {"because", "since", "as", "for"};
  const std::string_view before = text.substr(0, first.begin);
  for (const std::string_view word : Words(before)) {
    const std::string folded = Normalize(word, {.casefold = true, .strip_punct = true});
    if (folded != "the" && folded != "a" && folded != "an" && folded != "answer") return false;
  }
  std::string_view rest = text.substr(first.end);
  rest.remove_prefix(std::min(rest.find_first_not_of("*_\"')` "), rest.size()));
  if (rest.empty()) return true;
  if (std::string_view(".,;:!-(\n").find(rest.front()) != std::string_view::npos) return true;
  return std::find(kReasons.begin(), kReasons.end(), FirstWord(rest)) != kReasons.end();
}

// Whether another label follows at once: "yes, no", "A. B".
bool IsFollowedAtOnce(std::string_view text, const Mention& first, const Mention& second) {
  const std::vector<std::string_view> between =
      Words(text.substr(first.end, second.begin - first.end));
  if (between.size() > 1 || second.label == first.label) return false;
  return between.empty() || between[0] == "or" || between[0] == "and";
}

// "is the shortest", "is heavier than", where the prompt asked with that word; "is correct".
bool IsConclusion(std::string_view text, const Mention& mention, std::string_view prompt) {
  std::vector<std::string_view> words = Words(text.substr(mention.end));
  if (words.size() < 2 || Normalize(words[0], {}) != "is") return false;
  const size_t at = words[1] == "the" && words.size() > 2 ? 2 : 1;
  const std::string said = Normalize(words[at], {.casefold = true, .strip_punct = true});
  if (said == "correct" || said == "answer") return true;
  const bool graded =
      said.ends_with("est") || said.ends_with("er") || said == "last" || said == "first";
  // Of the prompt the question alone: what it states is not asked.
  const std::string_view asked = prompt.substr(0, prompt.find_last_of('?'));
  const std::string question = Normalize(asked.substr(asked.find_last_of(".!?\n") + 1), {});
  return graded && FindText(question, said, Match::kWholeWords) != std::string_view::npos;
}

// "the answer is x", "so x", "therefore x".
bool IsCalledTheAnswer(std::string_view text, const Mention& mention) {
  const std::string before = Normalize(text.substr(0, mention.begin), {.strip_punct = true});
  for (const std::string_view cue :
       {"answer is", "answer is the", "answer is a", "answer", "therefore", "thus"}) {
    if (before.ends_with(cue)) return true;
  }
  return false;
}

// The label that an answer that names several comes down to; null if none.
const Label* FindDecision(std::string_view text, const std::vector<Mention>& named,
                          std::string_view prompt) {
  const Label* decision = nullptr;
  for (const Mention& mention : named) {
    if (IsConclusion(text, mention, prompt) || IsCalledTheAnswer(text, mention)) {
      decision = mention.label;
    }
  }
  const bool lead =
      IsLead(text, named[0]) && (named.size() < 2 || !IsFollowedAtOnce(text, named[0], named[1]));
  if (!lead) return decision;
  return decision == nullptr || decision == named[0].label ? named[0].label : nullptr;
}

Judged JudgeChoice(std::string_view text, const std::vector<Mention>& named, std::string_view gold,
                   std::string_view prompt) {
  constexpr size_t kFewWords = 6;
  if (named.empty()) return Decide(false, "no label named");
  std::set<std::string> names;
  for (const Mention& mention : named) names.insert(mention.label->name);
  const std::string all = fmt::format("named: {}", fmt::join(names, ", "));
  if (names.size() == 1) return Decide(names.contains(std::string(gold)), Excerpt(all));
  if (const Label* decision = FindDecision(text, named, prompt)) {
    return Decide(decision->name == gold, "decides for " + Excerpt(decision->name));
  }
  const bool is_list = IsFollowedAtOnce(text, named[0], named[1]);
  if (is_list || Words(text).size() <= kFewWords || !names.contains(std::string(gold))) {
    return Decide(false, Excerpt(all));
  }
  return Undecided(Excerpt(all));
}

}  // namespace

Result<CheckFunction> CompileChoice(Fields& fields) {
  BITLOSS_TRY(const Normalization normalization, ReadNormalization(fields));
  BITLOSS_TRY(const std::vector<std::string> names, fields.Strings("labels"));
  BITLOSS_TRY(const std::string gold, fields.String("gold"));
  BITLOSS_TRY(const bool exclusive, fields.BoolOr("exclusive", true));
  if (std::find(names.begin(), names.end(), gold) == names.end()) {
    return fields.Bad("gold", "is not one of the labels");
  }
  std::vector<Label> labels;
  for (const std::string& name : names) {
    labels.push_back({.name = name, .spellings = {Normalize(name, normalization)}});
  }
  BITLOSS_DO(ReadAliases(fields, normalization, labels));
  for (const Label& label : labels) {
    const auto& spellings = label.spellings;
    if (std::any_of(spellings.begin(), spellings.end(), [](const auto& s) { return s.empty(); })) {
      return fields.Bad("labels", "an empty label or alias");
    }
  }
  return CheckFunction(
      [normalization, labels, gold, exclusive](const AnswerView& answer) -> Judged {
        // The text keeps its lines' ends out of the way, and letters their case.
        const bool letters = std::ranges::all_of(labels, [](const Label& label) {
          return IsLetterLabel(label.name) && label.spellings.size() == 1;
        });
        std::string text =
            Normalize(answer.scoped, letters ? Normalization{.casefold = false} : normalization);
        if (letters && Words(text).size() == 1) text = Upper(text);
        std::vector<Label> spelled = labels;
        if (letters) {
          for (Label& label : spelled) label.spellings = {label.name};
        }
        const std::vector<Mention> named = FindMentions(text, spelled);
        if (exclusive) return JudgeChoice(text, named, gold, answer.prompt);
        const bool found = std::ranges::any_of(
            named, [&](const Mention& mention) { return mention.label->name == gold; });
        return Decide(found, found ? "named: " + Excerpt(gold) : "not named");
      });
}

}  // namespace bitloss
