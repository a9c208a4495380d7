// One writer for a folder at a time.
#ifndef BITLOSS_STORE_FOLDER_LOCK_H_
#define BITLOSS_STORE_FOLDER_LOCK_H_

#include <filesystem>
#include <utility>

#include "bitloss/base/result.h"

namespace bitloss {

// An advisory lock on the folder itself: no file is left behind, and the system lets go of it when
// the process ends, however it ends. File systems without such locks (some network ones) are used
// unlocked; SQLite still guards each transaction there.
class FolderLock {
 public:
  FolderLock() = default;  // holds nothing
  // kIo if another process holds it, or the folder cannot be opened.
  static Result<FolderLock> Acquire(const std::filesystem::path& folder);

  ~FolderLock();
  FolderLock(FolderLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FolderLock& operator=(FolderLock&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }

 private:
  explicit FolderLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

}  // namespace bitloss

#endif  // BITLOSS_STORE_FOLDER_LOCK_H_
