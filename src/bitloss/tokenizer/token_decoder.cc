#include "bitloss/tokenizer/token_decoder.h"

#include <charconv>
#include <optional>

#include "bitloss/base/text.h"
#include "bitloss/tokenizer/byte_alphabet.h"
#include "bitloss/tokenizer/characters.h"
#include "bitloss/tokenizer/normalizer.h"

namespace bitloss {
namespace {

using Tokens = std::vector<std::string>;

std::string Join(const Tokens& tokens, std::string_view between) {
  std::string text;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0) text += between;
    text += tokens[i];
  }
  return text;
}

std::optional<char> ByteOf(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  unsigned value = 0;
  const char* digits = token.data() + 3;
  const auto parsed = std::from_chars(digits, digits + 2, value, 16);
  if (parsed.ec != std::errc() || parsed.ptr != digits + 2) return std::nullopt;
  return static_cast<char>(value);
}

void Apply(const TokenDecoder::ByteLevel&, Tokens& tokens) {
  for (std::string& token : tokens) {
    if (auto bytes = BytesOfLetters(token)) token = *std::move(bytes);
  }
  tokens = {ReplaceInvalidUtf8(Join(tokens, ""))};  // a character may span tokens
}

void Apply(const TokenDecoder::Replace& step, Tokens& tokens) {
  for (std::string& token : tokens) token = ReplaceAll(token, step.from, step.to);
}

void Apply(const TokenDecoder::ByteFallback&, Tokens& tokens) {
  Tokens out;
  std::string bytes;
  const auto flush = [&] {
    if (bytes.empty()) return;
    if (!FindInvalidUtf8(bytes)) {
      out.push_back(bytes);
    } else {
      out.insert(out.end(), bytes.size(), "\xEF\xBF\xBD");
    }
    bytes.clear();
  };
  for (std::string& token : tokens) {
    if (const auto byte = ByteOf(token)) {
      bytes.push_back(*byte);
    } else {
      flush();
      out.push_back(std::move(token));
    }
  }
  flush();
  tokens = std::move(out);
}

void Apply(const TokenDecoder::Fuse&, Tokens& tokens) { tokens = {Join(tokens, "")}; }

void Apply(const TokenDecoder::Strip& step, Tokens& tokens) {
  for (std::string& token : tokens) {
    for (size_t i = 0; i < step.start && token.starts_with(step.content); ++i) {
      token.erase(0, step.content.size());
    }
    for (size_t i = 0; i < step.stop && token.ends_with(step.content); ++i) {
      token.resize(token.size() - step.content.size());
    }
  }
}

void Apply(const TokenDecoder::Metaspace& step, Tokens& tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    const bool drop = i == 0 && step.first == TokenDecoder::Metaspace::First::kDrop &&
                      tokens[i].starts_with(step.replacement);
    if (drop) tokens[i].erase(0, step.replacement.size());
    tokens[i] = ReplaceAll(tokens[i], step.replacement, " ");
  }
}

}  // namespace

TokenDecoder TokenDecoder::SentencePiece(LeadingSpace leading_space) {
  const size_t drop = leading_space == LeadingSpace::kDrop ? 1 : 0;
  return TokenDecoder({Replace{"\u2581", " "}, ByteFallback{}, Fuse{}, Strip{" ", drop, 0}},
                      Between::kNothing);
}

std::string TokenDecoder::Decode(std::vector<std::string> tokens) const {
  for (const Step& step : steps_) {
    std::visit([&](const auto& kind) { Apply(kind, tokens); }, step);
  }
  return ReplaceInvalidUtf8(Join(tokens, between_ == Between::kSpace ? " " : ""));
}

}  // namespace bitloss
