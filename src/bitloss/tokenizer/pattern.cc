#include "bitloss/tokenizer/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <cstdint>

#include "bitloss/base/check.h"
#include "bitloss/tokenizer/characters.h"

namespace bitloss {
namespace {

// Steps of backtracking for one match. Real patterns take a few per character of a match; a run of
// white space of n characters takes about n.
constexpr uint32_t kMatchLimit = 20'000'000;
constexpr uint32_t kHeapLimitKib = 64 * 1024;
// Longer patterns, and groups within groups, are no pre-tokenizer's.
constexpr size_t kMaxPatternBytes = size_t{16} * 1024;
constexpr uint32_t kMaxParentheses = 64;

PCRE2_SPTR Subject(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

std::string MessageOf(int code) {
  PCRE2_UCHAR message[256];
  if (pcre2_get_error_message(code, message, sizeof(message)) < 0) return "unknown error";
  return reinterpret_cast<const char*>(message);
}

}  // namespace

Pattern::Scratch::Scratch()
    : match_data_(pcre2_match_data_create(1, nullptr),
                  [](void* data) { pcre2_match_data_free(static_cast<pcre2_match_data*>(data)); }) {
  BITLOSS_CHECK(match_data_ != nullptr);
}

Result<Pattern> Pattern::Compile(std::string_view ruby) {
  if (ruby.size() > kMaxPatternBytes) {
    return Unsupported("a pattern of {} bytes (at most {})", ruby.size(), kMaxPatternBytes);
  }
  BITLOSS_TRY(const std::string translated, TranslatePattern(ruby));
  BITLOSS_TRY(Pattern pattern, CompilePcre2(translated));
  pattern.source_ = ruby;
  return pattern;
}

bool Pattern::MayMatchNothing() const {
  uint32_t matches_empty = 0;
  pcre2_pattern_info(static_cast<pcre2_code*>(code_.get()), PCRE2_INFO_MATCHEMPTY, &matches_empty);
  return matches_empty != 0;
}

Result<Pattern> Pattern::CompileLiteral(std::string_view text) {
  if (text.empty()) return Unsupported("an empty string as a pattern");
  // Between \Q and \E everything stands for itself, except \E.
  if (text.find("\\E") != std::string_view::npos) {
    return Unsupported("the string '{}' as a pattern", text);
  }
  BITLOSS_TRY(Pattern pattern, CompilePcre2("\\Q" + std::string(text) + "\\E"));
  pattern.source_ = text;
  return pattern;
}

Result<Pattern> Pattern::CompilePcre2(const std::string& pcre2) {
  const std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), &pcre2_compile_context_free);
  BITLOSS_CHECK(context != nullptr);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_parens_nest_limit(context.get(), kMaxParentheses);

  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(Subject(pcre2), pcre2.size(), PCRE2_UTF | PCRE2_UCP, &error,
                                   &offset, context.get());
  if (code == nullptr) {
    return BadInput("pattern '{}' is no regular expression: {} at byte {}", pcre2, MessageOf(error),
                    offset);
  }
  Pattern pattern;
  pattern.source_ = pcre2;
  pattern.code_ = {code, [](void* p) { pcre2_code_free(static_cast<pcre2_code*>(p)); }};
  // Where there is no just-in-time compiler the interpreter gives the same matches, more slowly.
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);

  pcre2_match_context* match_context = pcre2_match_context_create(nullptr);
  BITLOSS_CHECK(match_context != nullptr);
  pcre2_set_match_limit(match_context, kMatchLimit);
  pcre2_set_heap_limit(match_context, kHeapLimitKib);
  pattern.match_context_ = {match_context, [](void* p) {
                              pcre2_match_context_free(static_cast<pcre2_match_context*>(p));
                            }};
  return pattern;
}

Result<std::optional<Pattern::Range>> Pattern::Find(std::string_view text, size_t from,
                                                    Scratch& scratch) const {
  auto* code = static_cast<pcre2_code*>(code_.get());
  auto* context = static_cast<pcre2_match_context*>(match_context_.get());
  auto* data = static_cast<pcre2_match_data*>(scratch.match_data_.get());
  int count =
      pcre2_match(code, Subject(text), text.size(), from, PCRE2_NO_UTF_CHECK, data, context);
  if (count == PCRE2_ERROR_JIT_STACKLIMIT) {  // the interpreter keeps its stack on the heap
    count = pcre2_match(code, Subject(text), text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                        data, context);
  }
  if (count == PCRE2_ERROR_NOMATCH) return std::optional<Range>();
  if (count < 0) {
    return BadInput("pattern '{}' gave up at byte {} of a text of {} bytes: {}", source_, from,
                    text.size(), MessageOf(count));
  }
  const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(data);
  return std::optional<Range>({offsets[0], offsets[1]});
}

Result<std::optional<Pattern::Range>> Pattern::Matches::Next() {
  while (from_ <= text_.size()) {
    BITLOSS_TRY(const auto match, pattern_.Find(text_, from_, scratch_));
    if (!match) break;
    if (match->begin == match->end && last_end_ == match->end) {
      from_ += from_ < text_.size() ? Utf8Length(text_[from_]) : 1;
      continue;
    }
    from_ = match->end;
    last_end_ = match->end;
    return match;
  }
  from_ = text_.size() + 1;
  return std::optional<Range>();
}

}  // namespace bitloss
