#include "bitloss/data/assess.h"

#include <algorithm>

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

std::string LowerAscii(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
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

CheckOutcome Ask(const Check& check, const Prompt& prompt, std::string_view answer) {
  const std::optional<std::string_view> scoped = Select(answer, check);
  if (!scoped) return {.id = check.id, .passed = false, .evidence = "nothing to look at"};
  const Verdict verdict = check.judge({.scoped = *scoped, .prompt = prompt.text});
  return {.id = check.id, .passed = verdict.passed != check.negate, .evidence = verdict.evidence};
}

}  // namespace

std::optional<Assessment> Assess(const Prompt& prompt, std::string_view answer) {
  if (prompt.checks.empty()) return std::nullopt;
  Assessment assessment{.passed = true, .score = 0.0, .checks = {}};
  double total = 0.0;
  double earned = 0.0;
  for (const Check& check : prompt.checks) {
    assessment.checks.push_back(Ask(check, prompt, Bounded(answer)));
    const bool passed = assessment.checks.back().passed;
    if (check.required && !passed) assessment.passed = false;
    total += check.weight;
    if (passed) earned += check.weight;
  }
  assessment.score = total > 0.0 ? earned / total : (assessment.passed ? 1.0 : 0.0);
  return assessment;
}

}  // namespace bitloss
