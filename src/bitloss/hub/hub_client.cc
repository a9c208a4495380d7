#include "bitloss/hub/hub_client.h"

#include <charconv>

#include "bitloss/hub/hub_url.h"

namespace bitloss {
namespace {

bool IsRedirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

HttpAnswer Failed(HttpAnswer answer, std::string why) {
  answer.failure = std::move(why);
  return answer;
}

// "\"abc\"" and "W/\"abc\"" are abc.
std::string WithoutQuotes(std::string etag) {
  if (etag.starts_with("W/")) etag.erase(0, 2);
  std::erase(etag, '"');
  return etag;
}

std::string_view KindInUrl(const HubName& name) {
  return name.kind == HubKind::kModel ? "models" : "datasets";
}

}  // namespace

std::string PageOf(const HubSettings& settings, const HubName& name) {
  return fmt::format("{}/{}{}", settings.endpoint, name.kind == HubKind::kModel ? "" : "datasets/",
                     name.id);
}

Result<HubClient> HubClient::Open(const HubSettings& settings, HubNotice notice) {
  BITLOSS_TRY(Http http, Http::Open(settings));
  HubClient client(std::move(http), settings, std::move(notice));
  if (!settings.token.empty() && IsOpenToOthers(settings.endpoint)) {
    client.Say(fmt::format("HF_ENDPOINT is not https: the token of {} can be read on its way",
                           settings.token_source));
  }
  return client;
}

bool HubClient::IsOwn(const std::string& url) const {
  const auto origin = OriginOf(url);
  return origin && (*origin == OriginOf(settings_.endpoint) ||
                    *origin == "https://huggingface.co:443" || *origin == "https://hf.co:443");
}

HubClient::Followed HubClient::Follow(HttpRequest request, Hosts hosts) {
  constexpr int kMaxHops = 20;
  bool is_own = IsOwn(request.url);
  for (int hop = 0; hop < kMaxHops; ++hop) {
    request.token = is_own ? settings_.token : "";
    HttpAnswer answer = http_.Send(request);
    if (!answer.failure.empty() || !IsRedirect(answer.status)) return {answer, request.url};
    const auto target = ResolveLocation(request.url, answer.Header("location"));
    if (!target) return {Failed(answer, "it redirects to what is no address"), request.url};
    if (settings_.endpoint.starts_with("https:") && target->starts_with("http:")) {
      return {Failed(answer, "it redirects from https to http"), request.url};
    }
    is_own = is_own && IsOwn(*target);
    // A hub says what a file is on the answer that leads away from it.
    const bool says_it_here = !answer.Header("x-linked-etag").empty();
    if (hosts == Hosts::kOwn && (!is_own || says_it_here)) return {answer, *target};
    request.url = *target;
  }
  return {Failed({}, fmt::format("it redirects more than {} times", kMaxHops)), request.url};
}

Result<HubClient::Followed> HubClient::FollowPatiently(const HttpRequest& request,
                                                       const std::string& what) {
  for (int failures = 0;; ++failures) {
    Followed followed = Follow(request, Hosts::kOwn);
    if (!MayPass(followed.answer)) return followed;
    BITLOSS_DO(WaitToRetry(followed.answer, failures, what));
  }
}

Result<HttpAnswer> HubClient::Api(const HubName& name, const std::string& url) {
  HttpRequest request;
  request.url = url;
  BITLOSS_TRY(Followed followed, FollowPatiently(request, name.id));
  if (followed.answer.failure.empty() && followed.answer.status == 200) {
    return std::move(followed.answer);
  }
  return Explain(followed.answer, name, name.id);
}

Result<HubRevision> HubClient::Revision(const HubName& name) {
  BITLOSS_TRY(const HttpAnswer answer,
              Api(name, fmt::format("{}/api/{}/{}/revision/{}", settings_.endpoint, KindInUrl(name),
                                    name.id, PercentEncoded(name.revision))));
  auto revision = ParseRevision(answer.body);
  if (!revision.ok()) {
    return Within(fmt::format("{}: {} does not answer as a hub does", name.id, settings_.endpoint),
                  revision.error());
  }
  if (IsCommit(name.revision) && revision.value().commit != name.revision) {
    return BadInput("{}: asked for commit {}, the hub answers with {}", name.id, name.revision,
                    revision.value().commit);
  }
  if (revision.value().disabled) return Unsupported("{}: its hub has taken it down", name.id);
  if (revision.value().gated && settings_.token.empty()) {
    return IoError(
        "{}: gated: accept its terms at {}, then set HF_TOKEN or log in ('hf auth login')", name.id,
        PageOf(settings_, name));
  }
  return revision;
}

Result<std::vector<HubFile>> HubClient::Files(const HubName& name, const std::string& commit) {
  constexpr int kMaxPages = 1000;
  const bool is_model = name.kind == HubKind::kModel;
  const size_t slash = name.part.rfind('/');
  const std::string folder = is_model || slash == name.part.npos
                                 ? ""
                                 : "/" + PercentEncoded(name.part.substr(0, slash), "/");
  std::string url =
      fmt::format("{}/api/{}/{}/tree/{}{}?recursive={}&expand=false", settings_.endpoint,
                  KindInUrl(name), name.id, commit, folder, is_model);
  std::vector<HubFile> files;
  for (int page = 0; !url.empty(); ++page) {
    if (page == kMaxPages || !IsOwn(url)) {
      return BadInput("{}: the hub's listing does not end, or goes on elsewhere", name.id);
    }
    BITLOSS_TRY(const HttpAnswer answer, Api(name, url));
    if (const Status added = AddListing(answer.body, files); !added.ok()) {
      return Within(name.id, added.error());
    }
    const std::string next = NextPage(answer.Header("link"));
    url = next.empty() ? "" : ResolveLocation(url, next).value_or("elsewhere");
  }
  return files;
}

Status HubClient::CheckMetadata(const HttpAnswer& answer, const std::string& commit,
                                const HubFile& file) const {
  const std::string names = answer.Header("x-repo-commit");
  if (names.empty()) {
    return BadInput("{} does not answer as a hub does: no X-Repo-Commit", settings_.endpoint);
  }
  if (names != commit) return BadInput("asked for commit {}, the hub sends another", commit);
  const std::string linked = answer.Header("x-linked-etag");
  const std::string etag = WithoutQuotes(linked.empty() ? answer.Header("etag") : linked);
  if (etag != file.hash) {
    return BadInput("the hub contradicts itself: its hash is {:.12} in the listing, {:.12} here",
                    file.hash, IsHex(etag, etag.size()) ? etag : "none");
  }
  std::string size = answer.Header("x-linked-size");
  if (size.empty() && answer.status == 200 && answer.Header("content-encoding").empty()) {
    size = answer.Header("content-length");
  }
  uint64_t num_bytes = 0;
  const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), num_bytes);
  const bool is_number = error == std::errc() && end == size.data() + size.size();
  if (size.empty() || (is_number && num_bytes == file.size)) return Ok();
  return BadInput("the hub contradicts itself: {} bytes in the listing, {} here", file.size,
                  is_number ? fmt::format("{}", num_bytes) : "no number");
}

Result<std::string> HubClient::Locate(const HubName& name, const std::string& commit,
                                      const HubFile& file) {
  const std::string what = fmt::format("{}: {}", name.id, file.path);
  HttpRequest request;
  request.method = HttpRequest::Method::kHead;
  request.url = fmt::format("{}/resolve/{}/{}", PageOf(settings_, name), commit,
                            PercentEncoded(file.path, "/"));
  BITLOSS_TRY(const Followed followed, FollowPatiently(request, what));
  const HttpAnswer& answer = followed.answer;
  if (!answer.failure.empty() || (answer.status != 200 && !IsRedirect(answer.status))) {
    return Explain(answer, name, what);
  }
  if (const Status checked = CheckMetadata(answer, commit, file); !checked.ok()) {
    return Within(what, checked.error());
  }
  return followed.address;
}

HttpAnswer HubClient::Get(const std::string& address, uint64_t from, BodySink& sink) {
  HttpRequest request;
  request.url = address;
  if (from > 0) request.from = from;
  request.sink = &sink;
  return Follow(request, Hosts::kAny).answer;
}

}  // namespace bitloss
