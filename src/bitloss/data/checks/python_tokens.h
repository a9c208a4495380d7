// The tokens of Python source text, with its indentation as tokens, as the language defines them.
#ifndef BITLOSS_DATA_CHECKS_PYTHON_TOKENS_H_
#define BITLOSS_DATA_CHECKS_PYTHON_TOKENS_H_

#include <string>
#include <string_view>
#include <vector>

namespace bitloss {

struct PythonToken {
  enum class Kind { kName, kNumber, kString, kOperator, kNewline, kIndent, kDedent };
  Kind kind = Kind::kName;
  std::string text = {};  // of a string: its content, "f" first for one that is formatted

  bool Is(std::string_view wanted) const {
    return (kind == Kind::kName || kind == Kind::kOperator) && text == wanted;
  }
};

// Ends with a newline and the dedents that are due. What is no token is an operator of one byte.
std::vector<PythonToken> PythonTokens(std::string_view code);

}  // namespace bitloss

#endif  // BITLOSS_DATA_CHECKS_PYTHON_TOKENS_H_
