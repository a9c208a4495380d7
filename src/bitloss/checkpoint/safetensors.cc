#include "bitloss/checkpoint/safetensors.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <tuple>

#include "bitloss/base/byte_reader.h"
#include "bitloss/base/file.h"
#include "bitloss/checkpoint/printable.h"
#include "bitloss/json/parse.h"

namespace bitloss {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr std::string_view kMetadataKey = "__metadata__";

struct StoredType {
  std::string_view name;
  uint64_t bits;
  std::optional<DType> dtype;
};

constexpr std::array kStoredTypes = {
    StoredType{"BOOL", 8, DType::kBool},
    StoredType{"U8", 8, DType::kU8},
    StoredType{"I8", 8, DType::kI8},
    StoredType{"F4", 4, std::nullopt},
    StoredType{"F6_E2M3", 6, std::nullopt},
    StoredType{"F6_E3M2", 6, std::nullopt},
    StoredType{"F8_E5M2", 8, std::nullopt},
    StoredType{"F8_E4M3", 8, DType::kF8E4M3},
    StoredType{"F8_E8M0", 8, std::nullopt},
    StoredType{"F8_E4M3FNUZ", 8, std::nullopt},
    StoredType{"F8_E5M2FNUZ", 8, std::nullopt},
    StoredType{"I16", 16, DType::kI16},
    StoredType{"U16", 16, std::nullopt},
    StoredType{"F16", 16, DType::kF16},
    StoredType{"BF16", 16, DType::kBF16},
    StoredType{"I32", 32, DType::kI32},
    StoredType{"U32", 32, std::nullopt},
    StoredType{"F32", 32, DType::kF32},
    StoredType{"C64", 64, std::nullopt},
    StoredType{"F64", 64, DType::kF64},
    StoredType{"I64", 64, DType::kI64},
    StoredType{"U64", 64, std::nullopt},
};

// What an entry of the header claims, not yet held against the bytes.
struct Claim {
  std::string name;
  const StoredType* type = nullptr;
  std::vector<uint64_t> shape;
  uint64_t begin = 0;
  uint64_t end = 0;
};

Result<std::vector<uint64_t>> ReadUints(const Json& entry, const char* key) {
  const auto found = entry.find(key);
  if (found == entry.end() || !found->is_array()) return BadInput("'{}' is not an array", key);
  std::vector<uint64_t> values;
  for (const Json& value : *found) {
    if (!value.is_number_unsigned()) return BadInput("'{}' holds {}", key, value.dump());
    values.push_back(value.get<uint64_t>());
  }
  return values;
}

Result<Claim> ReadClaim(const std::string& name, const Json& entry) {
  if (!entry.is_object()) return BadInput("not an object");
  Claim claim;
  claim.name = name;
  const auto dtype = entry.find("dtype");
  if (dtype == entry.end() || !dtype->is_string()) return BadInput("'dtype' is not a string");
  const auto type = std::find_if(kStoredTypes.begin(), kStoredTypes.end(), [&](const auto& known) {
    return known.name == dtype->get_ref<const std::string&>();
  });
  if (type == kStoredTypes.end()) return BadInput("unknown dtype {}", dtype->dump());
  claim.type = &*type;
  BITLOSS_TRY(claim.shape, ReadUints(entry, "shape"));
  BITLOSS_TRY(const std::vector<uint64_t> range, ReadUints(entry, "data_offsets"));
  if (range.size() != 2) return BadInput("'data_offsets' has {} numbers, not 2", range.size());
  claim.begin = range[0];
  claim.end = range[1];
  return claim;
}

Result<std::map<std::string, std::string>> ReadMetadata(const Json& value) {
  if (!value.is_object()) return BadInput("{} is not an object", kMetadataKey);
  std::map<std::string, std::string> metadata;
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string())
      return BadInput("{}: {} is not a string", kMetadataKey, Json(key).dump());
    metadata[key] = text.get<std::string>();
  }
  return metadata;
}

