#ifndef BITLOSS_TOKENIZER_NFC_H_
#define BITLOSS_TOKENIZER_NFC_H_

#include <string>
#include <string_view>

namespace bitloss {

// `text` in Unicode normalization form C, by the tables of Unicode 9, as Hugging Face's
// `tokenizers` normalizes; characters assigned later are left alone (utf8proc up to Unicode 14).
// Returns `text` itself where nothing changes, else a view of `storage`. Requires: valid UTF-8.
std::string_view ToNfc(std::string_view text, std::string& storage);

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_NFC_H_
