#include "bitloss/tokenizer/identity.h"

#include <fmt/compile.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <iterator>

#include "bitloss/base/hash.h"

namespace bitloss {

std::string IdentityOf(const TokenizerParts& parts) {
  std::string text = "bitloss.tokenizer/1\n";
  const auto out = std::back_inserter(text);
  for (size_t id = 0; id < parts.vocabulary.num_ids(); ++id) {
    const auto token = static_cast<TokenId>(id);
    if (!parts.vocabulary.Has(token)) continue;
    const std::string_view spelling = parts.vocabulary.Spelling(token);
    fmt::format_to(out, FMT_COMPILE("{} {} "), id, spelling.size());
    text += spelling;
  }
  text += '\n';
  for (const AddedToken& token : parts.added_tokens.tokens()) {
    fmt::format_to(out, "added {} {:d}{:d}{:d}{:d}{:d}\n", token.id, token.special,
                   token.single_word, token.lstrip, token.rstrip, token.normalized);
  }
  fmt::format_to(out, "{}\n{}\n{} {}\n", parts.normalizer.Describe(),
                 parts.pre_tokenizer.Describe(), fmt::join(parts.prefix, ","),
                 fmt::join(parts.suffix, ","));
  text += parts.model_description;
  return Sha256Hex(text);
}

}  // namespace bitloss