// The JSON's bytes: everything that the length before them promises.
Result<std::string_view> HeaderText(std::span<const std::byte> file) {
  ByteReader reader(file);
  BITLOSS_TRY(const uint64_t length, reader.Read<uint64_t>());
  if (length > kMaxHeaderBytes) {
    return BadInput("header of {} bytes; not a safetensors file (at most {} are allowed)", length,
                    kMaxHeaderBytes);
  }
  BITLOSS_TRY(const std::span<const std::byte> bytes, reader.Take(length));
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with('{')) return BadInput("at byte 8: the header does not begin with '{{'");
  return text;
}

Result<std::vector<Claim>> ReadClaims(const Json& header) {
  std::vector<Claim> claims;
  for (const auto& [name, entry] : header.items()) {
    if (name == kMetadataKey) continue;
    if (!IsPrintable(name)) return BadInput("unprintable tensor name {}", Json(name).dump());
    auto claim = ReadClaim(name, entry);
    if (!claim.ok()) return Within(fmt::format("tensor '{}'", name), claim.error());
    claims.push_back(std::move(claim).value());
  }
  std::sort(claims.begin(), claims.end(), [](const Claim& a, const Claim& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  return claims;
}

// Whether the shape makes exactly the bytes of the range.
Status CheckSize(const Claim& claim) {
  uint64_t bits = claim.type->bits;
  for (const uint64_t extent : claim.shape) {
    if (__builtin_mul_overflow(bits, extent, &bits)) return BadInput("its size overflows");
  }
  if (claim.begin > claim.end || bits % 8 != 0 || bits / 8 != claim.end - claim.begin) {
    return BadInput("shape [{}] of {} does not make the bytes [{}, {})",
                    fmt::join(claim.shape, ", "), claim.type->name, claim.begin, claim.end);
  }
  return Ok();
}

// Gives every tensor its bytes. Claims are in the order of their ranges, which cover `data`.
Result<std::vector<SafetensorsEntry>> PlaceTensors(const std::vector<Claim>& claims,
                                                   const SharedBytes& data) {
  std::vector<SafetensorsEntry> entries;
  uint64_t expected = 0;  // <= data.size()
  for (const Claim& claim : claims) {
    const std::string context = fmt::format("tensor '{}'", claim.name);
    if (const Status size = CheckSize(claim); !size.ok()) return Within(context, size.error());
    if (claim.begin != expected) {
      return BadInput("{}: begins at byte {} of the data, but the tensors before it end at {}",
                      context, claim.begin, expected);
    }
    if (claim.end > data.size()) {
      return BadInput(
          "{}: bytes [{}, {}) are not inside the data of {} bytes; the file is "
          "truncated",
          context, claim.begin, claim.end, data.size());
    }
    expected = claim.end;
    entries.push_back({.name = claim.name,
                       .stored_type = std::string(claim.type->name),
                       .dtype = claim.type->dtype,
                       .shape = claim.shape,
                       .bytes = data.Sub(claim.begin, claim.end - claim.begin)});
  }
  if (expected != data.size()) {
    return BadInput("{} bytes after the last tensor", data.size() - expected);
  }
  return entries;
}

}  // namespace

Result<SafetensorsFile> SafetensorsFile::Parse(const SharedBytes& bytes) {
  BITLOSS_TRY(const std::string_view text, HeaderText(bytes.span()));
  const auto header = ParseJson(text);
  if (!header.ok()) return Within("header", header.error());
  SafetensorsFile file;
  if (const auto metadata = header.value().find(kMetadataKey); metadata != header.value().end()) {
    BITLOSS_TRY(file.metadata_, ReadMetadata(*metadata));
  }
  BITLOSS_TRY(const std::vector<Claim> claims, ReadClaims(header.value()));
  const size_t data_begin = sizeof(uint64_t) + text.size();
  BITLOSS_TRY(file.entries_,
              PlaceTensors(claims, bytes.Sub(data_begin, bytes.size() - data_begin)));
  for (size_t i = 0; i < file.entries_.size(); ++i) file.index_[file.entries_[i].name] = i;
  file.header_ = bytes.Sub(0, data_begin);
  return file;
}

Result<SafetensorsFile> SafetensorsFile::Open(const std::filesystem::path& path) {
  BITLOSS_TRY(const SharedBytes bytes, MapFile(path));
  auto file = Parse(bytes);
  if (!file.ok()) return Within(path.string(), file.error());
  return file;
}

const SafetensorsEntry* SafetensorsFile::Find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

}  // namespace bitloss
