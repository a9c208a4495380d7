#include "bitloss/hub/hub_name.h"

#include <algorithm>
#include <array>

#include "bitloss/checkpoint/printable.h"

namespace bitloss {
namespace {

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// As the hub itself has them.
bool IsNameOfHub(std::string_view name) {
  const auto allowed = [](char c) { return IsAlphanumeric(c) || c == '_' || c == '.' || c == '-'; };
  const auto is_edge = [](char c) { return c == '-' || c == '.'; };
  return !name.empty() && name.size() <= 96 && std::ranges::all_of(name, allowed) &&
         !is_edge(name.front()) && !is_edge(name.back()) && name.find("--") == name.npos &&
         name.find("..") == name.npos;
}

bool IsRepository(std::string_view id) {
  const size_t slash = id.find('/');
  return slash != id.npos && IsNameOfHub(id.substr(0, slash)) &&
         IsNameOfHub(id.substr(slash + 1)) && !id.ends_with(".git");
}

// What git allows in the name of a branch or tag, but for a few oddities.
bool IsRevision(std::string_view revision) {
  return revision.size() <= 200 && IsSafeHubPath(revision) && !revision.starts_with('-') &&
         revision.find_first_of(" ~^:?*[@") == revision.npos;
}

bool LooksLikeFile(std::string_view id) {
  constexpr std::array<std::string_view, 5> kEndings = {".gguf", ".safetensors", ".bin", ".json",
                                                        ".txt"};
  return std::ranges::any_of(kEndings, [&](std::string_view end) { return id.ends_with(end); });
}

std::string_view WithoutHost(std::string_view text) {
  constexpr std::array<std::string_view, 3> kHosts = {"https://huggingface.co/", "https://hf.co/",
                                                      "hf.co/"};
  for (const std::string_view host : kHosts) {
    if (text.starts_with(host)) return text.substr(host.size());
  }
  return text;
}

Status CheckPart(const HubName& name) {
  if (name.kind == HubKind::kDataSet) {
    if (IsSafeHubPath(name.part)) return Ok();
    return BadInput("after owner/name a ':' and the path of a file are expected");
  }
  const auto allowed = [](char c) { return IsAlphanumeric(c) || c == '_' || c == '.' || c == '-'; };
  if (name.part.size() <= 96 && std::ranges::all_of(name.part, allowed)) return Ok();
  return BadInput("what follows ':' is no name of a quantization");
}

}  // namespace

std::string HubName::Text() const {
  return fmt::format("{}{}{}", id, revision == "main" ? "" : "@" + revision,
                     part.empty() ? "" : ":" + part);
}

bool IsSafeHubPath(std::string_view path) {
  if (path.size() > 1024 || !IsPrintable(path) || path.find('\\') != path.npos) return false;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view component = path.substr(begin, end - begin);
    if (component.empty() || component == "." || component == ".." || component.size() > 255) {
      return false;
    }
    begin = end + 1;
  }
  return true;
}

bool IsHex(std::string_view text, size_t length) {
  return text.size() == length && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

Result<HubName> ParseHubName(HubKind kind, std::string_view text) {
  HubName name;
  name.kind = kind;
  text = WithoutHost(text);
  if (const size_t colon = text.find(':'); colon != text.npos) {
    name.part = text.substr(colon + 1);
    if (name.part.empty()) return BadInput("nothing follows ':'");
    text = text.substr(0, colon);
  }
  if (const size_t at = text.find('@'); at != text.npos) {
    name.revision = text.substr(at + 1);
    text = text.substr(0, at);
  } else if (const size_t tree = text.find("/tree/"); tree != text.npos) {
    name.revision = text.substr(tree + 6);
    text = text.substr(0, tree);
  }
  name.id = text;
  if (!IsRepository(name.id)) return BadInput("a name on a hub is written owner/name");
  if (kind == HubKind::kModel && LooksLikeFile(name.id)) return BadInput("that is a file's name");
  if (!IsRevision(name.revision)) return BadInput("what follows '@' is no revision");
  BITLOSS_DO(CheckPart(name));
  return name;
}

}  // namespace bitloss
