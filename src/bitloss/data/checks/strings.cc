// contains, contains_all, contains_any, not_contains, equals, starts_with, ends_with, set: an
// answer and wanted strings, both brought to one normal form, are compared byte for byte.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "bitloss/data/checks/answer_text.h"
#include "bitloss/data/checks/list.h"
#include "bitloss/data/checks/mentions.h"

namespace bitloss {
namespace {

// `value` or `any_of`, whichever is there: the accepted strings.
Result<std::vector<std::string>> ValueOrAnyOf(Fields& fields) {
  const bool has_value = fields.Find("value") != nullptr;
  const bool has_any_of = fields.Find("any_of") != nullptr;
  if (has_value == has_any_of) {
    return fields.Bad("value", "exactly one of 'value' and 'any_of' is expected");
  }
  if (has_any_of) return fields.Strings("any_of");
  BITLOSS_TRY(std::string value, fields.String("value"));
  return std::vector<std::string>{std::move(value)};
}

// One thing that is wanted, in any of its spellings.
using Alternatives = std::vector<std::string>;

struct Search {
  Normalization normalization;
  Match match = Match::kAnywhere;
  bool asserted = false;  // what is said away ("not x", "rather than x") is not found

  // The spelling that occurs in the normalized `text`; null if none does.
  const std::string* Find(std::string_view text, const Alternatives& wanted) const {
    for (const std::string& spelling : wanted) {
      for (size_t at = FindText(text, spelling, match); at != std::string_view::npos;
           at = FindText(text, spelling, match, at + 1)) {
        if (!asserted || !IsNegatedAt(text, at)) return &spelling;
      }
    }
    return nullptr;
  }
};

Result<Search> ReadSearch(Fields& fields) {
  Search search;
  BITLOSS_TRY(search.normalization, ReadNormalization(fields));
  BITLOSS_TRY(const bool whole, fields.BoolOr("whole_words", false));
  BITLOSS_TRY(search.asserted, fields.BoolOr("asserted", false));
  search.match = whole ? Match::kWholeWords : Match::kAnywhere;
  return search;
}

Status NormalizeAll(Fields& fields, std::string_view key, const Normalization& normalization,
                    Alternatives& strings) {
  for (std::string& string : strings) {
    string = Normalize(string, normalization);
    if (string.empty()) return fields.Bad(key, "an empty string is found everywhere");
  }
  return Ok();
}

// An array whose elements are strings or arrays of alternative spellings.
Result<std::vector<Alternatives>> ReadWanted(Fields& fields, std::string_view key,
                                             const Normalization& normalization) {
  const OrderedJson* field = fields.Find(key);
  if (field == nullptr || !field->is_array() || field->empty()) {
    return fields.Bad(key, "an array of strings, or of arrays of spellings, is expected");
  }
  std::vector<Alternatives> wanted;
  for (const OrderedJson& element : *field) {
    Alternatives spellings;
    const OrderedJson list = element.is_array() ? element : OrderedJson::array({element});
    for (const OrderedJson& spelling : list) {
      if (!spelling.is_string()) return fields.Bad(key, "strings are expected");
      spellings.push_back(spelling.get<std::string>());
    }
    if (spellings.empty()) return fields.Bad(key, "an element without a spelling");
    BITLOSS_DO(NormalizeAll(fields, key, normalization, spellings));
    wanted.push_back(std::move(spellings));
  }
  return wanted;
}

struct Found {
  size_t count = 0;
  std::string present;
  std::string missing;
};

Found FindEach(std::string_view text, const std::vector<Alternatives>& wanted,
               const Search& search) {
  Found found;
  const auto append = [](std::string& list, const std::string& item) {
    list += (list.empty() ? "" : ", ") + item;
  };
  for (const Alternatives& spellings : wanted) {
    if (const std::string* spelling = search.Find(text, spellings)) {
      ++found.count;
      append(found.present, *spelling);
    } else {
      append(found.missing, spellings.front());
    }
  }
  return found;
}

// Whether each asserted mention of `wanted` is an alternative to something else: "x or y".
bool IsAHedge(std::string_view text, const Alternatives& wanted, const Search& search) {
  const auto is_wanted_beside = [&](size_t end) {
    const std::string_view rest = text.substr(end);
    return std::ranges::any_of(
        wanted, [&](const std::string& spelling) { return rest.starts_with(" or " + spelling); });
  };
  bool hedge = false;
  for (const std::string& spelling : wanted) {
    for (size_t at = FindText(text, spelling, search.match); at != std::string_view::npos;
         at = FindText(text, spelling, search.match, at + 1)) {
      const size_t end = at + spelling.size();
      if (IsNegatedAt(text, at)) continue;
      if (is_wanted_beside(end) || !IsOneOfSeveral(text, at, end)) return false;
      hedge = true;
    }
  }
  return hedge;
}

// Edges at which an answer carries quotes, emphasis or a full stop that nobody asked about.
std::string_view Unwrap(std::string_view text) {
  constexpr std::string_view kWrapping = "\"'`*_. \n\t";
  const size_t begin = text.find_first_not_of(kWrapping);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kWrapping) - begin + 1);
}

