// choice: which of a few labels the answer names.
//
// A label, or one of its aliases, is named where it stands as whole words; where several begin at
// one place, the longest counts and hides what lies inside it. A mention right after a negation
// ("not positive", "isn't a positive") does not count. The gold label has to be named and, if
// `exclusive`, no other.
#include <algorithm>
#include <array>
#include <map>

#include "bitloss/data/checks/answer_text.h"
#include "bitloss/data/checks/list.h"

namespace bitloss {
namespace {

struct Label {
  std::string name;
  std::vector<std::string> spellings;  // normalized, the name among them
};

Status ReadAliases(Fields& fields, const Normalization& normalization, std::vector<Label>& labels) {
  const Json* aliases = fields.Find("aliases");
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

bool IsNegation(std::string_view word) {
  constexpr std::array<std::string_view, 6> kNegations = {"not", "never",  "neither",
                                                          "nor", "hardly", "without"};
  return word.ends_with("n't") || word.ends_with("n\u2019t") ||
         std::find(kNegations.begin(), kNegations.end(), word) != kNegations.end();
}

bool IsFiller(std::string_view word) {
  constexpr std::array<std::string_view, 6> kFillers = {"a", "an", "the", "very", "really", "at"};
  return std::find(kFillers.begin(), kFillers.end(), word) != kFillers.end();
}

bool IsNegated(std::string_view before) {
  const std::string folded =
      Normalize(before.substr(before.find_last_of(".!?\n") + 1), Normalization());
  std::vector<std::string_view> words = Words(folded);
  if (!words.empty() && IsFiller(words.back())) words.pop_back();
  return !words.empty() && IsNegation(words.back());
}

// How often each label is named in the normalized `text`.
std::map<std::string, size_t> CountMentions(std::string_view text,
                                            const std::vector<Label>& labels) {
  struct Mention {
    size_t begin;
    size_t end;
    const Label* label;
  };
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
  std::map<std::string, size_t> counts;
  size_t covered = 0;
  for (const Mention& mention : mentions) {
    if (mention.begin < covered) continue;
    covered = mention.end;
    if (!IsNegated(text.substr(0, mention.begin))) ++counts[mention.label->name];
  }
  return counts;
}

}  // namespace

Result<Judge> CompileChoice(Fields& fields) {
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
  return Judge([normalization, labels, gold, exclusive](const AnswerView& answer) -> Judged {
    const auto counts = CountMentions(Normalize(answer.scoped, normalization), labels);
    std::string named;
    for (const auto& [name, count] : counts) named += (named.empty() ? "" : ", ") + name;
    const bool passed = counts.contains(gold) && (!exclusive || counts.size() == 1);
    return Decide(passed, named.empty() ? "no label named" : "named: " + Excerpt(named));
  });
}

}  // namespace bitloss
