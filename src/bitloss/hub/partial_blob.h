// A blob of the hub's cache while it is written.
#ifndef BITLOSS_HUB_PARTIAL_BLOB_H_
#define BITLOSS_HUB_PARTIAL_BLOB_H_

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <utility>

#include "bitloss/base/result.h"
#include "bitloss/hub/blob_hash.h"
#include "bitloss/hub/hub_listing.h"

namespace bitloss {

// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  int get() const { return number_; }

 private:
  int number_;
};

// Held by one process at a time, until it goes; the file is left lying, as other programs that lock
// it expect. Where the file system has no locks, nothing is held.
// `waiting` is called once, if another process has held it for two seconds.
Result<Descriptor> LockBlob(const std::filesystem::path& lock_file,
                            const std::function<void()>& waiting);

// The first bytes of `file`, what an earlier process left of them included. Left lying if it is not
// finished: the next one goes on from there.
class PartialBlob {
 public:
  // Room for the whole file is asked for now. kIo if there is none, or if another process writes
  // it.
  static Result<PartialBlob> Open(const std::filesystem::path& path, const HubFile& file);

  uint64_t size() const { return size_; }
  Status Append(std::span<const std::byte> bytes);
  Status StartAgain();
  // Nothing is left for a later attempt to build on; ends the object's use.
  void Drop();

  // Once all bytes are there: whether they have the file's hash. If so they are `blob` from now on,
  // on the disk, else they are gone.
  Result<bool> Finish(const std::filesystem::path& blob, std::string& found_hash);

 private:
  PartialBlob(std::filesystem::path path, const HubFile& file, Descriptor descriptor)
      : path_(std::move(path)),
        file_(file),
        descriptor_(std::move(descriptor)),
        hash_(file.hash, file.size) {}
  Status TakeWhatIsThere();

  std::filesystem::path path_;
  HubFile file_;
  Descriptor descriptor_;
  BlobHash hash_;
  uint64_t size_ = 0;
};

}  // namespace bitloss

#endif  // BITLOSS_HUB_PARTIAL_BLOB_H_
