#include "bitloss/data/thinking.h"

namespace bitloss {

std::string_view AfterThinking(std::string_view text, Thinking thinking) {
  constexpr std::string_view kBegin = "<think>";
  constexpr std::string_view kEnd = "</think>";
  if (thinking == Thinking::kNone) return text;
  const size_t end = text.rfind(kEnd);
  const bool open = thinking == Thinking::kOpened || text.find(kBegin) != std::string_view::npos;
  if (end == std::string_view::npos) return open ? std::string_view() : text;
  text.remove_prefix(end + kEnd.size());
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

}  // namespace bitloss
