// For tests: files made byte by byte, valid ones, and every way to lie that a test asks for.
#ifndef BITLOSS_CHECKPOINT_TEST_FILES_H_
#define BITLOSS_CHECKPOINT_TEST_FILES_H_

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/bytes.h"

namespace bitloss::test_files {

// A folder of its own for one test, removed with what is in it.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "bitloss-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::filesystem::path& path() const { return path_; }

  std::filesystem::path Write(const std::string& name, std::string_view bytes) const {
    const std::filesystem::path file = path_ / name;
    std::ofstream(file, std::ios::binary) << bytes;
    return file;
  }

 private:
  std::filesystem::path path_;
};

// On the heap at its exact size, so that a sanitizer sees one byte too far.
inline SharedBytes Bytes(std::string_view text) {
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return SharedBytes::Own(std::vector<std::byte>(data, data + text.size()));
}

template <class T>
std::string Raw(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

inline std::string Floats(std::span<const float> values) {
  std::string bytes;
  for (const float value : values) bytes += Raw(value);
  return bytes;
}

// header and data, with the true length before them.
inline std::string Safetensors(std::string_view header, std::string_view data) {
  return Raw(uint64_t{header.size()}) + std::string(header) + std::string(data);
}

// Writes what it is told, true or not.
class Gguf {
 public:
  static std::string String(std::string_view text) {
    return Raw(uint64_t{text.size()}) + std::string(text);
  }

  Gguf& Version(uint32_t version) {
    version_ = version;
    return *this;
  }
  Gguf& NumTensors(uint64_t count) {
    num_tensors_ = count;
    return *this;
  }
  // `value` is the encoding of a value of type `type`.
  Gguf& Pair(std::string_view key, uint32_t type, std::string_view value) {
    pairs_ += String(key) + Raw(type) + std::string(value);
    ++num_pairs_;
    return *this;
  }
  Gguf& Uint(std::string_view key, uint32_t value) { return Pair(key, 4, Raw(value)); }
  Gguf& Float(std::string_view key, float value) { return Pair(key, 6, Raw(value)); }
  Gguf& Text(std::string_view key, std::string_view value) { return Pair(key, 8, String(value)); }
  Gguf& Texts(std::string_view key, const std::vector<std::string>& values) {
    std::string array = Raw(uint32_t{8}) + Raw(uint64_t{values.size()});
    for (const std::string& value : values) array += String(value);
    return Pair(key, 9, array);
  }

  // `dims` in the file's order, fastest first; the offset is the next aligned one.
  Gguf& Tensor(std::string_view name, const std::vector<uint64_t>& dims, uint32_t type,
               std::string_view bytes) {
    return TensorAt(data_.size(), name, dims, type, bytes);
  }
  Gguf& TensorAt(uint64_t offset, std::string_view name, const std::vector<uint64_t>& dims,
                 uint32_t type, std::string_view bytes) {
    entries_ += String(name) + Raw(static_cast<uint32_t>(dims.size()));
    for (const uint64_t dim : dims) entries_ += Raw(dim);
    entries_ += Raw(type) + Raw(offset);
    data_ += bytes;
    Pad(data_);
    ++num_tensors_;
    return *this;
  }
  Gguf& F32(std::string_view name, const std::vector<uint64_t>& dims,
            std::span<const float> values) {
    return Tensor(name, dims, 0, Floats(values));
  }

  std::string Build() const {
    std::string file = "GGUF" + Raw(version_) + Raw(num_tensors_) + Raw(num_pairs_);
    file += pairs_ + entries_;
    Pad(file);
    return file + data_;
  }

 private:
  static void Pad(std::string& bytes) { bytes.resize((bytes.size() + 31) / 32 * 32, '\0'); }

  uint32_t version_ = 3;
  uint64_t num_tensors_ = 0;
  uint64_t num_pairs_ = 0;
  std::string pairs_, entries_, data_;
};

}  // namespace bitloss::test_files

#endif  // BITLOSS_CHECKPOINT_TEST_FILES_H_
