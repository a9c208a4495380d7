// What a person writes for a model or a data set's file on a Hugging Face hub:
//
//   owner/name[@revision][:QUANT]      a model; QUANT chooses one of its GGUF files
//   owner/name[@revision]:FILE         a text file of a data set
//
// Before it, "hf.co/", "https://hf.co/" and "https://huggingface.co/" are no part of the name.
// Every name, revision and path that a URL or a file's path is made of has passed one of these
// checks.
#ifndef BITLOSS_HUB_HUB_NAME_H_
#define BITLOSS_HUB_HUB_NAME_H_

#include <string>
#include <string_view>

#include "bitloss/base/result.h"

namespace bitloss {

enum class HubKind { kModel, kDataSet };

struct HubName {
  HubKind kind = HubKind::kModel;
  std::string id;                 // "owner/name"
  std::string revision = "main";  // a branch, a tag or a commit
  std::string part;               // QUANT or FILE; of a model it may be empty

  // "owner/name", with what else was asked for.
  std::string Text() const;
};

// kBadInput, in a few words, for what is no such name. A name that ends like a file of weights
// (x/y.gguf) is none: it is a path to a file that is not there.
Result<HubName> ParseHubName(HubKind kind, std::string_view text);

// A path below a folder: no component is empty, "." or "..", and there is no backslash or control
// character in it.
bool IsSafeHubPath(std::string_view path);

// Lower-case hexadecimal digits, `length` of them.
bool IsHex(std::string_view text, size_t length);

// A whole commit, as opposed to a branch, tag or the first digits of one.
inline bool IsCommit(std::string_view revision) { return IsHex(revision, 40); }

}  // namespace bitloss

#endif  // BITLOSS_HUB_HUB_NAME_H_
