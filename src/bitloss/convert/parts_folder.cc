#include "bitloss/convert/parts_folder.h"

#include <system_error>

#include "bitloss/base/file.h"
#include "bitloss/checkpoint/write_safetensors.h"

namespace bitloss {
namespace {

namespace fs = std::filesystem;

Status MakeFolder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return IoError("cannot create folder '{}': {}", folder.string(), error.message());
  return Ok();
}

Status Remove(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) return IoError("cannot remove '{}': {}", path.string(), error.message());
  return Ok();
}

// The folder's job is this one, or it has none yet.
Status ClaimJob(const fs::path& folder, const std::string& job) {
  const fs::path path = folder / "job.json";
  if (!fs::exists(path)) return WriteFileAtomically(path, job);
  BITLOSS_TRY(const std::string known, ReadFile(path));
  if (known == job) return Ok();
  return BadInput("'{}' holds the beginning of another job ({}); remove it or choose another --out",
                  folder.string(), "its job.json says which");
}

// "x/" would make the partial folder lie inside x.
fs::path WithoutSlash(const fs::path& out) { return out.has_filename() ? out : out.parent_path(); }

}  // namespace

fs::path PartsFolder::PathFor(const fs::path& out) {
  return WithoutSlash(out).string() + ".partial";
}

Result<PartsFolder> PartsFolder::OpenOrCreate(const fs::path& out, const std::string& job) {
  const fs::path target = WithoutSlash(out);
  if (fs::exists(target)) {
    return BadInput("'{}' is there already; remove it or choose another --out", target.string());
  }
  const fs::path folder = PathFor(out);
  BITLOSS_DO(MakeFolder(folder));
  BITLOSS_TRY(FolderLock lock, FolderLock::Acquire(folder));
  BITLOSS_DO(ClaimJob(folder, job));
  return PartsFolder(target, folder, std::move(lock));
}

bool PartsFolder::Has(const std::string& part) const {
  return fs::exists(folder_ / (part + ".safetensors"));
}

Status PartsFolder::Put(const std::string& part, std::span<const SafetensorsEntry> tensors) const {
  return WriteSafetensors(folder_ / (part + ".safetensors"), tensors);
}

Result<std::vector<SafetensorsEntry>> PartsFolder::Read(const std::string& part) const {
  BITLOSS_TRY(const SafetensorsFile file, SafetensorsFile::Open(folder_ / (part + ".safetensors")));
  return file.entries();
}

Result<fs::path> PartsFolder::BeginWhole() const {
  const fs::path whole = folder_ / "whole";
  BITLOSS_DO(Remove(whole));
  BITLOSS_DO(MakeFolder(whole));
  return whole;
}

Status PartsFolder::Finish() { return Publish(folder_ / "whole"); }

Status PartsFolder::FinishAsFile(const std::string& name) {
  return Publish(folder_ / "whole" / name);
}

Status PartsFolder::Publish(const fs::path& whole) {
  std::error_code error;
  fs::rename(whole, out_, error);
  if (error) return IoError("cannot create '{}': {}", out_.string(), error.message());
  return Remove(folder_);
}

}  // namespace bitloss
