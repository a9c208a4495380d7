#include "bitloss/hub/hub_url.h"

#include <fmt/format.h>

#include <algorithm>

#include "bitloss/base/text.h"

namespace bitloss {
namespace {

bool IsPlain(std::string_view url) {
  return std::ranges::all_of(url,
                             [](unsigned char c) { return c > 0x20 && c != 0x7F && c != '\\'; });
}

bool IsPort(std::string_view port) {
  return !port.empty() && port.size() <= 5 &&
         std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::optional<std::string> OriginOf(std::string_view url) {
  if (!IsPlain(url)) return std::nullopt;
  const size_t colon = url.find("://");
  if (colon == url.npos) return std::nullopt;
  const std::string scheme = InLowerCase(url.substr(0, colon));
  if (scheme != "http" && scheme != "https") return std::nullopt;
  url.remove_prefix(colon + 3);
  const std::string authority = InLowerCase(url.substr(0, url.find_first_of("/?#")));
  if (authority.find('@') != authority.npos) return std::nullopt;

  // A colon after the last bracket of an IPv6 address begins the port.
  const size_t bracket = authority.rfind(']');
  const size_t port = authority.find(':', bracket == authority.npos ? 0 : bracket);
  const std::string host = authority.substr(0, port);
  if (host.empty()) return std::nullopt;
  if (port == authority.npos) {
    return fmt::format("{}://{}:{}", scheme, host, scheme == "https" ? 443 : 80);
  }
  if (!IsPort(std::string_view(authority).substr(port + 1))) return std::nullopt;
  return fmt::format("{}://{}", scheme, authority);
}

bool IsOpenToOthers(std::string_view url) {
  const std::string origin = OriginOf(url).value_or("");
  if (!origin.starts_with("http://")) return false;
  const std::string host = origin.substr(7, origin.rfind(':') - 7);
  const bool loopback =
      host == "localhost" || host == "[::1]" ||
      (host.starts_with("127.") && host.find_first_not_of("0123456789.") == host.npos);
  return !loopback;
}

std::optional<std::string> ResolveLocation(std::string_view base, std::string_view location) {
  std::string target;
  const std::string origin = OriginOf(base).value_or("");
  if (location.starts_with("//")) {
    target = fmt::format("{}:{}", origin.substr(0, origin.find(':')), location);
  } else if (location.starts_with("/")) {
    target = origin + std::string(location);
  } else {
    target = location;
  }
  if (!OriginOf(target)) return std::nullopt;
  return target;
}

std::string PercentEncoded(std::string_view text, std::string_view kept) {
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~").find(c) != std::string_view::npos ||
                       kept.find(c) != kept.npos;
    encoded += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return encoded;
}

}  // namespace bitloss
