#include "bitloss/model/importance.h"

#include <cmath>
#include <cstring>
#include <string_view>

#include "bitloss/base/byte_reader.h"
#include "bitloss/base/file.h"
#include "bitloss/checkpoint/gguf.h"
#include "bitloss/model/measure_importance.h"

namespace bitloss {
namespace {

using Entries = std::map<std::string, std::vector<float>>;

constexpr std::string_view kSums = ".in_sum2";
constexpr std::string_view kCounts = ".counts";

Status CheckUsable(const std::string& name, std::span<const float> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i]) && values[i] >= 0.0f) continue;
    return BadInput("importance {} of '{}' is {}; they are squares, finite and not negative", i,
                    name, values[i]);
  }
  return Ok();
}

Result<size_t> ReadSize(ByteReader& reader) {
  BITLOSS_TRY(const int32_t size, reader.Read<int32_t>());
  if (size < 0) return BadInput("at byte {}: the size {} is negative", reader.offset() - 4, size);
  return static_cast<size_t>(size);
}

Result<Entries> ReadLegacy(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  Entries entries;
  BITLOSS_TRY(const size_t num_entries, ReadSize(reader));
  for (size_t i = 0; i < num_entries; ++i) {
    BITLOSS_TRY(const size_t name_size, ReadSize(reader));
    BITLOSS_TRY(const auto name_bytes, reader.Take(name_size));
    const std::string name(reinterpret_cast<const char*>(name_bytes.data()), name_size);
    BITLOSS_TRY(const int32_t calls, reader.Read<int32_t>());
    BITLOSS_TRY(const size_t num_values, ReadSize(reader));
    BITLOSS_TRY(const auto raw, reader.Take(uint64_t{num_values} * sizeof(float)));
    std::vector<float> values(num_values);
    if (!values.empty()) std::memcpy(values.data(), raw.data(), raw.size());
    for (float& value : values) value = calls > 0 ? value / static_cast<float>(calls) : value;
    entries[name] = std::move(values);
  }
  return entries;
}

Result<std::vector<float>> FloatsOf(const GgufTensor& tensor) {
  if (tensor.type->plain != DType::kF32) {
    return BadInput("tensor '{}' is {}, not F32", tensor.name, tensor.type->name);
  }
  std::vector<float> values(tensor.bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

Result<Entries> ReadGguf(const std::filesystem::path& path) {
  BITLOSS_TRY(const GgufFile file, GgufFile::Open(path));
  Entries entries;
  for (const GgufTensor& tensor : file.tensors()) {
    if (!tensor.name.ends_with(kSums)) continue;
    const std::string name = tensor.name.substr(0, tensor.name.size() - kSums.size());
    const GgufTensor* counts = file.FindTensor(name + std::string(kCounts));
    if (counts == nullptr) return BadInput("tensor '{}{}' is missing", name, kCounts);
    BITLOSS_TRY(std::vector<float> values, FloatsOf(tensor));
    BITLOSS_TRY(const std::vector<float> count, FloatsOf(*counts));
    if (count.size() != 1 || !(count[0] > 0.0f)) {
      return BadInput("tensor '{}' is not one positive number", counts->name);
    }
    for (float& value : values) value /= count[0];
    entries[name] = std::move(values);
  }
  return entries;
}

}  // namespace

Result<ImportanceFile> ImportanceFile::Open(const std::filesystem::path& path) {
  BITLOSS_TRY(const std::string bytes, ReadFile(path));
  auto entries =
      bytes.starts_with("GGUF") ? ReadGguf(path) : ReadLegacy(std::as_bytes(std::span(bytes)));
  if (!entries.ok()) return Within(path.string(), entries.error());
  ImportanceFile file;
  file.entries_ = std::move(entries).value();
  for (const auto& [name, values] : file.entries_) {
    if (const Status status = CheckUsable(name, values); !status.ok()) {
      return Within(path.string(), status.error());
    }
  }
  if (file.entries_.empty()) return BadInput("{}: it holds no importances", path.string());
  return file;
}

Result<std::vector<std::vector<float>>> ImportanceFile::OfLayer(size_t layer,
                                                                const LayerSource& source) const {
  std::vector<std::vector<float>> importances;
  for (size_t i = 0; i < source.weights.size(); ++i) {
    const LinearSpec& linear = source.plan->linears[i];
    const bool is_plain = linear.unit == Unit::kAttention || linear.unit == Unit::kMlp;
    if (!is_plain || static_cast<size_t>(linear.kind) >= kNumLinearKinds) {
      return Unsupported("importance matrices that hold {} are not read; leave --imatrix out",
                         linear.Name());
    }
    const std::string name = ImportanceName(layer, linear);
    const auto found = entries_.find(name);
    if (found == entries_.end()) {
      return BadInput("the importance matrix has no '{}': it is of another model", name);
    }
    if (found->second.size() != source.weights[i].cols()) {
      return BadInput("the importance matrix has {} values for '{}', which has {} inputs",
                      found->second.size(), name, source.weights[i].cols());
    }
    importances.push_back(found->second);
  }
  return importances;
}

}  // namespace bitloss
