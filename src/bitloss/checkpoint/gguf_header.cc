#include "bitloss/checkpoint/gguf_header.h"

#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "bitloss/base/byte_reader.h"
#include "bitloss/checkpoint/printable.h"
#include "bitloss/tensor/tensor_view.h"

namespace bitloss {
namespace {

constexpr uint64_t kMaxLength = uint64_t{1} << 30;  // of a string or an array
constexpr size_t kMaxTensorName = 63;
constexpr uint32_t kMaxRank = 4;
constexpr uint64_t kDefaultAlignment = 32;
// Fewer bytes than the shortest pair and the shortest tensor entry take.
constexpr uint64_t kMinPairBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 1 + 4 + 4 + 8;

// clang-format off
enum class ValueType : uint32_t {
  kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64,
};
// clang-format on

template <class T>
using Widened = std::conditional_t<std::is_floating_point_v<T>, double,
                                   std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>;

Result<std::string> ReadString(ByteReader& reader) {
  const size_t start = reader.offset();
  BITLOSS_TRY(const uint64_t length, reader.Read<uint64_t>());
  if (length > kMaxLength) return BadInput("at byte {}: string of {} bytes", start, length);
  BITLOSS_TRY(const std::span<const std::byte> bytes, reader.Take(length));
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// A key or a tensor's name: appears in messages, so it must be text and one line.
Result<std::string> ReadName(ByteReader& reader, std::string_view what) {
  const size_t start = reader.offset();
  BITLOSS_TRY(std::string name, ReadString(reader));
  if (name.empty() || !IsPrintable(name)) {
    return BadInput("at byte {}: {} is empty or not printable text", start, what);
  }
  return name;
}

Result<bool> ReadBool(ByteReader& reader) {
  const size_t start = reader.offset();
  BITLOSS_TRY(const uint8_t value, reader.Read<uint8_t>());
  if (value > 1) return BadInput("at byte {}: a bool of value {}", start, value);
  return value == 1;
}

template <class T>
Result<GgufValue> ReadNumber(ByteReader& reader) {
  BITLOSS_TRY(const T value, reader.Read<T>());
  return GgufValue(Widened<T>{value});
}

template <class T>
Result<GgufValue> ReadNumbers(ByteReader& reader, uint64_t count) {
  BITLOSS_TRY(const std::span<const std::byte> bytes, reader.Take(count * sizeof(T)));
  std::vector<Widened<T>> values(count);
  for (size_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    values[i] = value;
  }
  return GgufValue(std::move(values));
}

Result<GgufValue> ReadBools(ByteReader& reader, uint64_t count) {
  std::vector<bool> values;
  for (uint64_t i = 0; i < count; ++i) {
    BITLOSS_TRY(const bool value, ReadBool(reader));
    values.push_back(value);
  }
  return GgufValue(std::move(values));
}

Result<GgufValue> ReadStrings(ByteReader& reader, uint64_t count) {
  if (count > reader.remaining() / sizeof(uint64_t)) {
    return BadInput("at byte {}: {} strings do not fit the {} bytes that are left", reader.offset(),
                    count, reader.remaining());
  }
  std::vector<std::string> values;
  values.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    BITLOSS_TRY(std::string value, ReadString(reader));
    values.push_back(std::move(value));
  }
  return GgufValue(std::move(values));
}

Result<GgufValue> ReadArray(ByteReader& reader) {
  const size_t start = reader.offset();
  BITLOSS_TRY(const uint32_t type, reader.Read<uint32_t>());
  BITLOSS_TRY(const uint64_t count, reader.Read<uint64_t>());
  if (count > kMaxLength) return BadInput("at byte {}: array of {} elements", start, count);
  switch (ValueType{type}) {
    case ValueType::kU8:
      return ReadNumbers<uint8_t>(reader, count);
    case ValueType::kI8:
      return ReadNumbers<int8_t>(reader, count);
    case ValueType::kU16:
      return ReadNumbers<uint16_t>(reader, count);
    case ValueType::kI16:
      return ReadNumbers<int16_t>(reader, count);
    case ValueType::kU32:
      return ReadNumbers<uint32_t>(reader, count);
    case ValueType::kI32:
      return ReadNumbers<int32_t>(reader, count);
    case ValueType::kF32:
      return ReadNumbers<float>(reader, count);
    case ValueType::kU64:
      return ReadNumbers<uint64_t>(reader, count);
    case ValueType::kI64:
      return ReadNumbers<int64_t>(reader, count);
    case ValueType::kF64:
      return ReadNumbers<double>(reader, count);
    case ValueType::kBool:
      return ReadBools(reader, count);
    case ValueType::kString:
      return ReadStrings(reader, count);
    case ValueType::kArray:
      return Unsupported("at byte {}: an array of arrays", start);
  }
  return BadInput("at byte {}: unknown element type {}", start, type);
}

Result<GgufValue> ReadValue(ByteReader& reader) {
  const size_t start = reader.offset();
  BITLOSS_TRY(const uint32_t type, reader.Read<uint32_t>());
  switch (ValueType{type}) {
    case ValueType::kU8:
      return ReadNumber<uint8_t>(reader);
    case ValueType::kI8:
      return ReadNumber<int8_t>(reader);
    case ValueType::kU16:
      return ReadNumber<uint16_t>(reader);
    case ValueType::kI16:
      return ReadNumber<int16_t>(reader);
    case ValueType::kU32:
      return ReadNumber<uint32_t>(reader);
    case ValueType::kI32:
      return ReadNumber<int32_t>(reader);
    case ValueType::kF32:
      return ReadNumber<float>(reader);
    case ValueType::kU64:
      return ReadNumber<uint64_t>(reader);
    case ValueType::kI64:
      return ReadNumber<int64_t>(reader);
    case ValueType::kF64:
      return ReadNumber<double>(reader);
    case ValueType::kArray:
      return ReadArray(reader);
    case ValueType::kBool: {
      BITLOSS_TRY(const bool value, ReadBool(reader));
      return GgufValue(value);
    }
    case ValueType::kString: {
      BITLOSS_TRY(std::string value, ReadString(reader));
      return GgufValue(std::move(value));
    }
  }
  return BadInput("at byte {}: unknown value type {}", start, type);
}

Result<uint32_t> ReadVersion(ByteReader& reader) {
  const auto magic = reader.Take(4);
  if (!magic.ok() || std::memcmp(magic.value().data(), "GGUF", 4) != 0) {
    return BadInput("not a GGUF file: it does not begin with 'GGUF'");
  }
  BITLOSS_TRY(const uint32_t version, reader.Read<uint32_t>());
  if (version != 0 && (version & 0xFFFF) == 0) {
    return Unsupported("a big-endian GGUF file; convert it to little-endian first");
  }
  if (version != 2 && version != 3) {
    return Unsupported("GGUF version {}; versions 2 and 3 are known", version);
  }
  return version;
}

Result<GgufMetadata> ReadMetadata(ByteReader& reader, uint64_t num_pairs) {
  GgufMetadata metadata;
  for (uint64_t i = 0; i < num_pairs; ++i) {
    const size_t start = reader.offset();
    BITLOSS_TRY(std::string key, ReadName(reader, "metadata key"));
    auto value = ReadValue(reader);
    if (!value.ok()) return Within(fmt::format("metadata key '{}'", key), value.error());
    if (metadata.Has(key)) return BadInput("at byte {}: metadata key '{}' again", start, key);
    metadata.Insert(std::move(key), std::move(value).value());
  }
  return metadata;
}

Result<uint64_t> Alignment(const GgufMetadata& metadata) {
  constexpr std::string_view kKey = "general.alignment";
  if (!metadata.Has(kKey)) return kDefaultAlignment;
  BITLOSS_TRY(const uint64_t alignment, metadata.GetUint(kKey));
  if (alignment < 8 || alignment > UINT32_MAX || (alignment & (alignment - 1)) != 0) {
    return BadInput("{} is {}, not a power of two of at least 8", kKey, alignment);
  }
  return alignment;
}

struct TensorEntry {
  GgufTensor tensor;  // without its bytes
  uint64_t num_bytes = 0;
  uint64_t offset = 0;  // in the data section
};

// The bytes of the whole tensor. The shape comes from the file.
Result<uint64_t> TensorBytes(const GgufTensor& tensor) {
  const uint64_t row = tensor.shape.back();
  if (row % tensor.type->elements_per_block != 0) {
    return BadInput("rows of {} elements end inside a block of {} ({} elements)", row,
                    tensor.type->name, tensor.type->elements_per_block);
  }
  const std::optional<uint64_t> num_elements = NumElements(tensor.shape);
  uint64_t num_bytes = 0;
  if (!num_elements || __builtin_mul_overflow(*num_elements / tensor.type->elements_per_block,
                                              tensor.type->bytes_per_block, &num_bytes)) {
    return BadInput("its size overflows");
  }
  return num_bytes;
}

Result<TensorEntry> ReadTensorBody(ByteReader& reader, std::string name) {
  TensorEntry entry;
  entry.tensor.name = std::move(name);
  if (entry.tensor.name.size() > kMaxTensorName) {
    return BadInput("the name is longer than {} bytes", kMaxTensorName);
  }
  BITLOSS_TRY(const uint32_t rank, reader.Read<uint32_t>());
  if (rank < 1 || rank > kMaxRank) return BadInput("{} dimensions", rank);
  entry.tensor.shape.resize(rank);
  for (uint32_t i = 0; i < rank; ++i) {
    BITLOSS_TRY(const uint64_t extent, reader.Read<uint64_t>());
    if (extent == 0 || extent > INT64_MAX) return BadInput("a dimension of {}", extent);
    entry.tensor.shape[rank - 1 - i] = extent;
  }
  BITLOSS_TRY(const uint32_t type, reader.Read<uint32_t>());
  entry.tensor.type = FindGgmlType(type);
  if (entry.tensor.type == nullptr) return Unsupported("unknown tensor type {}", type);
  BITLOSS_TRY(entry.offset, reader.Read<uint64_t>());
  BITLOSS_TRY(entry.num_bytes, TensorBytes(entry.tensor));
  return entry;
}

Result<std::vector<TensorEntry>> ReadTensorEntries(ByteReader& reader, uint64_t num_tensors) {
  std::vector<TensorEntry> entries;
  std::unordered_set<std::string> names;
  for (uint64_t i = 0; i < num_tensors; ++i) {
    const size_t start = reader.offset();
    BITLOSS_TRY(std::string name, ReadName(reader, "tensor name"));
    if (!names.insert(name).second) return BadInput("at byte {}: tensor '{}' again", start, name);
    auto entry = ReadTensorBody(reader, name);
    if (!entry.ok()) return Within(fmt::format("tensor '{}'", name), entry.error());
    entries.push_back(std::move(entry).value());
  }
  return entries;
}

// Requires: alignment is a power of two; value + alignment fits (values are checked file sizes).
uint64_t RoundUp(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}

// Gives every tensor its bytes. They lie one after the other, each at the next aligned offset.
Result<std::vector<GgufTensor>> PlaceTensors(std::vector<TensorEntry> entries, uint64_t alignment,
                                             size_t header_bytes, const SharedBytes& file) {
  const uint64_t section = RoundUp(header_bytes, alignment);
  uint64_t expected = 0;  // <= file.size() - section + alignment
  std::vector<GgufTensor> tensors;
  for (TensorEntry& entry : entries) {
    const std::string& name = entry.tensor.name;
    if (entry.offset != expected) {
      return BadInput(
          "tensor '{}': begins at offset {} of the data, but the tensors before it end "
          "at {}",
          name, entry.offset, expected);
    }
    const uint64_t begin = section + expected;
    if (begin > file.size() || entry.num_bytes > file.size() - begin) {
      return BadInput(
          "tensor '{}': needs {} bytes from byte {}, but the file ends at byte {}; it "
          "is truncated",
          name, entry.num_bytes, begin, file.size());
    }
    entry.tensor.bytes = file.Sub(begin, entry.num_bytes);
    expected = RoundUp(expected + entry.num_bytes, alignment);
    tensors.push_back(std::move(entry.tensor));
  }
  if (file.size() > section + expected) {
    return BadInput("{} bytes after the end of the last tensor at byte {}",
                    file.size() - (section + expected), section + expected);
  }
  return tensors;
}

}  // namespace

Result<GgufHeader> ParseGgufHeader(const SharedBytes& file) {
  ByteReader reader(file.span());
  GgufHeader header;
  BITLOSS_TRY(header.version, ReadVersion(reader));
  BITLOSS_TRY(const uint64_t num_tensors, reader.Read<uint64_t>());
  BITLOSS_TRY(const uint64_t num_pairs, reader.Read<uint64_t>());
  if (num_tensors > reader.remaining() / kMinTensorBytes ||
      num_pairs > reader.remaining() / kMinPairBytes) {
    return BadInput("{} tensors and {} metadata pairs do not fit a file of {} bytes", num_tensors,
                    num_pairs, file.size());
  }
  BITLOSS_TRY(header.metadata, ReadMetadata(reader, num_pairs));
  BITLOSS_TRY(std::vector<TensorEntry> entries, ReadTensorEntries(reader, num_tensors));
  header.num_bytes = reader.offset();
  BITLOSS_TRY(const uint64_t alignment, Alignment(header.metadata));
  BITLOSS_TRY(header.tensors, PlaceTensors(std::move(entries), alignment, header.num_bytes, file));
  return header;
}

}  // namespace bitloss
