#include "bitloss/checkpoint/write_gguf.h"

#include <array>
#include <cstring>
#include <limits>
#include <type_traits>

#include "bitloss/base/file.h"

namespace bitloss {
namespace {

constexpr size_t kGgufAlignment = 32;
constexpr uint32_t kVersion = 3;

template <class T>
void Append(T value, std::string& to) {
  std::array<char, sizeof(T)> bytes;
  std::memcpy(bytes.data(), &value, sizeof(T));
  to.append(bytes.data(), bytes.size());
}

void AppendString(std::string_view text, std::string& to) {
  Append(uint64_t{text.size()}, to);
  to += text;
}

size_t Aligned(size_t bytes) {
  return (bytes + kGgufAlignment - 1) / kGgufAlignment * kGgufAlignment;
}

// Everything before the tensors' bytes.
std::string Header(const GgufPairs& pairs, std::span<const GgufTensor> tensors) {
  std::string header = "GGUF";
  Append(kVersion, header);
  Append(uint64_t{tensors.size()}, header);
  Append(pairs.count(), header);
  header += pairs.bytes();
  uint64_t offset = 0;
  for (const GgufTensor& tensor : tensors) {
    AppendString(tensor.name, header);
    Append(static_cast<uint32_t>(tensor.shape.size()), header);
    for (auto extent = tensor.shape.rbegin(); extent != tensor.shape.rend(); ++extent) {
      Append(*extent, header);  // fastest first
    }
    Append(tensor.type->id, header);
    Append(offset, header);
    offset += Aligned(tensor.bytes.size());
  }
  header.resize(Aligned(header.size()), '\0');
  return header;
}

}  // namespace

enum class GgufPairs::Type : uint32_t {
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
};

void GgufPairs::Begin(std::string_view key, Type type) {
  AppendString(key, bytes_);
  Append(type, bytes_);
  ++count_;
}

void GgufPairs::BeginArray(std::string_view key, Type type, uint64_t size) {
  Begin(key, Type::kArray);
  Append(type, bytes_);
  Append(size, bytes_);
}

void GgufPairs::AddUint(std::string_view key, uint32_t value) {
  Begin(key, Type::kUint32);
  Append(value, bytes_);
}

void GgufPairs::AddFloat(std::string_view key, float value) {
  Begin(key, Type::kFloat32);
  Append(value, bytes_);
}

void GgufPairs::AddBool(std::string_view key, bool value) {
  Begin(key, Type::kBool);
  Append(static_cast<uint8_t>(value ? 1 : 0), bytes_);
}

void GgufPairs::AddString(std::string_view key, std::string_view value) {
  Begin(key, Type::kString);
  AppendString(value, bytes_);
}

void GgufPairs::AddStrings(std::string_view key, std::span<const std::string> values) {
  BeginArray(key, Type::kString, values.size());
  for (const std::string& value : values) AppendString(value, bytes_);
}

void GgufPairs::AddInts(std::string_view key, std::span<const int32_t> values) {
  BeginArray(key, Type::kInt32, values.size());
  for (const int32_t value : values) Append(value, bytes_);
}

Status GgufPairs::Add(std::string_view key, const GgufValue& value) {
  const auto too_large = [&] {
    return Unsupported("metadata key '{}' holds an integer beyond 32 bits", key);
  };
  const auto fits = [](auto number) {
    return number >= 0 ? static_cast<uint64_t>(number) <= std::numeric_limits<int32_t>::max()
                       : static_cast<int64_t>(number) >= std::numeric_limits<int32_t>::min();
  };
  const auto add_numbers = [&](const auto& values) -> Status {
    std::vector<int32_t> numbers;
    for (const auto number : values) {
      if (!fits(number)) return too_large();
      numbers.push_back(static_cast<int32_t>(number));
    }
    AddInts(key, numbers);
    return Ok();
  };
  const auto add = [&](const auto& held) -> Status {
    using T = std::decay_t<decltype(held)>;
    if constexpr (std::is_same_v<T, uint64_t>) {
      if (held > std::numeric_limits<uint32_t>::max()) return too_large();
      AddUint(key, static_cast<uint32_t>(held));
    } else if constexpr (std::is_same_v<T, int64_t>) {
      if (!fits(held)) return too_large();
      Begin(key, Type::kInt32);
      Append(static_cast<int32_t>(held), bytes_);
    } else if constexpr (std::is_same_v<T, double>) {
      AddFloat(key, static_cast<float>(held));
    } else if constexpr (std::is_same_v<T, bool>) {
      AddBool(key, held);
    } else if constexpr (std::is_same_v<T, std::string>) {
      AddString(key, held);
    } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
      AddStrings(key, held);
    } else if constexpr (std::is_same_v<T, std::vector<double>>) {
      BeginArray(key, Type::kFloat32, held.size());
      for (const double number : held) Append(static_cast<float>(number), bytes_);
    } else if constexpr (std::is_same_v<T, std::vector<bool>>) {
      BeginArray(key, Type::kBool, held.size());
      for (const bool flag : held) Append(static_cast<uint8_t>(flag ? 1 : 0), bytes_);
    } else {
      return add_numbers(held);
    }
    return Ok();
  };
  return std::visit(add, value);
}

Status WriteGguf(const std::filesystem::path& path, const GgufPairs& pairs,
                 std::span<const GgufTensor> tensors) {
  static constexpr std::array<std::byte, kGgufAlignment> kPadding{};
  const std::string header = Header(pairs, tensors);
  std::vector<std::span<const std::byte>> pieces = {std::as_bytes(std::span(header))};
  for (const GgufTensor& tensor : tensors) {
    pieces.push_back(tensor.bytes.span());
    const size_t padding = Aligned(tensor.bytes.size()) - tensor.bytes.size();
    if (padding > 0) pieces.push_back(std::span(kPadding).first(padding));
  }
  return WriteFileAtomically(path, pieces);
}

}  // namespace bitloss
