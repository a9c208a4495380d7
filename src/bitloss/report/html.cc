#include "bitloss/report/html.h"

#include <algorithm>
#include <cstdint>

#include "bitloss/base/check.h"
#include "bitloss/base/hash.h"
#include "bitloss/base/text.h"

namespace bitloss {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

void AppendEscaped(char c, std::string& html) {
  switch (c) {
    case '&':
      html += "&amp;";
      break;
    case '<':
      html += "&lt;";
      break;
    case '>':
      html += "&gt;";
      break;
    case '"':
      html += "&quot;";
      break;
    case '\'':
      html += "&#39;";
      break;
    default: {
      const auto byte = static_cast<unsigned char>(c);
      const bool control = (byte < 0x20 && c != '\t' && c != '\n') || byte == 0x7F;
      html += control ? kReplacement : std::string_view(&c, 1);
    }
  }
}

uint8_t HexDigit(char c) { return static_cast<uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10); }

std::string Base64OfHex(std::string_view hex) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(HexDigit(hex[i]) << 4 | HexDigit(hex[i + 1])));
  }
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? bytes[i + k] : 0u);
    for (size_t k = 0; k < 4; ++k) {
      text += k <= count ? kDigits[group >> (18 - 6 * k) & 0x3F] : '=';
    }
  }
  return text;
}

}  // namespace

std::string EscapeHtml(std::string_view text) {
  std::string html;
  html.reserve(text.size() + text.size() / 8);
  while (!text.empty()) {
    const size_t valid = FindInvalidUtf8(text).value_or(text.size());
    for (const char c : text.substr(0, valid)) AppendEscaped(c, html);
    if (valid == text.size()) break;
    html += kReplacement;
    text.remove_prefix(valid + 1);
  }
  return html;
}

std::string Shortened(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

std::string PolicyHash(std::string_view content) {
  return "sha256-" + Base64OfHex(Sha256Hex(content));
}

std::string Fill(std::string_view skeleton,
                 const std::vector<std::pair<std::string_view, std::string>>& values) {
  std::string filled;
  while (true) {
    const size_t open = skeleton.find("{{");
    filled += skeleton.substr(0, open);
    if (open == std::string_view::npos) return filled;
    const size_t close = skeleton.find("}}", open);
    BITLOSS_CHECK(close != std::string_view::npos);
    const std::string_view name = skeleton.substr(open + 2, close - open - 2);
    const auto value =
        std::ranges::find(values, name, &std::pair<std::string_view, std::string>::first);
    BITLOSS_CHECK(value != values.end());
    filled += value->second;
    skeleton.remove_prefix(close + 2);
  }
}

}  // namespace bitloss
