#include "bitloss/checkpoint/gguf.h"

#include "bitloss/base/file.h"
#include "bitloss/checkpoint/gguf_header.h"

namespace bitloss {
namespace {

Error WrongKind(std::string_view key, std::string_view wanted) {
  return BadInput("metadata key '{}' is not {}", key, wanted);
}

// The alternative T of the value at `key`.
template <class T>
Result<const T*> GetAs(const Result<const GgufValue*>& found, std::string_view key,
                       std::string_view wanted) {
  if (!found.ok()) return found.error();
  const T* value = std::get_if<T>(found.value());
  if (value == nullptr) return WrongKind(key, wanted);
  return value;
}

std::string PartSuffix(uint64_t number, uint64_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", number, count);
}

Result<uint64_t> GetUintOr(const GgufMetadata& metadata, std::string_view key, uint64_t absent) {
  if (!metadata.Has(key)) return absent;
  return metadata.GetUint(key);
}

struct Part {
  SharedBytes file;
  GgufHeader header;
  uint64_t number = 0;  // from 0
  uint64_t count = 1;
};

Result<Part> OpenPart(const std::filesystem::path& path) {
  Part part;
  BITLOSS_TRY(part.file, MapFile(path));
  auto header = ParseGgufHeader(part.file);
  if (!header.ok()) return Within(path.string(), header.error());
  part.header = std::move(header).value();
  const GgufMetadata& metadata = part.header.metadata;
  auto number = GetUintOr(metadata, "split.no", 0);
  auto count = GetUintOr(metadata, "split.count", 1);
  for (const auto* value : {&number, &count}) {
    if (!value->ok()) return Within(path.string(), value->error());
  }
  part.number = number.value();
  part.count = count.value() == 0 ? 1 : count.value();
  return part;
}

// The path of another part, from that of the first.
std::filesystem::path PartPath(const std::filesystem::path& first, uint64_t number,
                               uint64_t count) {
  std::string name = first.filename().string();
  name.resize(name.size() - PartSuffix(1, count).size());
  return first.parent_path() / (name + PartSuffix(number + 1, count));
}

Status CheckFirstPart(const std::filesystem::path& path, const Part& first) {
  if (first.number != 0) {
    return BadInput("{}: part {} of {}; give the first part", path.string(), first.number + 1,
                    first.count);
  }
  constexpr uint64_t kMaxParts = 0xFFFF;
  if (first.count > kMaxParts) {
    return BadInput("{}: split.count is {}", path.string(), first.count);
  }
  if (first.count > 1 && !path.filename().string().ends_with(PartSuffix(1, first.count))) {
    return BadInput("{}: the first of {} parts, so its name must end in '{}'", path.string(),
                    first.count, PartSuffix(1, first.count));
  }
  return Ok();
}

Result<Part> OpenFollowingPart(const std::filesystem::path& first, uint64_t number,
                               uint64_t count) {
  const std::filesystem::path path = PartPath(first, number, count);
  auto part = OpenPart(path);
  if (!part.ok() && part.error().kind == ErrorKind::kNotFound) {
    return NotFound("{}: part {} of {} is missing; put all parts into one folder", path.string(),
                    number + 1, count);
  }
  if (part.ok() && (part.value().number != number || part.value().count != count)) {
    return BadInput("{}: says that it is part {} of {}", path.string(), part.value().number + 1,
                    part.value().count);
  }
  return part;
}

}  // namespace

Result<const GgufValue*> GgufMetadata::Find(std::string_view key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) return NotFound("metadata key '{}' is missing", key);
  return &found->second;
}

Result<std::string> GgufMetadata::GetString(std::string_view key) const {
  BITLOSS_TRY(const auto* value, GetAs<std::string>(Find(key), key, "a string"));
  return *value;
}

Result<uint64_t> GgufMetadata::GetUint(std::string_view key) const {
  BITLOSS_TRY(const GgufValue* value, Find(key));
  if (const auto* number = std::get_if<uint64_t>(value)) return *number;
  const auto* number = std::get_if<int64_t>(value);
  if (number == nullptr || *number < 0) return WrongKind(key, "an integer >= 0");
  return static_cast<uint64_t>(*number);
}

Result<double> GgufMetadata::GetFloat(std::string_view key) const {
  BITLOSS_TRY(const auto* value, GetAs<double>(Find(key), key, "a float"));
  return *value;
}

Result<bool> GgufMetadata::GetBool(std::string_view key) const {
  BITLOSS_TRY(const auto* value, GetAs<bool>(Find(key), key, "a bool"));
  return *value;
}

Result<std::span<const std::string>> GgufMetadata::GetStrings(std::string_view key) const {
  BITLOSS_TRY(const auto* value,
              GetAs<std::vector<std::string>>(Find(key), key, "an array of strings"));
  return std::span<const std::string>(*value);
}

Result<std::vector<int64_t>> GgufMetadata::GetInts(std::string_view key) const {
  BITLOSS_TRY(const GgufValue* value, Find(key));
  if (const auto* numbers = std::get_if<std::vector<int64_t>>(value)) return *numbers;
  const auto* numbers = std::get_if<std::vector<uint64_t>>(value);
  if (numbers == nullptr) return WrongKind(key, "an array of integers");
  for (const uint64_t number : *numbers) {
    if (number > INT64_MAX) return BadInput("metadata key '{}': {} is too large", key, number);
  }
  return std::vector<int64_t>(numbers->begin(), numbers->end());
}

Result<std::vector<double>> GgufMetadata::GetFloats(std::string_view key) const {
  BITLOSS_TRY(const auto* value, GetAs<std::vector<double>>(Find(key), key, "an array of floats"));
  return *value;
}

const GgufTensor* GgufFile::FindTensor(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

Status GgufFile::AddPart(const std::filesystem::path& path, const SharedBytes& file,
                         std::vector<GgufTensor> tensors, size_t header_bytes) {
  headers_.push_back(file.Sub(0, header_bytes));
  for (GgufTensor& tensor : tensors) {
    if (!index_.emplace(tensor.name, tensors_.size()).second) {
      return BadInput("{}: tensor '{}' is in an earlier part too", path.string(), tensor.name);
    }
    tensors_.push_back(std::move(tensor));
  }
  return Ok();
}

Result<GgufFile> GgufFile::Open(const std::filesystem::path& path) {
  BITLOSS_TRY(Part first, OpenPart(path));
  BITLOSS_DO(CheckFirstPart(path, first));
  GgufFile file;
  file.version_ = first.header.version;
  file.metadata_ = std::move(first.header.metadata);
  BITLOSS_DO(
      file.AddPart(path, first.file, std::move(first.header.tensors), first.header.num_bytes));
  for (uint64_t number = 1; number < first.count; ++number) {
    BITLOSS_TRY(Part part, OpenFollowingPart(path, number, first.count));
    BITLOSS_DO(file.AddPart(PartPath(path, number, first.count), part.file,
                            std::move(part.header.tensors), part.header.num_bytes));
  }
  constexpr std::string_view kTotal = "split.tensors.count";
  if (first.count > 1 && file.metadata_.Has(kTotal)) {
    BITLOSS_TRY(const uint64_t total, file.metadata_.GetUint(kTotal));
    if (total != file.tensors_.size()) {
      return BadInput("{}: {} is {}, but the parts hold {} tensors", path.string(), kTotal, total,
                      file.tensors_.size());
    }
  }
  return file;
}

}  // namespace bitloss
