#include "bitloss/hub/pull.h"

#include <algorithm>
#include <system_error>

#include "bitloss/base/file.h"
#include "bitloss/hub/fetch_file.h"
#include "bitloss/hub/hub_choice.h"

namespace bitloss {
namespace {

namespace fs = std::filesystem;
using HubFiles = std::vector<HubFile>;

// kIo, with both numbers, unless so much and a little more can be written below `folder`.
Status CheckRoom(const fs::path& folder, uint64_t num_bytes) {
  constexpr uint64_t kLargestMargin = 100'000'000;
  const uint64_t wanted = num_bytes + std::min(num_bytes / 100, kLargestMargin);
  fs::path there = fs::absolute(folder);
  std::error_code error;
  while (!fs::exists(there, error) && there.has_relative_path()) there = there.parent_path();
  const fs::space_info space = fs::space(there, error);
  if (error || space.available >= wanted) return Ok();
  return IoError(
      "{:.2f} GB are to be fetched, and '{}' has room for {:.2f}; make room, or set "
      "HF_HUB_CACHE to another folder",
      static_cast<double>(num_bytes) / 1e9, folder.string(),
      static_cast<double>(space.available) / 1e9);
}

std::vector<std::string> PathsOf(const HubFiles& files) {
  std::vector<std::string> paths;
  for (const HubFile& file : files) paths.push_back(file.path);
  return paths;
}

// The files of these paths, smallest first. kNotFound for one that the listing does not have.
Result<HubFiles> Pick(const HubFiles& listing, const std::vector<std::string>& paths) {
  HubFiles picked;
  for (const std::string& path : paths) {
    const HubFile* file = FindHubFile(listing, path);
    if (file == nullptr) return NotFound("there is no file {}", path);
    picked.push_back(*file);
  }
  std::ranges::stable_sort(picked, {}, &HubFile::size);
  return picked;
}

// Why there is nothing to run in a repository without safetensors and GGUF.
Error NoWeights(const HubFiles& listing) {
  if (FindHubFile(listing, "adapter_config.json") != nullptr) {
    return Unsupported("an adapter, not a model: merge it into its model first");
  }
  return Unsupported("no {}, {} or .gguf file: weights in other formats are not read", kWeightsFile,
                     kIndexFile);
}

class Puller {
 public:
  Puller(HubClient& client, const HubName& name, const HubSettings& settings,
         const PullListener& listener)
      : client_(client),
        name_(name),
        listener_(listener),
        cache_(settings.cache, name),
        cache_folder_(settings.cache),
        entry_(settings.copies ? HubCache::Entry::kCopy : HubCache::Entry::kLink) {}

  Result<Pulled> Run(ModelNeed need) {
    BITLOSS_TRY(const HubRevision revision, client_.Revision(name_));
    pulled_.commit = revision.commit;
    BITLOSS_TRY(const HubFiles listing, client_.Files(name_, revision.commit));
    const Status fetched = name_.kind == HubKind::kDataSet ? FetchAll(listing, {name_.part})
                                                           : FetchModel(listing, need);
    if (!fetched.ok()) {
      const bool is_named = fetched.error().message.starts_with(name_.id + ": ");
      return is_named ? fetched.error() : Within(name_.id, fetched.error());
    }
    BITLOSS_DO(cache_.PutRef(name_.revision, revision.commit));
    return std::move(pulled_);
  }

 private:
  Status FetchModel(const HubFiles& listing, ModelNeed need) {
    std::vector<std::string> paths = PathsOf(listing);
    const bool is_folder = HoldsSafetensors(paths);
    if (!name_.part.empty() || (!is_folder && std::ranges::any_of(paths, IsGgufModel))) {
      BITLOSS_TRY(paths, ChooseGguf(paths, name_.part));
      return FetchAll(listing, paths);
    }
    if (!is_folder && need == ModelNeed::kEverything) return NoWeights(listing);
    std::erase_if(paths, [](const std::string& path) { return !IsSmallModelFile(path); });
    if (need == ModelNeed::kEverything) {
      BITLOSS_TRY(const std::vector<std::string> weights, Weights(listing));
      paths.insert(paths.end(), weights.begin(), weights.end());
    }
    return FetchAll(listing, paths);
  }

