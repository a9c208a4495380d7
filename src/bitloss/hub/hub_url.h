// Addresses, as far as a client that guards a token must understand them.
#ifndef BITLOSS_HUB_HUB_URL_H_
#define BITLOSS_HUB_HUB_URL_H_

#include <optional>
#include <string>
#include <string_view>

namespace bitloss {

// "https://host:443" of "https://Host/path?query": scheme, host in lower case, port. None for any
// other scheme than http and https, for user names in it, for control characters, blanks and
// backslashes: such an address is not asked.
std::optional<std::string> OriginOf(std::string_view url);

// Whether what is sent there can be read on the way: http to another machine than this.
bool IsOpenToOthers(std::string_view url);

// Where `location`, of an answer to a request to `base`, leads: a full address, "//host/path" or
// "/path". None for anything else.
std::optional<std::string> ResolveLocation(std::string_view base, std::string_view location);

// Percent-encoded, all but letters, digits and "-._~"; `kept` stays too.
std::string PercentEncoded(std::string_view text, std::string_view kept = "");

}  // namespace bitloss

#endif  // BITLOSS_HUB_HUB_URL_H_