struct Accepted {
  Normalization normalization;
  Alternatives accepted;
};

Result<Accepted> ReadAccepted(Fields& fields) {
  Accepted wanted;
  BITLOSS_TRY(wanted.normalization, ReadNormalization(fields));
  BITLOSS_TRY(wanted.accepted, ValueOrAnyOf(fields));
  BITLOSS_DO(NormalizeAll(fields, "value", wanted.normalization, wanted.accepted));
  return wanted;
}

// How many items a list holds: pieces between commas, semicolons, newlines and the word "and".
size_t CountItems(std::string_view text) {
  std::string separated(text);
  for (size_t at; (at = FindText(separated, "and", Match::kWholeWords)) != std::string::npos;) {
    separated.replace(at, 3, ",");
  }
  std::replace(separated.begin(), separated.end(), ';', ',');
  std::replace(separated.begin(), separated.end(), '\n', ',');
  size_t items = 0;
  for (size_t begin = 0; begin <= separated.size();) {
    const size_t end = std::min(separated.find(',', begin), separated.size());
    if (!Words(std::string_view(separated).substr(begin, end - begin)).empty()) ++items;
    begin = end + 1;
  }
  return items;
}

}  // namespace

Result<CheckFunction> CompileContains(Fields& fields) {
  BITLOSS_TRY(const Search search, ReadSearch(fields));
  BITLOSS_TRY(Alternatives accepted, ValueOrAnyOf(fields));
  BITLOSS_DO(NormalizeAll(fields, "value", search.normalization, accepted));
  return CheckFunction([search, accepted](const AnswerView& answer) -> Judged {
    const std::string text = Normalize(answer.scoped, search.normalization);
    const std::string* found = search.Find(text, accepted);
    if (found != nullptr && search.asserted && IsAHedge(text, accepted, search)) {
      return Undecided("one of several: " + Excerpt(*found));
    }
    return Decide(found != nullptr, found != nullptr ? "found: " + Excerpt(*found)
                                                     : "not found: " + Excerpt(accepted[0]));
  });
}

Result<CheckFunction> CompileContainsAll(Fields& fields) {
  BITLOSS_TRY(const Search search, ReadSearch(fields));
  BITLOSS_TRY(const std::vector<Alternatives> wanted,
              ReadWanted(fields, "values", search.normalization));
  return CheckFunction([search, wanted](const AnswerView& answer) -> Judged {
    const Found found = FindEach(Normalize(answer.scoped, search.normalization), wanted, search);
    const bool passed = found.count == wanted.size();
    return Decide(
        passed, passed ? "found: " + Excerpt(found.present) : "missing: " + Excerpt(found.missing));
  });
}

Result<CheckFunction> CompileContainsAny(Fields& fields) {
  BITLOSS_TRY(const Search search, ReadSearch(fields));
  BITLOSS_TRY(const std::vector<Alternatives> wanted,
              ReadWanted(fields, "values", search.normalization));
  BITLOSS_TRY(const std::optional<uint64_t> min, fields.Count("min"));
  const uint64_t needed = min.value_or(1);
  if (needed < 1 || needed > wanted.size()) {
    return fields.Bad("min", "between 1 and the number of values is expected");
  }
  return CheckFunction([search, wanted, needed](const AnswerView& answer) -> Judged {
    const Found found = FindEach(Normalize(answer.scoped, search.normalization), wanted, search);
    return Decide(found.count >= needed, fmt::format("found {} of {}: {}", found.count,
                                                     wanted.size(), Excerpt(found.present)));
  });
}

