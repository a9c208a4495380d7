#ifndef BITLOSS_TOKENIZER_UNICODE_FORM_H_
#define BITLOSS_TOKENIZER_UNICODE_FORM_H_

#include <string>
#include <string_view>

namespace bitloss {

enum class UnicodeForm { kNfc, kNfd, kNfkc, kNfkd };

// `text` in a Unicode normalization form, by the tables of Unicode 9, as Hugging Face's
// `tokenizers` normalizes; characters assigned later are left alone (utf8proc up to Unicode 14).
// Returns `text` itself where nothing changes, else a view of `storage`. Requires: valid UTF-8.
std::string_view ToUnicodeForm(UnicodeForm form, std::string_view text, std::string& storage);

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_UNICODE_FORM_H_
