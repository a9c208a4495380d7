// Text on its way into HTML, and hashes for a content security policy.
#ifndef BITLOSS_REPORT_HTML_H_
#define BITLOSS_REPORT_HTML_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bitloss {

// `text` as HTML shows it, inside elements and quoted attributes: & < > " ' become entities; bytes
// that are not UTF-8 and control characters other than tab and newline become U+FFFD. Answers are
// written by models and may say anything; nothing reaches the page but through here.
std::string EscapeHtml(std::string_view text);

// The first `max_bytes` of `text` at most, cut between code points, with "..." if cut.
std::string Shortened(std::string_view text, size_t max_bytes);

// "sha256-<base64>": how a policy names an inline script or style.
std::string PolicyHash(std::string_view content);

// `skeleton` with each {{name}} replaced; what is put in is not looked at again.
// Requires: every name of the skeleton is in `values`.
std::string Fill(std::string_view skeleton,
                 const std::vector<std::pair<std::string_view, std::string>>& values);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_HTML_H_
