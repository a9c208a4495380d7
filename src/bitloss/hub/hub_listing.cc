#include "bitloss/hub/hub_listing.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "bitloss/hub/hub_name.h"
#include "bitloss/json/parse.h"

namespace bitloss {
namespace {

using Json = nlohmann::json;

std::string StringOr(const Json& object, const char* key, std::string otherwise) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

// A member that is there and neither null, false nor empty.
bool IsSet(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && *found != Json(false) && !found->empty();
}

std::optional<uint64_t> SizeOf(const Json& object) {
  const auto found = object.find("size");
  if (found == object.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<uint64_t>();
}

Result<HubFile> ParseFile(const Json& entry) {
  HubFile file{StringOr(entry, "path", ""), 0, StringOr(entry, "oid", "")};
  if (!IsSafeHubPath(file.path)) {
    return BadInput("the listing has a path that does not stay below its folder: {}",
                    Json(file.path).dump(-1, ' ', true, Json::error_handler_t::replace));
  }
  std::optional<uint64_t> size = SizeOf(entry);
  const auto lfs = entry.find("lfs");
  const bool large = lfs != entry.end() && !lfs->is_null();
  if (large) {
    if (!lfs->is_object()) return BadInput("the listing's /lfs of {} is no object", file.path);
    file.hash = StringOr(*lfs, "oid", "");
    size = SizeOf(*lfs);
  }
  if (!IsHex(file.hash, large ? 64 : 40)) {
    return BadInput("the listing has no hash of {}", file.path);
  }
  if (!size) return BadInput("the listing has no size of {}", file.path);
  file.size = *size;
  return file;
}

}  // namespace

Result<HubRevision> ParseRevision(std::string_view json) {
  BITLOSS_TRY(const Json info, ParseJson(json));
  HubRevision revision;
  if (info.is_object()) revision.commit = StringOr(info, "sha", "");
  if (!IsCommit(revision.commit)) return BadInput("the answer names no commit");
  revision.gated = IsSet(info, "gated");
  revision.disabled = IsSet(info, "disabled");
  return revision;
}

Status AddListing(std::string_view json, std::vector<HubFile>& files) {
  BITLOSS_TRY(const Json page, ParseJson(json));
  if (!page.is_array()) return BadInput("the listing is not an array");
  constexpr uint64_t kMaxBytes = uint64_t{1} << 63;
  uint64_t total = 0;
  for (const HubFile& file : files) total += file.size;
  for (const Json& entry : page) {
    if (!entry.is_object()) return BadInput("the listing has an entry that is not an object");
    if (StringOr(entry, "type", "") != "file") continue;
    BITLOSS_TRY(HubFile file, ParseFile(entry));
    if (file.size > kMaxBytes - total) {
      return BadInput("the listing's sizes add up to more than 2^63 bytes, at {}", file.path);
    }
    total += file.size;
    files.push_back(std::move(file));
  }
  return Ok();
}

std::string NextPage(std::string_view link_header) {
  while (!link_header.empty()) {
    const size_t open = link_header.find('<');
    const size_t close = link_header.find('>', open == link_header.npos ? 0 : open);
    if (open == link_header.npos || close == link_header.npos) return "";
    const std::string_view target = link_header.substr(open + 1, close - open - 1);
    link_header.remove_prefix(close + 1);
    const std::string_view parameters = link_header.substr(0, link_header.find('<'));
    if (parameters.find("rel=\"next\"") != parameters.npos) return std::string(target);
  }
  return "";
}

const HubFile* FindHubFile(const std::vector<HubFile>& files, std::string_view path) {
  const auto found = std::ranges::find(files, path, &HubFile::path);
  return found == files.end() ? nullptr : &*found;
}

}  // namespace bitloss
