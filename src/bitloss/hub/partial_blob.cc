#include "bitloss/hub/partial_blob.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>
#include <vector>

namespace bitloss {
namespace {

namespace fs = std::filesystem;

Error SystemRefuses(std::string_view doing, const fs::path& path) {
  return IoError("cannot {} '{}': {}", doing, path.string(),
                 std::generic_category().message(errno));
}

// Of the open file, as opposed to the lock file: what holds where flock only seems to.
bool IsLockedByAnother(const Descriptor& file) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return ::fcntl(file.get(), F_OFD_SETLK, &lock) != 0 && (errno == EAGAIN || errno == EACCES);
}

Status SyncFolder(const fs::path& folder) {
  const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.get() < 0 || ::fsync(opened.get()) != 0) return SystemRefuses("write", folder);
  return Ok();
}

}  // namespace

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

Result<Descriptor> LockBlob(const fs::path& lock_file, const std::function<void()>& waiting) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kPatience = std::chrono::seconds(2);
  Descriptor file(::open(lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0664));
  if (file.get() < 0) return SystemRefuses("open", lock_file);
  const auto began = Clock::now();
  bool said = false;
  while (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return Descriptor();
    if (!said && Clock::now() - began > kPatience) {
      waiting();
      said = true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return file;
}

Result<PartialBlob> PartialBlob::Open(const fs::path& path, const HubFile& file) {
  Descriptor descriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
  if (descriptor.get() < 0) return SystemRefuses("write", path);
  if (IsLockedByAnother(descriptor)) {
    return IoError("'{}' is being written by another process; wait for it", path.string());
  }
  if (file.size > 0 &&
      ::fallocate(descriptor.get(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(file.size)) != 0 &&
      errno == ENOSPC) {
    return SystemRefuses("write", path);
  }
  PartialBlob partial(path, file, std::move(descriptor));
  BITLOSS_DO(partial.TakeWhatIsThere());
  return partial;
}

Status PartialBlob::TakeWhatIsThere() {
  const off_t there = ::lseek(descriptor_.get(), 0, SEEK_END);
  if (there < 0 || static_cast<uint64_t>(there) > file_.size) return StartAgain();
  ::lseek(descriptor_.get(), 0, SEEK_SET);
  std::vector<std::byte> buffer(size_t{1} << 20);
  while (size_ < static_cast<uint64_t>(there)) {
    const ssize_t got = ::read(descriptor_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return SystemRefuses("read", path_);
    hash_.Add(std::span(buffer).first(static_cast<size_t>(got)));
    size_ += static_cast<uint64_t>(got);
  }
  return Ok();
}

Status PartialBlob::Append(std::span<const std::byte> bytes) {
  hash_.Add(bytes);
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return SystemRefuses("write", path_);
    bytes = bytes.subspan(static_cast<size_t>(written));
    size_ += static_cast<uint64_t>(written);
  }
  return Ok();
}

Status PartialBlob::StartAgain() {
  if (::ftruncate(descriptor_.get(), 0) != 0 || ::lseek(descriptor_.get(), 0, SEEK_SET) != 0) {
    return SystemRefuses("write", path_);
  }
  hash_ = BlobHash(file_.hash, file_.size);
  size_ = 0;
  return Ok();
}

void PartialBlob::Drop() { ::unlink(path_.c_str()); }

Result<bool> PartialBlob::Finish(const fs::path& blob, std::string& found_hash) {
  if (!hash_.Matches(found_hash)) {
    Drop();
    return false;
  }
  if (::ftruncate(descriptor_.get(), static_cast<off_t>(size_)) != 0 ||
      ::fsync(descriptor_.get()) != 0 || ::rename(path_.c_str(), blob.c_str()) != 0) {
    return SystemRefuses("write", blob);
  }
  BITLOSS_DO(SyncFolder(blob.parent_path()));
  return true;
}

}  // namespace bitloss
