#include "bitloss/checkpoint/gguf.h"

#include "bitloss/base/file.h"
#include "bitloss/checkpoint/gguf_header.h"
#include "bitloss/checkpoint/gguf_parts.h"

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

Result<uint64_t> GetUintOr(const GgufMetadata& metadata, std::string_view key, uint64_t absent) {
  if (!metadata.Has(key)) return absent;
  return metadata.GetUint(key);
}

constexpr std::string_view kTotal = "split.tensors.count";  // of all parts together

struct Part {
  SharedBytes file;
  GgufHeader header;
  uint64_t number = 0;  // from 0
  uint64_t count = 1;
  uint64_t total = 0;  // 0: not said
};

Status ReadPlace(Part& part) {
  constexpr uint64_t kMaxParts = 0xFFFF;
  const GgufMetadata& metadata = part.header.metadata;
  BITLOSS_TRY(part.number, GetUintOr(metadata, "split.no", 0));
  BITLOSS_TRY(part.count, GetUintOr(metadata, "split.count", 1));
  BITLOSS_TRY(part.total, GetUintOr(metadata, kTotal, 0));
  if (part.count == 0) part.count = 1;
  if (part.count > kMaxParts) return BadInput("split.count is {}", part.count);
  if (part.number >= part.count) {
    return BadInput("split.no is {}, but split.count {}", part.number, part.count);
  }
  return Ok();
}

Result<Part> OpenPart(const std::filesystem::path& path) {
  Part part;
  BITLOSS_TRY(part.file, MapFile(path));
  auto header = ParseGgufHeader(part.file);
  if (!header.ok()) return Within(path.string(), header.error());
  part.header = std::move(header).value();
  if (const Status place = ReadPlace(part); !place.ok()) {
    return Within(path.string(), place.error());
  }
  return part;
}

// The path of another part, from that of one.
std::filesystem::path PartPath(const std::filesystem::path& one, uint64_t number, uint64_t count) {
  return one.parent_path() /
         (ParseGgufPartName(one.filename().string()).whole + GgufPartSuffix(number + 1, count));
}

Status CheckName(const std::filesystem::path& path, const Part& part) {
  const std::string suffix = GgufPartSuffix(part.number + 1, part.count);
  if (part.count == 1 || path.filename().string().ends_with(suffix)) return Ok();
  return BadInput("{}: part {} of {}, so its name must end in '{}'", path.string(), part.number + 1,
                  part.count, suffix);
}

// Another part of the file to which `one`, at `given`, belongs.
Result<Part> OpenOtherPart(const std::filesystem::path& given, const Part& one, uint64_t number) {
  const std::filesystem::path path = PartPath(given, number, one.count);
  auto part = OpenPart(path);
  if (!part.ok() && part.error().kind == ErrorKind::kNotFound) {
    return NotFound("{}: part {} of {} is missing; put all parts into one folder", path.string(),
                    number + 1, one.count);
  }
  if (!part.ok()) return part;
  const Part& other = part.value();
  if (other.number != number || other.count != one.count) {
    return BadInput("{}: says that it is part {} of {}", path.string(), other.number + 1,
                    other.count);
  }
  if (other.total != one.total) {
    return BadInput("{}: a part of another file: {} is {}, in {} it is {}", path.string(), kTotal,
                    other.total, given.filename().string(), one.total);
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
  BITLOSS_TRY(Part given, OpenPart(path));
  BITLOSS_DO(CheckName(path, given));
  GgufFile file;
  for (uint64_t number = 0; number < given.count; ++number) {
    Part other;
    if (number != given.number) {
      BITLOSS_TRY(other, OpenOtherPart(path, given, number));
    }
    Part& part = number == given.number ? given : other;
    if (number == 0) {
      file.version_ = part.header.version;
      file.metadata_ = part.header.metadata;
    }
    const std::filesystem::path at =
        number == given.number ? path : PartPath(path, number, given.count);
    BITLOSS_DO(file.AddPart(at, part.file, std::move(part.header.tensors), part.header.num_bytes));
  }
  if (given.count > 1 && given.total != 0 && given.total != file.tensors_.size()) {
    return BadInput("{}: {} is {}, but the parts hold {} tensors", path.string(), kTotal,
                    given.total, file.tensors_.size());
  }
  return file;
}

}  // namespace bitloss
