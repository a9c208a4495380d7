// One file of a commit, from its hub into the cache.
#ifndef BITLOSS_HUB_FETCH_FILE_H_
#define BITLOSS_HUB_FETCH_FILE_H_

#include <functional>
#include <string>

#include "bitloss/base/result.h"
#include "bitloss/hub/hub_cache.h"
#include "bitloss/hub/hub_client.h"

namespace bitloss {

// How many bytes more lie in the cache; fewer, if some have to be fetched again.
using ByteCounter = std::function<void(int64_t)>;

// What a file belongs to.
struct FileSource {
  const HubName& name;
  const std::string& commit;
};

// The bytes that lie in the cache already, whole or in part.
uint64_t BytesInCache(const HubCache& cache, const HubFile& file);

// Fetches what is missing of the file, holds its bytes against their hash and puts it into the
// snapshot. Goes on where an earlier attempt stopped, and after failures that pass. Its lock is
// held all the while, so that of two processes one fetches and the other finds.
//
// kBadInput if the hub sends other bytes, more, or announces another length than it listed: nothing
// of such a file is kept.
Status FetchFile(HubClient& client, const HubCache& cache, const FileSource& source,
                 const HubFile& file, HubCache::Entry entry, const ByteCounter& counter);

}  // namespace bitloss

#endif  // BITLOSS_HUB_FETCH_FILE_H_
