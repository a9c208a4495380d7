// The manifest as JSON text, which is how a study keeps it, and what two manifests disagree on.
#ifndef BITLOSS_STORE_MANIFEST_H_
#define BITLOSS_STORE_MANIFEST_H_

#include <optional>
#include <string>

#include "bitloss/base/result.h"
#include "bitloss/store/records.h"

namespace bitloss {

// kBadInput if `options` is not the text of a JSON object.
Result<std::string> ManifestToJson(const Manifest& manifest);

// kBadInput names the JSON pointer of what is missing or of the wrong type.
Result<Manifest> ManifestFromJson(const std::string& text);

// Where two values of a manifest differ first, in the order of their JSON pointers.
struct ManifestDifference {
  std::string pointer;  // "/options/max_new_tokens"
  std::string ours;     // as JSON; "absent" if there is none
  std::string theirs;
};

// None if the two say the same of what numbers depend on, whatever their white space and order of
// keys.
// Requires: both came from ManifestToJson.
std::optional<ManifestDifference> FirstDifference(const std::string& ours,
                                                  const std::string& theirs);

}  // namespace bitloss

#endif  // BITLOSS_STORE_MANIFEST_H_
