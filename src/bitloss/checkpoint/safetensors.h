// safetensors files: named tensors, memory-mapped.
//
//   u64 N            length of the header
//   N bytes          JSON: {"name": {"dtype", "shape", "data_offsets": [begin, end]}, ...}, and
//                    perhaps "__metadata__": {string: string}; may end in spaces
//   rest             the tensors' bytes, without holes
//
// A file is hostile until checked. (Source: the safetensors README and the checks of its reader.)
#ifndef BITLOSS_CHECKPOINT_SAFETENSORS_H_
#define BITLOSS_CHECKPOINT_SAFETENSORS_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/bytes.h"
#include "bitloss/base/result.h"
#include "bitloss/tensor/tensor_view.h"

namespace bitloss {

struct SafetensorsEntry {
  std::string name;
  std::string stored_type;     // as the file spells it: "BF16"
  std::optional<DType> dtype;  // none for types that bitloss does not read (F4, C64, ...)
  std::vector<uint64_t> shape;
  SharedBytes bytes;  // a view of the mapped file; keeps it mapped
};

class SafetensorsFile {
 public:
  // kBadInput, naming the tensor or the byte, if: the header is longer than 100,000,000 bytes or
  // the file, is not UTF-8 JSON of the form above, has a key twice or an unprintable name; a type
  // is unknown; a shape overflows or does not make the bytes of its range; the ranges leave a hole,
  // overlap, or do not end with the file.
  static Result<SafetensorsFile> Open(const std::filesystem::path& path);
  // The same for a file's bytes; messages do not name the file.
  static Result<SafetensorsFile> Parse(const SharedBytes& bytes);

  // In the order of their bytes.
  const std::vector<SafetensorsEntry>& entries() const { return entries_; }
  // Null if there is no such tensor.
  const SafetensorsEntry* Find(std::string_view name) const;

  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  // The length and the JSON: all that the file says about what it holds.
  const SharedBytes& header() const { return header_; }

 private:
  std::vector<SafetensorsEntry> entries_;
  std::map<std::string, size_t, std::less<>> index_;  // name to position in entries_
  std::map<std::string, std::string> metadata_;
  SharedBytes header_;
};

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_SAFETENSORS_H_
