#include "bitloss/hub/hub_settings.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <string_view>

#include "bitloss/base/file.h"
#include "bitloss/hub/hub_url.h"

namespace bitloss {
namespace {

namespace fs = std::filesystem;

// The value of the first of these variables that is set and not empty.
struct Variable {
  std::string name;
  std::string value;  // empty: none is set
};

Variable FirstOf(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') return {name, value};
  }
  return {};
}

bool IsOn(std::initializer_list<const char*> names) {
  std::string value = FirstOf(names).value;
  std::ranges::transform(value, value.begin(), [](unsigned char c) { return std::toupper(c); });
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

// "~/x" and "$VAR/x" or "${VAR}/x" as a shell reads them; what is not set stays as it is written.
fs::path Expanded(std::string_view text) {
  std::string path;
  if (const Variable home = FirstOf({"HOME"});
      !home.value.empty() && (text == "~" || text.starts_with("~/"))) {
    path = home.value;
    text.remove_prefix(1);
  }
  while (!text.empty()) {
    const size_t dollar = std::min(text.find('$'), text.size());
    path += text.substr(0, dollar);
    text.remove_prefix(dollar);
    if (text.empty()) break;
    const bool braced = text.starts_with("${");
    const size_t begin = braced ? 2 : 1;
    size_t end = begin;
    while (end < text.size() &&
           (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '_')) {
      ++end;
    }
    const std::string value = FirstOf({std::string(text.substr(begin, end - begin)).c_str()}).value;
    if (braced && end < text.size() && text[end] == '}') ++end;
    path += value.empty() ? text.substr(0, end) : std::string_view(value);
    text.remove_prefix(end);
  }
  return path;
}

// $HF_HOME, or where it lies without.
fs::path HubHome() {
  if (const Variable home = FirstOf({"HF_HOME"}); !home.value.empty()) return Expanded(home.value);
  if (const Variable caches = FirstOf({"XDG_CACHE_HOME"}); !caches.value.empty()) {
    return Expanded(caches.value) / "huggingface";
  }
  if (const Variable home = FirstOf({"HOME"}); !home.value.empty()) {
    return fs::path(home.value) / ".cache/huggingface";
  }
  return {};
}

std::string Stripped(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == text.npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin));
}

Status ReadToken(const fs::path& home, HubSettings& settings) {
  if (IsOn({"HF_HUB_DISABLE_IMPLICIT_TOKEN"})) return Ok();
  const Variable variable = FirstOf({"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"});
  settings.token = Stripped(variable.value);
  settings.token_source = variable.name;
  if (settings.token.empty()) {
    const Variable named = FirstOf({"HF_TOKEN_PATH"});
    const fs::path path = named.value.empty() ? home / "token" : Expanded(named.value);
    constexpr size_t kMaxBytes = 1 << 16;
    const auto file = ReadFile(path, kMaxBytes);
    if (!file.ok()) return Ok();  // nobody has logged in here
    settings.token = Stripped(file.value());
    settings.token_source = path.string();
  }
  const auto is_visible = [](unsigned char c) { return c > 0x20 && c < 0x7F; };
  if (std::ranges::all_of(settings.token, is_visible)) return Ok();
  return BadInput("{}: holds no token: there is a blank or a special character in it",
                  settings.token_source);
}

Status ReadTimeout(const char* name, long& seconds) {
  const std::string value = FirstOf({name}).value;
  if (value.empty()) return Ok();
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error == std::errc() && end == value.data() + value.size() && seconds > 0) return Ok();
  return BadInput("{}: '{}' is not a number of seconds", name, value);
}

}  // namespace

Result<HubSettings> HubSettingsFromEnvironment() {
  HubSettings settings;
  if (const Variable endpoint = FirstOf({"HF_ENDPOINT"}); !endpoint.value.empty()) {
    settings.endpoint = endpoint.value;
    while (settings.endpoint.ends_with('/')) settings.endpoint.pop_back();
    if (!OriginOf(settings.endpoint)) {
      return BadInput("HF_ENDPOINT: not an address of the form https://host");
    }
  }
  const fs::path home = HubHome();
  const Variable cache = FirstOf({"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"});
  if (!cache.value.empty()) {
    settings.cache = Expanded(cache.value);
  } else if (!home.empty()) {
    settings.cache = home / "hub";
  }
  BITLOSS_DO(ReadToken(home, settings));
  settings.offline = IsOn({"HF_HUB_OFFLINE"}) || IsOn({"TRANSFORMERS_OFFLINE"});
  settings.copies = IsOn({"HF_HUB_DISABLE_SYMLINKS"});
  settings.quiet = IsOn({"HF_HUB_DISABLE_PROGRESS_BARS"});
  BITLOSS_DO(ReadTimeout("HF_HUB_ETAG_TIMEOUT", settings.metadata_timeout));
  BITLOSS_DO(ReadTimeout("HF_HUB_DOWNLOAD_TIMEOUT", settings.download_timeout));
  settings.certificates = FirstOf({"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"}).value;
  settings.certificate_folder = FirstOf({"SSL_CERT_DIR"}).value;
  return settings;
}

}  // namespace bitloss
