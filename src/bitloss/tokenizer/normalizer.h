// What is done to text before it is cut: the `normalizer` of tokenizer.json.
#ifndef BITLOSS_TOKENIZER_NORMALIZER_H_
#define BITLOSS_TOKENIZER_NORMALIZER_H_

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/tokenizer/pattern.h"
#include "bitloss/tokenizer/unicode_form.h"

namespace bitloss {

class Normalizer {
 public:
  // `text` in front of what is not empty.
  struct Prepend {
    std::string text;
  };
  // Every `from`, leftmost first, becomes `to`. `from` is not empty.
  struct Replace {
    std::string from;
    std::string to;
  };
  // Every match of `pattern`, which does not match nothing, becomes `to`.
  struct ReplaceMatches {
    Pattern pattern;
    std::string to;
  };
  // White space goes from the ends.
  struct Strip {
    bool left = true;
    bool right = true;
  };
  using Step = std::variant<UnicodeForm, Prepend, Replace, ReplaceMatches, Strip>;

  Normalizer() = default;
  explicit Normalizer(std::vector<Step> steps) : steps_(std::move(steps)) {}

  // All steps in order. Returns a view of `text` where nothing but its ends changes, else of
  // `storage`. Fails if a pattern gives up. Requires: valid UTF-8.
  Result<std::string_view> Apply(std::string_view text, std::string& storage) const;

  // Whether what a text begins with may be gone without a trace.
  bool MayDropTheStart() const;

  // The same normalizer gives the same line; for identities.
  std::string Describe() const;

 private:
  std::vector<Step> steps_;
};

// `text` with every `from` replaced. Requires: `from` not empty.
std::string ReplaceAll(std::string_view text, std::string_view from, std::string_view to);

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_NORMALIZER_H_
