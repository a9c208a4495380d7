// What a hub's refusals mean, and how long to wait for what may pass.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <random>
#include <thread>

#include "bitloss/checkpoint/printable.h"
#include "bitloss/hub/hub_client.h"
#include "bitloss/hub/hub_url.h"

namespace bitloss {
namespace {

constexpr int kMaxRetries = 5;

std::optional<double> NumberAt(std::string_view text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return number;
}

// The seconds that the hub asks for: `RateLimit: "api";r=0;t=55` or `Retry-After: 55`.
std::optional<double> AskedWait(const HttpAnswer& failed) {
  const std::string limit = failed.Header("ratelimit");
  const size_t reset = limit.find(";t=");
  if (limit.find(";r=0") != limit.npos && reset != limit.npos) {
    if (const auto wait = NumberAt(std::string_view(limit).substr(reset + 3))) return *wait + 1;
  }
  return NumberAt(failed.Header("retry-after"));
}

// 1, 2, 4, 8, 8 seconds, a quarter more or less: clients that failed together come back apart.
double Backoff(int number) {
  thread_local std::minstd_rand random{std::random_device{}()};
  std::uniform_real_distribution<double> jitter(0.75, 1.25);
  return jitter(random) * static_cast<double>(1 << std::min(number, 3));
}

}  // namespace

bool MayPass(const HttpAnswer& failed) {
  if (!failed.failure.empty()) return failed.transient;
  switch (failed.status) {
    case 408:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
      return true;
    default:
      return false;
  }
}

Status HubClient::WaitToRetry(const HttpAnswer& failed, int number, const std::string& what) const {
  const std::string why =
      failed.failure.empty() ? fmt::format("status {}", failed.status) : failed.failure;
  if (number >= kMaxRetries) {
    return IoError("{}: given up after {} tries: {}; the same command goes on from here", what,
                   kMaxRetries + 1, why);
  }
  constexpr double kLong = 60, kTooLong = 600;  // seconds
  const double seconds = AskedWait(failed).value_or(Backoff(number));
  if (seconds > kTooLong) {
    return IoError("{}: the hub asks to wait {:.0f} s; try again then, or with a token", what,
                   seconds);
  }
  if (seconds > kLong) Say(fmt::format("{}: waiting {:.0f} s, as the hub asks", what, seconds));
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  return Ok();
}

std::string HubClient::Words(const HttpAnswer& answer) const {
  const std::string words = answer.Header("x-error-message");
  // A server may send back what it was sent.
  const bool holds_token =
      !settings_.token.empty() && words.find(settings_.token) != std::string::npos;
  if (words.empty() || holds_token || !IsPrintable(words)) {
    return fmt::format("status {}", answer.status);
  }
  return fmt::format("status {}: {:.200}", answer.status, words);
}

Error HubClient::ExplainRefusal(const HttpAnswer& failed, const HubName& name,
                                const std::string& what) const {
  const std::string page = PageOf(settings_, name);
  const bool has_token = !settings_.token.empty();
  if (failed.Header("x-error-code") == "GatedRepo") {
    if (!has_token) {
      return IoError(
          "{}: gated: accept its terms at {}, then set HF_TOKEN or log in ('hf auth login')", what,
          page);
    }
    return IoError("{}: gated, and the token of {} is not let in: ask for access at {}", what,
                   settings_.token_source, page);
  }
  if (failed.status == 403) return IoError("{}: the hub refuses it ({})", what, Words(failed));
  if (has_token) {
    return IoError("{}: the hub does not accept the token of {} ({})", what, settings_.token_source,
                   Words(failed));
  }
  return NotFound("{}: not at {}, or private: then set HF_TOKEN or log in ('hf auth login')", what,
                  settings_.endpoint);
}

Error HubClient::Explain(const HttpAnswer& failed, const HubName& name,
                         const std::string& what) const {
  if (!failed.failure.empty()) {
    return IoError("{}: cannot be fetched from {}: {}", what, settings_.endpoint, failed.failure);
  }
  if (failed.Header("x-error-message") == "Access to this resource is disabled.") {
    return Unsupported("{}: its hub has taken it down", what);
  }
  if (failed.status == 401 || failed.status == 403) return ExplainRefusal(failed, name, what);
  const std::string code = failed.Header("x-error-code");
  if (code == "RevisionNotFound") {
    return NotFound("{}: has no revision '{}'; {}/tree/main shows them", name.id, name.revision,
                    PageOf(settings_, name));
  }
  if (code == "EntryNotFound") return NotFound("{}: there is no such file", what);
  if (failed.status == 404) return NotFound("{}: not at {}", what, settings_.endpoint);
  if (failed.status >= 300 && failed.status < 400) {
    return IoError("{}: {} leads to another host, which is not asked", what, settings_.endpoint);
  }
  return IoError("{}: cannot be fetched from {}: {}", what, settings_.endpoint, Words(failed));
}

}  // namespace bitloss