  // As the checkpoint is opened later: the one file if it is there, else the index, which is
  // fetched for that, and its shards.
  Result<std::vector<std::string>> Weights(const HubFiles& listing) {
    if (FindHubFile(listing, kWeightsFile) != nullptr)
      return std::vector{std::string(kWeightsFile)};
    const std::string index_file(kIndexFile);
    BITLOSS_DO(FetchAll(listing, {index_file}));
    BITLOSS_TRY(const std::string index, ReadFile(cache_.Snapshot(pulled_.commit) / index_file));
    auto shards = ShardsOf(index);
    if (!shards.ok()) return Within(kIndexFile, shards.error());
    shards.value().push_back(index_file);
    return shards;
  }

  Status FetchAll(const HubFiles& listing, const std::vector<std::string>& paths) {
    BITLOSS_TRY(const HubFiles files, Pick(listing, paths));
    PullProgress progress;
    uint64_t to_fetch = 0;
    pulled_.num_bytes = 0;
    for (const HubFile& file : files) {
      pulled_.num_bytes += file.size;
      const uint64_t there = BytesInCache(cache_, file);
      if (there == file.size) continue;
      progress.total += file.size;
      to_fetch += file.size - there;
    }
    BITLOSS_DO(CheckRoom(cache_folder_, to_fetch));
    BITLOSS_DO(cache_.MakeFolders());
    for (const HubFile& file : files) BITLOSS_DO(FetchOne(file, progress));
    return Ok();
  }

  Status FetchOne(const HubFile& file, PullProgress& progress) {
    uint64_t there = BytesInCache(cache_, file);
    const bool is_missing = there < file.size;
    const uint64_t done_before = progress.done;
    progress.file = file.path;
    const auto report = [&](int64_t more) {
      there += static_cast<uint64_t>(more);
      if (!is_missing) return;
      progress.received += static_cast<uint64_t>(std::max<int64_t>(more, 0));
      progress.done = done_before + there;
      listener_.progress(progress);
    };
    report(0);
    BITLOSS_DO(FetchFile(client_, cache_, {name_, pulled_.commit}, file, entry_, report));
    if (is_missing) {
      pulled_.num_fetched += 1;
      progress.done = done_before + file.size;
    }
    return Ok();
  }

  HubClient& client_;
  const HubName& name_;
  const PullListener& listener_;
  HubCache cache_;
  fs::path cache_folder_;
  HubCache::Entry entry_;
  Pulled pulled_;
};

Result<Pulled> FindOffline(const HubName& name, ModelNeed need, const HubSettings& settings) {
  Pulled pulled;
  auto found = FindInHubCache(name, settings.cache);
  if (!found.ok()) {
    return Within(fmt::format("{}: nothing is fetched offline", name.Text()), found.error());
  }
  pulled.path = std::move(found).value();
  if (name.kind == HubKind::kModel && !IsWholeModel(pulled.path, need)) {
    return NotFound("{}: nothing is fetched offline, and only a part of it is in '{}'", name.Text(),
                    pulled.path.string());
  }
  BITLOSS_TRY(pulled.commit, HubCache(settings.cache, name).CommitOf(name.revision));
  return pulled;
}

}  // namespace

Result<Pulled> Pull(const HubName& name, ModelNeed need, const HubSettings& settings,
                    const PullListener& listener) {
  if (settings.offline) return FindOffline(name, need, settings);
  if (settings.cache.empty()) return NotFound("no folder for the hub cache: set HF_HOME");
  BITLOSS_TRY(HubClient client, HubClient::Open(settings, listener.notice));
  Puller puller(client, name, settings, listener);
  BITLOSS_TRY(Pulled pulled, puller.Run(need));
  BITLOSS_TRY(pulled.path, FindInHubCache(name, settings.cache));
  return pulled;
}

}  // namespace bitloss
