// Why a template or a conversation is refused. Inside this folder a refusal is thrown, because it
// can come from the depth of any expression; ParseProgram and RunProgram catch it and return an
// Error, and none leaves the folder.
#ifndef BITLOSS_TEMPLATES_REFUSAL_H_
#define BITLOSS_TEMPLATES_REFUSAL_H_

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>

namespace bitloss::templates {

// A place in the source, from 1; columns count code points.
struct Position {
  size_t line = 1;
  size_t column = 1;
};

struct Refusal {
  std::string message;
  std::optional<Position> at = {};  // none: where the interpreter is
  bool by_template = false;         // raise_exception: the message is written for the user
};

template <class... Args>
[[noreturn]] void Refuse(fmt::format_string<Args...> format, Args&&... args) {
  throw Refusal{fmt::format(format, std::forward<Args>(args)...)};
}

template <class... Args>
[[noreturn]] void RefuseAt(Position at, fmt::format_string<Args...> format, Args&&... args) {
  throw Refusal{fmt::format(format, std::forward<Args>(args)...), at};
}

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_REFUSAL_H_
