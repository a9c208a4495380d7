// Where a checkpoint grows until it is whole: OUT.partial, with one safetensors file for each part
// that is finished. Killed at any moment, the job goes on from there; OUT appears at the end, by
// one rename.
//
//   OUT.partial/job.json            what is being made, from what
//   OUT.partial/<part>.safetensors  finished parts
//   OUT.partial/whole/              the checkpoint while it is put together
//
// OUT is a folder, or the one file of it.
#ifndef BITLOSS_CONVERT_PARTS_FOLDER_H_
#define BITLOSS_CONVERT_PARTS_FOLDER_H_

#include <filesystem>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/checkpoint/safetensors.h"
#include "bitloss/store/folder_lock.h"

namespace bitloss {

class PartsFolder {
 public:
  // OUT.partial.
  static std::filesystem::path PathFor(const std::filesystem::path& out);

  // `job` is a text that is equal only for jobs whose parts are equal. kBadInput: `out` is there
  // already; its .partial belongs to another job. kIo: another process is at it.
  static Result<PartsFolder> OpenOrCreate(const std::filesystem::path& out, const std::string& job);

  bool Has(const std::string& part) const;
  Status Put(const std::string& part, std::span<const SafetensorsEntry> tensors) const;
  // The tensors of a finished part, mapped.
  Result<std::vector<SafetensorsEntry>> Read(const std::string& part) const;

  // An empty folder; it becomes `out`, or the file of that name in it does.
  Result<std::filesystem::path> BeginWhole() const;
  Status Finish();
  Status FinishAsFile(const std::string& name);

 private:
  Status Publish(const std::filesystem::path& whole);

  PartsFolder(std::filesystem::path out, std::filesystem::path folder, FolderLock lock)
      : out_(std::move(out)), folder_(std::move(folder)), lock_(std::move(lock)) {}

  std::filesystem::path out_;
  std::filesystem::path folder_;
  FolderLock lock_;
};

}  // namespace bitloss

#endif  // BITLOSS_CONVERT_PARTS_FOLDER_H_
