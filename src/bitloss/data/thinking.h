#ifndef BITLOSS_DATA_THINKING_H_
#define BITLOSS_DATA_THINKING_H_

#include <string_view>

namespace bitloss {

// Where a model may think before it answers: between <think> and </think>.
enum class Thinking {
  kNone,    // the answer is all of the text
  kMarked,  // the model writes both marks, if it thinks
  kOpened,  // the prompt ended with <think>: the model is thinking from its first token on
};

// The part of a text that answers, which is what checks look at: what follows the last </think>.
// Empty if the thinking did not end.
std::string_view AfterThinking(std::string_view text, Thinking thinking);

}  // namespace bitloss

#endif  // BITLOSS_DATA_THINKING_H_
