#include "bitloss/checkpoint/gguf_parts.h"

#include <fmt/format.h>

namespace bitloss {

GgufPartName ParseGgufPartName(std::string_view path) {
  constexpr std::string_view kPattern = "-00000-of-00000.gguf";
  GgufPartName whole{std::string(path)};
  if (path.size() <= kPattern.size()) return whole;
  const std::string_view tail = path.substr(path.size() - kPattern.size());
  for (size_t i = 0; i < tail.size(); ++i) {
    const bool digit = tail[i] >= '0' && tail[i] <= '9';
    if (kPattern[i] == '0' ? !digit : tail[i] != kPattern[i]) return whole;
  }
  return {std::string(path.substr(0, path.size() - kPattern.size())),
          std::stoul(std::string(tail.substr(1, 5))), std::stoul(std::string(tail.substr(10, 5)))};
}

std::string GgufPartSuffix(size_t number, size_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", number, count);
}

}  // namespace bitloss
