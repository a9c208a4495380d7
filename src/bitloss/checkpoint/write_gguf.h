// Writes GGUF files, version 3 (gguf.h says what is in one).
#ifndef BITLOSS_CHECKPOINT_WRITE_GGUF_H_
#define BITLOSS_CHECKPOINT_WRITE_GGUF_H_

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/checkpoint/gguf.h"

namespace bitloss {

// The key-value pairs of a file, in the order in which they are added, in the types that ggml's
// readers ask for: u32, f32, bool, string and arrays of i32, f32 and string.
class GgufPairs {
 public:
  void AddUint(std::string_view key, uint32_t value);
  void AddFloat(std::string_view key, float value);
  void AddBool(std::string_view key, bool value);
  void AddString(std::string_view key, std::string_view value);
  void AddStrings(std::string_view key, std::span<const std::string> values);
  void AddInts(std::string_view key, std::span<const int32_t> values);

  // A value that was read from a file. kUnsupported for an integer beyond 32 bits.
  Status Add(std::string_view key, const GgufValue& value);

  uint64_t count() const { return count_; }
  const std::string& bytes() const { return bytes_; }

 private:
  enum class Type : uint32_t;
  void Begin(std::string_view key, Type type);
  void BeginArray(std::string_view key, Type type, uint64_t size);

  uint64_t count_ = 0;
  std::string bytes_;
};

// Tensors one after the other, each aligned to 32 bytes, in the order given. The file appears whole
// or not at all. Requires: names differ; the bytes of each are what its type and shape make.
Status WriteGguf(const std::filesystem::path& path, const GgufPairs& pairs,
                 std::span<const GgufTensor> tensors);

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_WRITE_GGUF_H_
