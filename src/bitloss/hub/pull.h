// A model or a text from its hub into the cache, so that FindInHubCache finds it.
#ifndef BITLOSS_HUB_PULL_H_
#define BITLOSS_HUB_PULL_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "bitloss/base/result.h"
#include "bitloss/hub/hub_cache.h"
#include "bitloss/hub/hub_client.h"
#include "bitloss/hub/hub_name.h"
#include "bitloss/hub/hub_settings.h"

namespace bitloss {

// Of the files that were not in the cache when the pull began.
struct PullProgress {
  uint64_t done = 0;  // bytes, what an earlier pull left included
  uint64_t total = 0;
  uint64_t received = 0;  // in this pull
  std::string file;       // the one that comes now
};

struct PullListener {
  std::function<void(const PullProgress&)> progress;  // called often
  HubNotice notice;
};

struct Pulled {
  std::filesystem::path path;  // what FindInHubCache finds
  std::string commit;
  size_t num_fetched = 0;  // files; the others were there
  uint64_t num_bytes = 0;  // of all files
};

// Asks the hub what the name stands for now and fetches what bitloss reads of it and the cache does
// not have: small files first, the branch's new commit last, so that a reader never finds half a
// model. Whatever ends it, the same call goes on from there.
//
// kNotFound, kIo (no access, no network, no room: asked for before the first byte), kUnsupported
// (no weights that bitloss reads), kBadInput (a hub that contradicts itself or sends damaged
// bytes). With settings.offline, what is in the cache, or kNotFound.
Result<Pulled> Pull(const HubName& name, ModelNeed need, const HubSettings& settings,
                    const PullListener& listener);

}  // namespace bitloss

#endif  // BITLOSS_HUB_PULL_H_
