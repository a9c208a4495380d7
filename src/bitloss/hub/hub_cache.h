// The cache that huggingface_hub, transformers and llama.cpp keep as well; its layout is theirs:
//
//   models--owner--name/refs/main                 the commit that a branch or tag stood for
//   models--owner--name/blobs/<hash>              every file once, named by its content
//   models--owner--name/snapshots/<commit>/<path> -> ../../blobs/<hash>
//   .locks/models--owner--name/<hash>.lock        held while that blob is written
#ifndef BITLOSS_HUB_HUB_CACHE_H_
#define BITLOSS_HUB_HUB_CACHE_H_

#include <filesystem>
#include <string>

#include "bitloss/base/result.h"
#include "bitloss/hub/hub_listing.h"
#include "bitloss/hub/hub_name.h"

namespace bitloss {

// The folder of one repository.
class HubCache {
 public:
  HubCache(const std::filesystem::path& cache, const HubName& name);

  // Where the bytes of `hash` lie, or would.
  std::filesystem::path Blob(const std::string& hash) const;
  // Where they are written until they are whole: a name of our own, so that nobody else's beginning
  // is taken for ours.
  std::filesystem::path Partial(const std::string& hash) const;
  std::filesystem::path LockFile(const std::string& hash) const;
  std::filesystem::path Snapshot(const std::string& commit) const;

  // The commit that `revision` stood for when it was last fetched; kNotFound if it never was.
  Result<std::string> CommitOf(const std::string& revision) const;

  // Makes the folders that are written to, and the tag by which backup programs skip the cache.
  Status MakeFolders() const;

  // Says what `revision` stands for; a whole commit needs no saying. Last of all: a reader that
  // finds it finds the files.
  Status PutRef(const std::string& revision, const std::string& commit) const;

  // Puts the file into the snapshot: a relative link to its blob, or a copy of it. What stands
  // there and has the right content stays. Requires: the blob is whole.
  enum class Entry { kLink, kCopy };
  Status PutFile(const std::string& commit, const HubFile& file, Entry entry) const;

 private:
  std::filesystem::path cache_;
  std::string folder_;  // "models--owner--name"
};

// The path that a name stands for in the cache: the snapshot's folder, or its GGUF file, or a data
// set's file. kNotFound, saying what is missing, otherwise; nothing is asked of any hub.
Result<std::filesystem::path> FindInHubCache(const HubName& name,
                                             const std::filesystem::path& cache);

// What a command needs of a model.
enum class ModelNeed { kTokenizer, kEverything };

// Whether what FindInHubCache found has all that is needed: configuration, every shard, a
// tokenizer. A pull that was interrupted, or another program that fetched a part, leaves less.
bool IsWholeModel(const std::filesystem::path& found, ModelNeed need);

}  // namespace bitloss

#endif  // BITLOSS_HUB_HUB_CACHE_H_
