#include "bitloss/hub/hub_cache.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

#include "bitloss/base/file.h"

namespace bitloss {
namespace {

namespace fs = std::filesystem;

std::string FolderOf(const HubName& name) {
  std::string folder = (name.kind == HubKind::kModel ? "models--" : "datasets--") + name.id;
  folder.replace(folder.find('/'), 1, "--");
  return folder;
}

Status MakeFolder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return IoError("cannot make folder '{}': {}", folder.string(), error.message());
  return Ok();
}

// A name beside `path` that nobody else uses.
fs::path Beside(const fs::path& path) {
  return path.parent_path() / fmt::format(".{}.{}.tmp", path.filename().string(), ::getpid());
}

Status RenameTo(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (!error) return Ok();
  std::error_code ignored;
  fs::remove(from, ignored);
  return IoError("cannot write '{}': {}", to.string(), error.message());
}

// Whether the link or the copy that stands at `path` is this blob.
bool Holds(const fs::path& path, const fs::path& link, const HubFile& file) {
  std::error_code error;
  if (fs::is_symlink(path, error)) return fs::read_symlink(path, error) == link;
  return fs::is_regular_file(path, error) && fs::file_size(path, error) == file.size;
}

}  // namespace

HubCache::HubCache(const fs::path& cache, const HubName& name)
    : cache_(cache), folder_(FolderOf(name)) {}

fs::path HubCache::Blob(const std::string& hash) const { return cache_ / folder_ / "blobs" / hash; }

fs::path HubCache::Partial(const std::string& hash) const {
  return cache_ / folder_ / "blobs" / (hash + ".bitloss.incomplete");
}

fs::path HubCache::LockFile(const std::string& hash) const {
  return cache_ / ".locks" / folder_ / (hash + ".lock");
}

fs::path HubCache::Snapshot(const std::string& commit) const {
  return cache_ / folder_ / "snapshots" / commit;
}

Result<std::string> HubCache::CommitOf(const std::string& revision) const {
  if (IsCommit(revision)) return revision;
  const fs::path path = cache_ / folder_ / "refs" / revision;
  constexpr size_t kMaxBytes = 256;
  auto text = ReadFile(path, kMaxBytes);
  if (!text.ok()) return NotFound("the hub cache '{}' does not have it", cache_.string());
  std::string commit = std::move(text).value();
  while (commit.ends_with('\n') || commit.ends_with('\r')) commit.pop_back();
  if (!IsCommit(commit)) return BadInput("{}: holds no commit", path.string());
  return commit;
}

Status HubCache::MakeFolders() const {
  BITLOSS_DO(MakeFolder(cache_ / folder_ / "blobs"));
  BITLOSS_DO(MakeFolder(cache_ / ".locks" / folder_));
  const fs::path tag = cache_ / "CACHEDIR.TAG";
  std::error_code error;
  if (fs::exists(tag, error)) return Ok();
  return WriteFileAtomically(tag,
                             "Signature: 8a477f597d28d172789f06886806bc55\n"
                             "# This file is a cache directory tag created by huggingface_hub.\n"
                             "# For information about cache directory tags, see:\n"
                             "#\thttps://bford.info/cachedir/\n");
}

Status HubCache::PutRef(const std::string& revision, const std::string& commit) const {
  if (IsCommit(revision)) return Ok();
  const fs::path path = cache_ / folder_ / "refs" / revision;
  if (const auto now = CommitOf(revision); now.ok() && now.value() == commit) return Ok();
  BITLOSS_DO(MakeFolder(path.parent_path()));
  return WriteFileAtomically(path, commit);
}

Status HubCache::PutFile(const std::string& commit, const HubFile& file, Entry entry) const {
  const fs::path path = Snapshot(commit) / file.path;
  const auto depth = std::ranges::count(file.path, '/');
  fs::path link = "../..";
  for (ptrdiff_t i = 0; i < depth; ++i) link /= "..";
  link = link / "blobs" / file.hash;
  if (Holds(path, link, file)) return Ok();

  BITLOSS_DO(MakeFolder(path.parent_path()));
  const fs::path temporary = Beside(path);
  std::error_code error;
  fs::remove(temporary, error);
  if (entry == Entry::kLink) fs::create_symlink(link, temporary, error);
  const bool has_no_links = error == std::errc::operation_not_permitted ||
                            error == std::errc::operation_not_supported ||
                            error == std::errc::function_not_supported;
  if (entry == Entry::kCopy || has_no_links) fs::copy_file(Blob(file.hash), temporary, error);
  if (error) return IoError("cannot write '{}': {}", path.string(), error.message());
  return RenameTo(temporary, path);
}

}  // namespace bitloss
