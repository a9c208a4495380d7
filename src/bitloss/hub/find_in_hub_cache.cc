#include <algorithm>
#include <array>
#include <system_error>

#include "bitloss/base/file.h"
#include "bitloss/hub/hub_cache.h"
#include "bitloss/hub/hub_choice.h"

namespace bitloss {
namespace {

namespace fs = std::filesystem;

bool IsThere(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);  // of a link: whether its blob is there
}

// All files below a snapshot, relative to it.
std::vector<std::string> FilesOf(const fs::path& snapshot) {
  std::vector<std::string> paths;
  std::error_code error;
  for (auto entry = fs::recursive_directory_iterator(snapshot, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (IsThere(entry->path())) paths.push_back(entry->path().lexically_relative(snapshot));
  }
  std::ranges::sort(paths);
  return paths;
}

bool HasTokenizer(const fs::path& folder) {
  constexpr std::array<const char*, 3> kVocabularies = {"tokenizer.json", "tokenizer.model",
                                                        "vocab.json"};
  return std::ranges::any_of(kVocabularies,
                             [&](const char* name) { return IsThere(folder / name); });
}

bool HasWeights(const fs::path& folder) {
  if (IsThere(folder / kWeightsFile)) return true;
  const auto index = ReadFile(folder / kIndexFile);
  if (!index.ok()) return false;
  const auto shards = ShardsOf(index.value());
  return shards.ok() && std::ranges::all_of(shards.value(), [&](const std::string& shard) {
           return IsThere(folder / shard);
         });
}

}  // namespace

Result<fs::path> FindInHubCache(const HubName& name, const fs::path& cache) {
  if (cache.empty()) return NotFound("no folder for the hub cache: set HF_HOME");
  const HubCache repository(cache, name);
  BITLOSS_TRY(const std::string commit, repository.CommitOf(name.revision));
  const fs::path snapshot = repository.Snapshot(commit);
  if (name.kind == HubKind::kDataSet) {
    if (IsThere(snapshot / name.part)) return snapshot / name.part;
    return NotFound("the hub cache '{}' has {} without it", cache.string(), name.id);
  }
  const std::vector<std::string> files = FilesOf(snapshot);
  if (files.empty()) return NotFound("the hub cache '{}' does not have it", cache.string());
  const bool is_folder = HoldsSafetensors(files) || std::ranges::none_of(files, IsGgufModel);
  if (name.part.empty() && is_folder) return snapshot;
  BITLOSS_TRY(const std::vector<std::string> parts, ChooseGguf(files, name.part));
  return snapshot / parts[0];
}

bool IsWholeModel(const fs::path& found, ModelNeed need) {
  if (IsThere(found)) return true;  // a GGUF file with its parts
  if (!HasTokenizer(found)) return false;
  return need == ModelNeed::kTokenizer || (IsThere(found / "config.json") && HasWeights(found));
}

}  // namespace bitloss
