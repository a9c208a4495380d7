#include "bitloss/hub/http.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "bitloss/base/text.h"
#include "bitloss/hub/curl_library.h"

namespace bitloss {
namespace {

// What libcurl's callbacks write to.
struct Exchange {
  const HttpRequest& request;
  HttpAnswer answer;
  bool sink_began = false;
  bool too_large = false;
};

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) {
    text.remove_prefix(1);
  }
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) {
    text.remove_suffix(1);
  }
  return text;
}

// "HTTP/1.1 200 OK" begins an answer: what came before it was another's (100, a proxy's).
int StatusOf(std::string_view line) {
  const size_t blank = line.find(' ');
  if (blank == line.npos) return 0;
  int status = 0;
  for (const char c : line.substr(blank + 1, 3)) {
    if (c < '0' || c > '9') return 0;
    status = 10 * status + (c - '0');
  }
  return status;
}

size_t TakeHeader(char* data, size_t size, size_t count, void* user) {
  HttpAnswer& answer = static_cast<Exchange*>(user)->answer;
  const std::string_view line(data, size * count);
  if (line.starts_with("HTTP/")) {
    answer.headers.clear();
    answer.status = StatusOf(line);
    return line.size();
  }
  const size_t colon = line.find(':');
  constexpr size_t kMaxHeaders = 200;
  if (colon == line.npos || answer.headers.size() > kMaxHeaders) return line.size();
  answer.headers[InLowerCase(line.substr(0, colon))] = Trimmed(line.substr(colon + 1));
  return line.size();
}

// Anything but the number of bytes ends the exchange.
size_t TakeBody(char* data, size_t size, size_t count, void* user) {
  Exchange& exchange = *static_cast<Exchange*>(user);
  HttpAnswer& answer = exchange.answer;
  const size_t num_bytes = size * count;
  BodySink* sink = answer.status == 200 || answer.status == 206 ? exchange.request.sink : nullptr;
  if (sink != nullptr) {
    if (!exchange.sink_began && !sink->Begin(answer)) return 0;
    exchange.sink_began = true;
    return sink->Take(std::as_bytes(std::span(data, num_bytes))) ? num_bytes : 0;
  }
  exchange.too_large = answer.body.size() + num_bytes > kMaxBody;
  if (exchange.too_large) return 0;
  answer.body.append(data, num_bytes);
  return num_bytes;
}

// An unknown host, a certificate that is not believed and a refused connection will be so in a
// second, too.
bool MayPass(CURLcode code) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return true;
    default:
      return false;
  }
}

}  // namespace

struct Http::State {
  const CurlLibrary& curl;
  const HubSettings settings;
  CURL* easy;

  State(const CurlLibrary& library, const HubSettings& hub)
      : curl(library), settings(hub), easy(library.easy_init()) {}
  ~State() { curl.easy_cleanup(easy); }

  void SetConnection(const HttpRequest& request) const {
    const long stall =
        request.sink != nullptr ? settings.download_timeout : settings.metadata_timeout;
    curl.easy_setopt(easy, CURLOPT_URL, request.url.c_str());
    curl.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl.easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl.easy_setopt(easy, CURLOPT_USERAGENT, "bitloss/" BITLOSS_VERSION);
    curl.easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, 10L);
    curl.easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);  // bytes a second
    curl.easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, stall);
    if (!settings.certificates.empty()) {
      curl.easy_setopt(easy, CURLOPT_CAINFO, settings.certificates.c_str());
    }
    if (!settings.certificate_folder.empty()) {
      curl.easy_setopt(easy, CURLOPT_CAPATH, settings.certificate_folder.c_str());
    }
  }
};

std::string HttpAnswer::Header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

Result<Http> Http::Open(const HubSettings& settings) {
  BITLOSS_TRY(const CurlLibrary* curl, OpenCurl());
  auto state = std::make_shared<State>(*curl, settings);
  if (state->easy == nullptr) return IoError("libcurl could not be started");
  return Http(std::move(state));
}

HttpAnswer Http::Send(const HttpRequest& request) {
  const CurlLibrary& curl = state_->curl;
  CURL* const easy = state_->easy;
  Exchange exchange{request, {}};
  curl.easy_reset(easy);  // connections stay open
  state_->SetConnection(request);

  curl_slist* headers = curl.slist_append(nullptr, "Accept-Encoding: identity");
  if (!request.token.empty()) {
    headers = curl.slist_append(headers, ("Authorization: Bearer " + request.token).c_str());
  }
  curl.easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  if (request.method == HttpRequest::Method::kHead) curl.easy_setopt(easy, CURLOPT_NOBODY, 1L);
  const std::string range = request.from ? fmt::format("{}-", *request.from) : "";
  if (request.from) curl.easy_setopt(easy, CURLOPT_RANGE, range.c_str());
  curl.easy_setopt(easy, CURLOPT_HEADERFUNCTION, &TakeHeader);
  curl.easy_setopt(easy, CURLOPT_HEADERDATA, &exchange);
  curl.easy_setopt(easy, CURLOPT_WRITEFUNCTION, &TakeBody);
  curl.easy_setopt(easy, CURLOPT_WRITEDATA, &exchange);
  const CURLcode code = curl.easy_perform(easy);
  curl.slist_free_all(headers);

  HttpAnswer& answer = exchange.answer;
  if (code == CURLE_OK) return std::move(answer);
  answer.failure = exchange.too_large ? fmt::format("the answer is longer than {} bytes", kMaxBody)
                                      : curl.easy_strerror(code);
  answer.transient = MayPass(code);
  return std::move(answer);
}

}  // namespace bitloss
