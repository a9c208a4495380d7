#include "bitloss/data/checks/bounded_regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>

#include "bitloss/base/check.h"

namespace bitloss {
namespace {

constexpr uint32_t kMaxSteps = 1'000'000;
constexpr uint32_t kMaxDepth = 100'000;
constexpr uint32_t kMaxHeapKib = 32 * 1024;

template <class T, void (*kFree)(T*)>
struct Free {
  void operator()(T* object) const { kFree(object); }
};
using MatchData = std::unique_ptr<pcre2_match_data, Free<pcre2_match_data, pcre2_match_data_free>>;
using MatchContext =
    std::unique_ptr<pcre2_match_context, Free<pcre2_match_context, pcre2_match_context_free>>;

}  // namespace

Result<BoundedRegex> BoundedRegex::Compile(std::string_view pattern) {
  int code = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* compiled =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &offset, nullptr);
  if (compiled == nullptr) {
    std::array<PCRE2_UCHAR, 160> message{};
    pcre2_get_error_message(code, message.data(), message.size());
    return BadInput("bad pattern at byte {}: {}", offset,
                    reinterpret_cast<const char*>(message.data()));
  }
  return BoundedRegex(std::shared_ptr<const void>(compiled, [](const void* owned) {
    pcre2_code_free(static_cast<pcre2_code*>(const_cast<void*>(owned)));
  }));
}

BoundedRegex::Found BoundedRegex::Search(std::string_view text, size_t from) const {
  const auto* code = static_cast<const pcre2_code*>(code_.get());
  const MatchData data(pcre2_match_data_create_from_pattern(code, nullptr));
  const MatchContext context(pcre2_match_context_create(nullptr));
  BITLOSS_CHECK(data != nullptr && context != nullptr);
  pcre2_set_match_limit(context.get(), kMaxSteps);
  pcre2_set_depth_limit(context.get(), kMaxDepth);
  pcre2_set_heap_limit(context.get(), kMaxHeapKib);
  const int result = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                                 0, data.get(), context.get());
  if (result == PCRE2_ERROR_NOMATCH) return {.outcome = Outcome::kNotFound, .begin = 0, .end = 0};
  if (result < 0) return {.outcome = Outcome::kGaveUp, .begin = 0, .end = 0};
  const PCRE2_SIZE* span = pcre2_get_ovector_pointer(data.get());
  // \K can put the start of a match behind its end.
  return {.outcome = Outcome::kFound, .begin = std::min(span[0], span[1]), .end = span[1]};
}

}  // namespace bitloss
