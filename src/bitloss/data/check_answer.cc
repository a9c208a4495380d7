#include "bitloss/data/check_answer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "bitloss/base/check.h"
#include "bitloss/data/checks/answer_text.h"

namespace bitloss {
namespace {

constexpr size_t kMaxAnswerBytes = 64 * 1024;

std::string_view Bounded(std::string_view answer) {
  size_t size = std::min(answer.size(), kMaxAnswerBytes);
  while (size > 0 && size < answer.size() &&
         (static_cast<unsigned char>(answer[size]) & 0xC0) == 0x80) {
    --size;
  }
  return answer.substr(0, size);
}

// Without the emphasis that often surrounds a marker: "**Answer:** 36".
std::string_view WithoutEmphasis(std::string_view line) {
  line = Trim(line);
  while (line.starts_with('*')) line.remove_prefix(1);
  while (line.ends_with('*')) line.remove_suffix(1);
  return Trim(line);
}

std::optional<std::string_view> AfterMarker(std::string_view answer, std::string_view marker) {
  const size_t at = LowerAscii(answer).rfind(LowerAscii(marker));
  if (at == std::string_view::npos) return std::nullopt;
  for (const std::string_view line : NonBlankLines(answer.substr(at + marker.size()))) {
    if (const std::string_view text = WithoutEmphasis(line); !text.empty()) return text;
  }
  return std::nullopt;
}

std::optional<std::string_view> Select(std::string_view answer, const Check& check) {
  if (check.scope == Scope::kText) return answer;
  if (check.scope == Scope::kFenced) return FirstFencedBlock(answer);
  if (check.scope == Scope::kAfterMarker) return AfterMarker(answer, check.marker);
  const std::vector<std::string_view> lines = NonBlankLines(answer);
  if (lines.empty()) return std::nullopt;
  return check.scope == Scope::kFirstLine ? lines.front() : lines.back();
}

// Words without case and punctuation.
std::vector<std::string> Comparable(std::string_view text) {
  std::vector<std::string> words;
  for (const std::string_view word : Words(text)) {
    words.push_back(Normalize(word, {.casefold = true, .strip_punct = true}));
  }
  return words;
}

// Whether the answer is its prompt over again: all of it, perhaps behind a word or two, or its
// beginning and no more.
bool IsEcho(std::string_view answer, std::string_view prompt) {
  constexpr size_t kLead = 2;
  const std::vector<std::string> said = Comparable(answer);
  const std::vector<std::string> asked = Comparable(prompt);
  if (said.size() < 3 || said.size() > asked.size() + kLead) return false;
  for (size_t lead = 0; lead <= kLead && lead < said.size(); ++lead) {
    const size_t count = said.size() - lead;
    if (count > asked.size() || (lead > 0 && count < asked.size())) continue;
    if (std::equal(said.begin() + static_cast<ptrdiff_t>(lead), said.end(), asked.begin())) {
      return true;
    }
  }
  return false;
}

// What follows the prompt where the answer begins by repeating it word by word.
std::string_view WithoutPrompt(std::string_view answer, std::string_view prompt) {
  const std::string_view text = Trim(answer);
  return text.starts_with(Trim(prompt)) ? text.substr(Trim(prompt).size()) : answer;
}

CheckOutcome Negated(CheckOutcome outcome) {
  if (outcome == CheckOutcome::kUndecided) return outcome;
  return outcome == CheckOutcome::kPass ? CheckOutcome::kFail : CheckOutcome::kPass;
}

JudgedCheck Ask(const Check& check, const SuitePrompt& prompt, std::string_view answer) {
  const std::optional<std::string_view> scoped = Select(answer, check);
  if (!scoped) return {check.id, CheckOutcome::kFail, "nothing to look at"};
  const Judged judged = check.judge({.scoped = *scoped, .prompt = prompt.prompt});
  return {check.id, check.negate ? Negated(judged.outcome) : judged.outcome, judged.evidence};
}

// Of the required checks: a failure decides, then what is undecided.
CheckOutcome Together(CheckOutcome a, CheckOutcome b) {
  if (a == CheckOutcome::kFail || b == CheckOutcome::kFail) return CheckOutcome::kFail;
  return a == CheckOutcome::kPass ? b : a;
}

}  // namespace

PromptResult CheckAnswer(const SuitePrompt& prompt, std::string_view answer) {
  BITLOSS_CHECK(!prompt.checks.empty());
  PromptResult result{.outcome = CheckOutcome::kPass, .score = 0.0, .checks = {}};
  double total = 0.0;
  double earned = 0.0;
  const std::string_view bounded = Bounded(answer);
  const bool echo = IsEcho(bounded, prompt.prompt);
  const std::string_view own = WithoutPrompt(bounded, prompt.prompt);
  for (const Check& check : prompt.checks) {
    result.checks.push_back(echo ? JudgedCheck{check.id, CheckOutcome::kFail, "repeats the prompt"}
                                 : Ask(check, prompt, own));
    const CheckOutcome outcome = result.checks.back().outcome;
    if (check.required) result.outcome = Together(result.outcome, outcome);
    if (outcome != CheckOutcome::kUndecided) total += check.weight;
    if (outcome == CheckOutcome::kPass) earned += check.weight;
  }
  result.score = total > 0.0 ? earned / total : (result.passed() ? 1.0 : 0.0);
  return result;
}

std::string EvidenceJson(const PromptResult& result) {
  OrderedJson json = OrderedJson::array();
  for (const JudgedCheck& check : result.checks) {
    json.push_back({{"id", check.id},
                    {"outcome", Name(check.outcome)},
                    {"passed", check.outcome == CheckOutcome::kPass},
                    {"evidence", check.evidence}});
  }
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace bitloss
