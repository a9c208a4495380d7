// Short texts on what all commands have in common, for `bitloss help TOPIC` and the manual page.
#ifndef BITLOSS_CLI_TOPICS_H_
#define BITLOSS_CLI_TOPICS_H_

#include <string>
#include <string_view>
#include <vector>

namespace bitloss {

// How a scheme is written, in lines of at most 100 characters, without a last newline.
std::string SchemeGrammar();

struct Topic {
  std::string_view name;     // "exit-codes"
  std::string_view summary;  // a line
  std::string text;          // lines of at most 100 characters
};

std::vector<Topic> Topics();

}  // namespace bitloss

#endif  // BITLOSS_CLI_TOPICS_H_
