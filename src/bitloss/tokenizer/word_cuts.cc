#include "bitloss/tokenizer/word_cuts.h"

#include "bitloss/tokenizer/characters.h"

namespace bitloss {
namespace {

char32_t CharacterBefore(std::string_view text, size_t at) {
  return FirstCharacter(text.substr(LastCharacterStart(text, at)));
}

// A byte's token, "<0x0A>", ends at `at`: it may stand for any character.
bool BytesEnd(std::string_view token, size_t at) {
  return at >= 6 && token.substr(at - 6, 3) == "<0x" && token[at - 1] == '>';
}

}  // namespace

WordCuts::WordCuts(const Vocabulary& vocabulary) : cuts_(vocabulary.Find(kSpace).has_value()) {
  joined_.insert(U'\u2581');
  for (size_t id = 0; id < vocabulary.num_ids(); ++id) {
    const std::string_view token = vocabulary.Spelling(static_cast<TokenId>(id));
    for (size_t at = token.find(kSpace, 1); at < token.size(); at = token.find(kSpace, at + 1)) {
      joined_.insert(CharacterBefore(token, at));
      if (BytesEnd(token, at)) cuts_ = false;
    }
  }
}

bool WordCuts::IsJoined(std::string_view piece, size_t at) const {
  return joined_.contains(CharacterBefore(piece, at));
}

}  // namespace bitloss
