// What a repository holds, as its hub lists it; believed only as far as it was checked.
#ifndef BITLOSS_HUB_HUB_LISTING_H_
#define BITLOSS_HUB_HUB_LISTING_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"

namespace bitloss {

// A file of a commit. `hash` names its blob and is what its bytes must have: SHA-256 (64 digits) of
// what lies in large-file storage, else git's SHA-1 of a blob (40 digits).
struct HubFile {
  std::string path;  // IsSafeHubPath
  uint64_t size = 0;
  std::string hash;
};

// What the hub knows of a repository at one revision.
struct HubRevision {
  std::string commit;  // IsCommit
  bool gated = false;
  bool disabled = false;
};

// The body of /api/models/{id}/revision/{rev}. kBadInput if it is not what a hub sends.
Result<HubRevision> ParseRevision(std::string_view json);

// Adds one page of /api/models/{id}/tree/{commit} to `files`; folders are left out. kBadInput for a
// page that is not JSON of this form, for a path that is not below its folder, a hash that is none,
// and a size that is none or makes a sum of more than 2^63 bytes.
Status AddListing(std::string_view json, std::vector<HubFile>& files);

// The address of the next page in a Link header; empty: this was the last.
std::string NextPage(std::string_view link_header);

// The file of that path; null if there is none.
const HubFile* FindHubFile(const std::vector<HubFile>& files, std::string_view path);

}  // namespace bitloss

#endif  // BITLOSS_HUB_HUB_LISTING_H_
