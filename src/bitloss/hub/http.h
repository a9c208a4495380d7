// One HTTP request and its answer. Nothing is followed, repeated or judged here (hub_client.h).
#ifndef BITLOSS_HUB_HTTP_H_
#define BITLOSS_HUB_HTTP_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "bitloss/base/result.h"
#include "bitloss/hub/hub_settings.h"

namespace bitloss {

struct HttpAnswer {
  int status = 0;                              // 0: there was none
  std::map<std::string, std::string> headers;  // names in lower case; of a repeated one the last
  std::string body;                            // unless a sink took it

  // Why the exchange ended early; empty: it did not. `transient`: the same may succeed later.
  std::string failure;
  bool transient = false;

  // Empty if it is not there.
  std::string Header(const std::string& name) const;
};

// Takes a body that is too large for memory, of an answer of status 200 or 206.
class BodySink {
 public:
  virtual ~BodySink() = default;
  // Before the first byte. False ends the exchange; the sink knows why.
  virtual bool Begin(const HttpAnswer& head) = 0;
  virtual bool Take(std::span<const std::byte> bytes) = 0;
};

struct HttpRequest {
  enum class Method { kGet, kHead };
  Method method = Method::kGet;
  std::string url;
  std::string token;             // sent as a bearer's; empty: none is
  std::optional<uint64_t> from;  // only the bytes from here on
  BodySink* sink = nullptr;      // without one, the body is kept: at most kMaxBody bytes
};

inline constexpr size_t kMaxBody = size_t{64} << 20;

class Http {
 public:
  // kUnsupported where there is no libcurl.
  static Result<Http> Open(const HubSettings& settings);

  HttpAnswer Send(const HttpRequest& request);

 private:
  struct State;
  explicit Http(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace bitloss

#endif  // BITLOSS_HUB_HTTP_H_
