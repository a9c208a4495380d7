#include "bitloss/base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace bitloss {
namespace {

Error SystemError(std::string_view doing, const std::filesystem::path& path, int error) {
  const std::string why = std::generic_category().message(error);
  if (error == ENOENT || error == ENOTDIR) {
    return NotFound("cannot {} '{}': {}", doing, path.string(), why);
  }
  return IoError("cannot {} '{}': {}", doing, path.string(), why);
}

// Owns a file descriptor.
class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int get() const { return descriptor_; }
  bool ok() const { return descriptor_ >= 0; }

  // Closes now; false if the last writes failed.
  bool Close() {
    const int result = ::close(descriptor_);
    descriptor_ = -1;
    return result == 0;
  }

 private:
  int descriptor_;
};

// The size of an open regular file.
Result<size_t> RegularFileSize(const File& file, const std::filesystem::path& path) {
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return SystemError("look at", path, errno);
  if (!S_ISREG(info.st_mode)) return BadInput("'{}' is not a file", path.string());
  return static_cast<size_t>(info.st_size);
}

int OpenToRead(const std::filesystem::path& path) {
  return ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
}

Status WriteAll(const File& file, std::span<const std::byte> bytes,
                const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return SystemError("write", path, errno);
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return Ok();
}

}  // namespace

Result<std::string> ReadFile(const std::filesystem::path& path, size_t max_bytes) {
  const File file(OpenToRead(path));
  if (!file.ok()) return SystemError("open", path, errno);
  BITLOSS_TRY(const size_t size, RegularFileSize(file, path));
  if (size > max_bytes) {
    return BadInput("'{}' has {} bytes; at most {} are expected here", path.string(), size,
                    max_bytes);
  }
  std::string contents(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t got = ::read(file.get(), contents.data() + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError("read", path, errno);
    if (got == 0) return IoError("'{}' became shorter while it was read", path.string());
    done += static_cast<size_t>(got);
  }
  return contents;
}

Result<SharedBytes> MapFile(const std::filesystem::path& path) {
  const File file(OpenToRead(path));
  if (!file.ok()) return SystemError("open", path, errno);
  BITLOSS_TRY(const size_t size, RegularFileSize(file, path));
  if (size == 0) return SharedBytes();
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (address == MAP_FAILED) return SystemError("map", path, errno);
  std::shared_ptr<const void> owner(
      address, [size](const void* p) { ::munmap(const_cast<void*>(p), size); });
  return SharedBytes({static_cast<const std::byte*>(address), size}, std::move(owner));
}

Status WriteFileAtomically(const std::filesystem::path& path, std::string_view bytes) {
  const auto piece = std::as_bytes(std::span(bytes));
  return WriteFileAtomically(path, {&piece, 1});
}

Status WriteFileAtomically(const std::filesystem::path& path,
                           std::span<const std::span<const std::byte>> pieces) {
  const std::filesystem::path partial = fmt::format("{}.partial-{}", path.string(), ::getpid());
  const auto write = [&]() -> Status {
    File file(::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!file.ok()) return SystemError("create", path, errno);
    for (const std::span<const std::byte> piece : pieces) {
      BITLOSS_DO(WriteAll(file, piece, path));
    }
    if (::fsync(file.get()) != 0) return SystemError("write", path, errno);
    if (!file.Close()) return SystemError("write", path, errno);
    if (::rename(partial.c_str(), path.c_str()) != 0) return SystemError("replace", path, errno);
    return Ok();
  };
  Status status = write();
  if (!status.ok()) ::unlink(partial.c_str());
  return status;
}

}  // namespace bitloss