Result<CheckFunction> CompileNotContains(Fields& fields) {
  BITLOSS_TRY(const Search search, ReadSearch(fields));
  BITLOSS_TRY(const std::vector<Alternatives> forbidden,
              ReadWanted(fields, "values", search.normalization));
  return CheckFunction([search, forbidden](const AnswerView& answer) -> Judged {
    const Found found = FindEach(Normalize(answer.scoped, search.normalization), forbidden, search);
    return Decide(found.count == 0,
                  found.count == 0 ? "none found" : "found: " + Excerpt(found.present));
  });
}

Result<CheckFunction> CompileEquals(Fields& fields) {
  BITLOSS_TRY(const Accepted wanted, ReadAccepted(fields));
  return CheckFunction([wanted](const AnswerView& answer) -> Judged {
    const std::string text = Normalize(answer.scoped, wanted.normalization);
    const auto equal = [&](const std::string& accepted) {
      return text == accepted || Unwrap(text) == accepted;
    };
    return Decide(std::any_of(wanted.accepted.begin(), wanted.accepted.end(), equal),
                  Excerpt(text));
  });
}

Result<CheckFunction> CompileStartsWith(Fields& fields) {
  BITLOSS_TRY(const Accepted wanted, ReadAccepted(fields));
  return CheckFunction([wanted](const AnswerView& answer) -> Judged {
    const std::string text = Normalize(answer.scoped, wanted.normalization);
    const size_t begin = std::min(text.find_first_not_of("*_#> "), text.size());
    const auto starts = [&](const std::string& accepted) {
      return text.starts_with(accepted) ||
             std::string_view(text).substr(begin).starts_with(accepted);
    };
    return Decide(std::any_of(wanted.accepted.begin(), wanted.accepted.end(), starts),
                  "starts: " + Excerpt(text));
  });
}

Result<CheckFunction> CompileEndsWith(Fields& fields) {
  BITLOSS_TRY(const Accepted wanted, ReadAccepted(fields));
  return CheckFunction([wanted](const AnswerView& answer) -> Judged {
    const std::string text = Normalize(answer.scoped, wanted.normalization);
    const size_t end = text.find_last_not_of("*_ ") + 1;
    const auto ends = [&](const std::string& accepted) {
      return text.ends_with(accepted) || std::string_view(text).substr(0, end).ends_with(accepted);
    };
    std::string_view tail = Trim(text);
    tail = tail.substr(std::min(tail.size(), tail.rfind(' ') + 1));
    return Decide(std::any_of(wanted.accepted.begin(), wanted.accepted.end(), ends),
                  "last word: " + Excerpt(tail));
  });
}

Result<CheckFunction> CompileSet(Fields& fields) {
  BITLOSS_TRY(const Search search, ReadSearch(fields));
  BITLOSS_TRY(const std::vector<Alternatives> required,
              ReadWanted(fields, "values", search.normalization));
  std::vector<Alternatives> forbidden;
  if (fields.Find("forbidden") != nullptr) {
    BITLOSS_TRY(forbidden, ReadWanted(fields, "forbidden", search.normalization));
  }
  BITLOSS_TRY(const std::optional<uint64_t> cardinality, fields.Count("cardinality"));
  return CheckFunction(
      [search, required, forbidden, cardinality](const AnswerView& answer) -> Judged {
        const std::string text = Normalize(answer.scoped, search.normalization);
        const Found wanted = FindEach(text, required, search);
        const Found unwanted = FindEach(text, forbidden, search);
        const size_t items = CountItems(answer.scoped);
        if (wanted.count < required.size())
          return Decide(false, "missing: " + Excerpt(wanted.missing));
        if (unwanted.count > 0) return Decide(false, "forbidden: " + Excerpt(unwanted.present));
        if (cardinality && items != *cardinality) {
          return Decide(false, fmt::format("{} items, expected {}", items, *cardinality));
        }
        return Decide(true, "found: " + Excerpt(wanted.present));
      });
}

}  // namespace bitloss
