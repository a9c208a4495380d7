// GGUF files, versions 2 and 3: typed metadata and tensors, memory-mapped.
//
//   'GGUF', u32 version, u64 tensor count, u64 pair count
//   pairs    {string key, u32 type, value}; string = u64 length + UTF-8 bytes
//   tensors  {string name, u32 rank, u64 dims[rank], u32 type, u64 offset}
//   padding to the alignment, then the tensors' bytes, each aligned
//
// All little-endian. A file is hostile until checked: everything that it says about itself is held
// against its real size before anything is allocated or read. (Source: ggml docs/gguf.md and the
// checks of its reader.)
#ifndef BITLOSS_CHECKPOINT_GGUF_H_
#define BITLOSS_CHECKPOINT_GGUF_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "bitloss/base/bytes.h"
#include "bitloss/base/result.h"
#include "bitloss/quant/formats/ggml/ggml_type.h"

namespace bitloss {

// A metadata value. Integers of all widths are widened to 64 bits and keep their signedness; f32
// and f64 are doubles. Arrays do not nest.
using GgufValue = std::variant<uint64_t, int64_t, double, bool, std::string, std::vector<uint64_t>,
                               std::vector<int64_t>, std::vector<double>, std::vector<bool>,
                               std::vector<std::string>>;

// The key-value pairs. Every Get fails with kNotFound if the key is absent and with kBadInput if
// its value is of another kind; the message names the key. A caller for whom absence is fine asks
// Has first, so a key of the wrong kind is never mistaken for an absent one.
class GgufMetadata {
 public:
  bool Has(std::string_view key) const { return values_.find(key) != values_.end(); }

  Result<std::string> GetString(std::string_view key) const;
  // Any integer >= 0.
  Result<uint64_t> GetUint(std::string_view key) const;
  // f32 and f64 only.
  Result<double> GetFloat(std::string_view key) const;
  Result<bool> GetBool(std::string_view key) const;

  // The span lives as long as this object.
  Result<std::span<const std::string>> GetStrings(std::string_view key) const;
  // Arrays of any integer type whose elements fit.
  Result<std::vector<int64_t>> GetInts(std::string_view key) const;
  Result<std::vector<double>> GetFloats(std::string_view key) const;

  // Sorted by key.
  const std::map<std::string, GgufValue, std::less<>>& values() const { return values_; }

  // False if the key is there already.
  bool Insert(std::string key, GgufValue value) {
    return values_.emplace(std::move(key), std::move(value)).second;
  }

 private:
  Result<const GgufValue*> Find(std::string_view key) const;

  std::map<std::string, GgufValue, std::less<>> values_;
};

// A tensor as it lies in the file: rows of shape.back() elements, one after the other, each row a
// whole number of blocks of `type`.
struct GgufTensor {
  std::string name;
  const GgmlType* type = nullptr;  // never null in a GgufFile
  std::vector<uint64_t> shape;     // slowest first, as PyTorch (the file's dims reversed); 1 to 4
  SharedBytes bytes;               // a view of the mapped file; keeps it mapped
};

class GgufFile {
 public:
  // Opens a file, or all parts of a split one if given any ("x-00002-of-0000N.gguf"; the metadata
  // are the first part's).
  //
  // kNotFound: no such file, a part is missing. kUnsupported: version 1 or from the future,
  // big-endian, a nested array. kBadInput: anything else that is wrong.
  static Result<GgufFile> Open(const std::filesystem::path& path);

  uint32_t version() const { return version_; }
  const GgufMetadata& metadata() const { return metadata_; }

  // In file order. Null if there is no such tensor.
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  const GgufTensor* FindTensor(std::string_view name) const;

  // Everything before the tensors' bytes, of every part in order: what the file says that it holds.
  const std::vector<SharedBytes>& headers() const { return headers_; }

 private:
  Status AddPart(const std::filesystem::path& path, const SharedBytes& file,
                 std::vector<GgufTensor> tensors, size_t header_bytes);

  uint32_t version_ = 0;
  GgufMetadata metadata_;
  std::vector<GgufTensor> tensors_;
  std::unordered_map<std::string, size_t> index_;  // name to position in tensors_
  std::vector<SharedBytes> headers_;
};

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_GGUF_H_
