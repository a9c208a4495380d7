// word_count, sentence_count, line_count, bullet_count: how many, between `min` and `max`, or
// exactly `exact`.
//
//   words      pieces between white space that hold a letter or a digit
//   sentences  pieces that end with a run of . ! ? (or their CJK forms) before white space, a
//   closing
//              quote or the end, and a last piece without such an end; abbreviations are not known
//   lines      that are not blank
//   bullets    lines that begin with "- ", "* ", a bullet sign, or a number and "." or ")"
#include <limits>

#include "bitloss/data/checks/answer_text.h"
#include "bitloss/data/checks/list.h"

namespace bitloss {
namespace {

bool EndsSentence(int32_t c) {
  return c == '.' || c == '!' || c == '?' || c == 0x3002 || c == 0xFF01 || c == 0xFF1F;
}

bool IsWide(int32_t c) { return c >= 0x3000; }

bool MayFollowSentence(int32_t c) {
  return c == ' ' || (c >= 9 && c <= 13) || c == '"' || c == '\'' || c == ')' || c == 0x201D ||
         c == 0x2019;
}

size_t CountSentences(std::string_view text) {
  const std::vector<CodePoint> points = CodePoints(text);
  size_t sentences = 0;
  size_t begin = 0;
  const auto finish = [&](size_t end) {
    if (!Words(text.substr(begin, end - begin)).empty()) ++sentences;
    begin = end;
  };
  for (size_t i = 0; i < points.size(); ++i) {
    if (!EndsSentence(points[i].value)) continue;
    const bool last = i + 1 == points.size();
    if (last || IsWide(points[i].value) || MayFollowSentence(points[i + 1].value)) {
      finish(points[i].end);
    }
  }
  finish(text.size());
  return sentences;
}

bool IsBullet(std::string_view line) {
  const std::string_view text = Trim(line);
  if (text.starts_with("- ") || text.starts_with("* ") || text.starts_with("\u2022")) return true;
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  return digits > 0 && digits <= 3 && digits + 1 < text.size() &&
         (text[digits] == '.' || text[digits] == ')') && text[digits + 1] == ' ';
}

size_t CountBullets(std::string_view text) {
  size_t bullets = 0;
  for (const std::string_view line : NonBlankLines(text)) bullets += IsBullet(line) ? 1 : 0;
  return bullets;
}

size_t CountWords(std::string_view text) { return Words(text).size(); }
size_t CountLines(std::string_view text) { return NonBlankLines(text).size(); }

Result<CheckFunction> CompileCount(Fields& fields, size_t (*count)(std::string_view),
                                   std::string_view things) {
  BITLOSS_TRY(const std::optional<uint64_t> exact, fields.Count("exact"));
  BITLOSS_TRY(const std::optional<uint64_t> min, fields.Count("min"));
  BITLOSS_TRY(const std::optional<uint64_t> max, fields.Count("max"));
  if (exact.has_value() == (min.has_value() || max.has_value())) {
    return fields.Bad("exact", "either 'exact', or 'min' or 'max' or both, is expected");
  }
  const uint64_t low = exact.value_or(min.value_or(0));
  const uint64_t high = exact.value_or(max.value_or(std::numeric_limits<uint64_t>::max()));
  if (low > high) return fields.Bad("min", "is larger than 'max'");
  return CheckFunction([=](const AnswerView& answer) -> Judged {
    const size_t found = count(answer.scoped);
    return Decide(found >= low && found <= high, fmt::format("{} {}", found, things));
  });
}

}  // namespace

Result<CheckFunction> CompileWordCount(Fields& fields) {
  return CompileCount(fields, CountWords, "words");
}
Result<CheckFunction> CompileSentenceCount(Fields& fields) {
  return CompileCount(fields, CountSentences, "sentences");
}
Result<CheckFunction> CompileLineCount(Fields& fields) {
  return CompileCount(fields, CountLines, "lines");
}
Result<CheckFunction> CompileBulletCount(Fields& fields) {
  return CompileCount(fields, CountBullets, "bullets");
}

}  // namespace bitloss
