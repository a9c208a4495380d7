// What is done to text before it is cut: the `normalizer` of tokenizer.json.
#ifndef BITLOSS_TOKENIZER_NORMALIZER_H_
#define BITLOSS_TOKENIZER_NORMALIZER_H_

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bitloss {

class Normalizer {
 public:
  // Unicode normalization form C.
  struct Nfc {};
  // `text` in front of what is not empty.
  struct Prepend {
    std::string text;
  };
  // Every `from`, leftmost first, becomes `to`. `from` is not empty.
  struct Replace {
    std::string from;
    std::string to;
  };
  using Step = std::variant<Nfc, Prepend, Replace>;

  Normalizer() = default;
  explicit Normalizer(std::vector<Step> steps) : steps_(std::move(steps)) {}

  // All steps in order. Returns `text` itself where nothing changes, else a view of `storage`.
  // Requires: valid UTF-8.
  std::string_view Apply(std::string_view text, std::string& storage) const;

  // The same normalizer gives the same line; for identities.
  std::string Describe() const;

 private:
  std::vector<Step> steps_;
};

// `text` with every `from` replaced. Requires: `from` not empty.
std::string ReplaceAll(std::string_view text, std::string_view from, std::string_view to);

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_NORMALIZER_H_
