// Regular expressions over untrusted text: PCRE2 with UTF and Unicode classes, of which the common
// subset with ECMAScript is what suites should use; limits on steps, depth and memory, so that a
// pattern that explodes gives up instead of hanging.
#ifndef BITLOSS_DATA_CHECKS_BOUNDED_REGEX_H_
#define BITLOSS_DATA_CHECKS_BOUNDED_REGEX_H_

#include <memory>
#include <string_view>

#include "bitloss/base/result.h"

namespace bitloss {

class BoundedRegex {
 public:
  // kBadInput with the offset in the pattern.
  static Result<BoundedRegex> Compile(std::string_view pattern);

  enum class Outcome { kFound, kNotFound, kGaveUp };
  struct Found {
    Outcome outcome = Outcome::kNotFound;
    size_t begin = 0;  // bytes [begin, end) of the text, if found
    size_t end = 0;
  };
  // The first match that begins at or after `from`. Any number of threads may search at once.
  Found Search(std::string_view text, size_t from = 0) const;

 private:
  explicit BoundedRegex(std::shared_ptr<const void> code) : code_(std::move(code)) {}

  std::shared_ptr<const void> code_;  // pcre2_code
};

}  // namespace bitloss

#endif  // BITLOSS_DATA_CHECKS_BOUNDED_REGEX_H_
