#include "bitloss/tokenizer/one_line.h"

#include "bitloss/tokenizer/characters.h"

namespace bitloss {

Error OnOneLine(const Error& error) {
  constexpr size_t kMaxBytes = 600;
  const bool cut = error.message.size() > kMaxBytes;
  std::string line;
  for (const char c : ReplaceInvalidUtf8(std::string_view(error.message).substr(0, kMaxBytes))) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      line += fmt::format("\\x{:02X}", byte);
    } else {
      line += c;
    }
  }
  if (cut) line += " ...";
  return {error.kind, std::move(line)};
}

}  // namespace bitloss
