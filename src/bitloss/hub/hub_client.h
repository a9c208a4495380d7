// A conversation with one hub: its answers, redirects followed by hand, failures that pass
// repeated.
//
// The token goes to the hub alone: to the endpoint's origin, and where a request to it is led
// within that origin (or to huggingface.co's own, where moved repositories are led). Any other host
// is asked without it, and only for a file's bytes.
#ifndef BITLOSS_HUB_HUB_CLIENT_H_
#define BITLOSS_HUB_HUB_CLIENT_H_

#include <functional>
#include <string>

#include "bitloss/base/result.h"
#include "bitloss/hub/http.h"
#include "bitloss/hub/hub_listing.h"
#include "bitloss/hub/hub_name.h"
#include "bitloss/hub/hub_settings.h"

namespace bitloss {

// A line that a person should see: a warning, or why nothing seems to happen.
using HubNotice = std::function<void(const std::string&)>;

class HubClient {
 public:
  static Result<HubClient> Open(const HubSettings& settings, HubNotice notice);

  // What the name's revision stands for. Errors say whether it is missing, private, gated or taken
  // down, and what to do.
  Result<HubRevision> Revision(const HubName& name);

  // The files of a commit: all of a model's; of a data set those of the folder that holds its file.
  Result<std::vector<HubFile>> Files(const HubName& name, const std::string& commit);

  // Where the bytes of a file lie now. What the hub says of it there must agree with the listing.
  // Addresses on other hosts are signed and expire: ask again.
  Result<std::string> Locate(const HubName& name, const std::string& commit, const HubFile& file);

  // The bytes, from byte `from` on. Neither repeated nor judged.
  HttpAnswer Get(const std::string& address, uint64_t from, BodySink& sink);

  // Waits until the same may be asked again after the failure of this number (0, 1, ...); the error
  // once it is given up.
  Status WaitToRetry(const HttpAnswer& failed, int number, const std::string& what) const;

  // What a failed answer means, in one line: what was asked for, what the hub says, what to do.
  Error Explain(const HttpAnswer& failed, const HubName& name, const std::string& what) const;

  void Say(const std::string& notice) const { notice_(notice); }

 private:
  HubClient(Http http, const HubSettings& settings, HubNotice notice)
      : http_(std::move(http)), settings_(settings), notice_(std::move(notice)) {}

  enum class Hosts { kOwn, kAny };
  // An answer, and the address that it came from or, beyond what may be followed, leads to.
  struct Followed {
    HttpAnswer answer;
    std::string address;
  };
  Followed Follow(HttpRequest request, Hosts hosts);
  Result<Followed> FollowPatiently(const HttpRequest& request, const std::string& what);
  Result<HttpAnswer> Api(const HubName& name, const std::string& url);
  bool IsOwn(const std::string& url) const;
  Status CheckMetadata(const HttpAnswer& answer, const std::string& commit,
                       const HubFile& file) const;
  Error ExplainRefusal(const HttpAnswer& failed, const HubName& name,
                       const std::string& what) const;
  // What the server says of it, fit for one line.
  std::string Words(const HttpAnswer& answer) const;

  Http http_;
  HubSettings settings_;
  HubNotice notice_;
};

// Whether the same request may succeed in a while.
bool MayPass(const HttpAnswer& failed);

// "https://huggingface.co/owner/name", as people open it.
std::string PageOf(const HubSettings& settings, const HubName& name);

}  // namespace bitloss

#endif  // BITLOSS_HUB_HUB_CLIENT_H_
