#include "bitloss/model/fitted_blocks.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "bitloss/base/byte_reader.h"
#include "bitloss/quant/formats/ggml/ggml_format.h"
#include "bitloss/quant/scheme_file_type.h"

namespace bitloss {
namespace {

// Planes begin where numbers of any width may be read.
constexpr size_t Aligned(size_t offset) { return (offset + 7) / 8 * 8; }

class Writer {
 public:
  void Bytes(std::span<const std::byte> bytes) {
    Number(bytes.size());
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    out_.resize(Aligned(out_.size()));
  }
  void Number(uint64_t value) {
    const auto* raw = reinterpret_cast<const std::byte*>(&value);
    out_.insert(out_.end(), raw, raw + sizeof(value));
  }
  void Floats(std::span<const float> values) { Bytes(std::as_bytes(values)); }
  SharedBytes Finish() { return SharedBytes::Own(std::move(out_)); }

 private:
  std::vector<std::byte> out_;
};

class Reader {
 public:
  explicit Reader(const SharedBytes& bytes) : bytes_(bytes), reader_(bytes.span()) {}

  Result<uint64_t> Number() { return reader_.Read<uint64_t>(); }
  Result<SharedBytes> Bytes() {
    BITLOSS_TRY(const uint64_t size, Number());
    const size_t begin = reader_.offset();
    BITLOSS_DO(reader_.Take(size));
    BITLOSS_DO(reader_.Take(Aligned(reader_.offset()) - reader_.offset()));
    return bytes_.Sub(begin, size);
  }
  Result<std::vector<float>> Floats() {
    BITLOSS_TRY(const SharedBytes raw, Bytes());
    if (raw.size() % sizeof(float) != 0) return BadInput("not whole numbers");
    std::vector<float> values(raw.size() / sizeof(float));
    if (!values.empty()) std::memcpy(values.data(), raw.data(), raw.size());
    return values;
  }

 private:
  const SharedBytes& bytes_;
  ByteReader reader_;
};

// The format called `name` among those that a matrix fitted to `format` may be stored in.
Result<Format> FormatNamed(const std::string& name, const Format& format, size_t cols) {
  if (format.name == name) return format;
  if (format.stored_as != nullptr) {
    const Format& stored = format.stored_as(format, cols);
    if (stored.name == name) return stored;
  }
  // Which of its types a file type has there is what the identity of the lane says.
  if (FileTypeOf(format)) {
    if (name == F16Format().name) return F16Format();
    Result<Format> named = ParseFormat(name);
    if (named.ok() && GgmlTypeOf(named.value()) != nullptr) return named;
  }
  return BadInput("a fitted block holds {}, not {}", name, format.name);
}

}  // namespace

SharedBytes WriteFittedBlock(const FittedLayer& block) {
  Writer writer;
  for (const KeptSpec& kept : block.source.plan->kept) {
    writer.Floats(block.source.part(kept.kept).flat());
  }
  writer.Floats(block.activation_scales);
  for (size_t i = 0; i < block.encoded.size(); ++i) {
    const EncodedMatrix& matrix = block.encoded[i];
    writer.Floats(block.source.biases[i]);
    writer.Bytes(std::as_bytes(std::span(matrix.format.name)));
    writer.Number(matrix.rows);
    writer.Number(matrix.cols);
    for (const SharedBytes* plane : {&matrix.codes, &matrix.scales, &matrix.zeros, &matrix.extra}) {
      writer.Bytes(plane->span());
    }
  }
  return writer.Finish();
}

Result<FittedLayer> ReadFittedBlock(const SharedBytes& bytes, const Format& format,
                                    std::shared_ptr<const LayerPlan> plan) {
  Reader reader(bytes);
  FittedLayer block;
  for (const KeptSpec& kept : plan->kept) {
    BITLOSS_TRY(const std::vector<float> values, reader.Floats());
    if (values.size() != kept.rows * kept.cols) return BadInput("{} values", values.size());
    Matrix& part = block.source.part(kept.kept);
    part.Resize(kept.rows, kept.cols);
    std::ranges::copy(values, part.flat().begin());
  }
  const size_t num_linears = plan->linears.size();
  BITLOSS_TRY(block.activation_scales, reader.Floats());
  if (block.activation_scales.size() != num_linears) {
    return BadInput("{} activation scales", block.activation_scales.size());
  }
  block.encoded.resize(num_linears);
  block.source.biases.resize(num_linears);
  block.source.weights.resize(num_linears);
  block.source.plan = std::move(plan);
  for (size_t i = 0; i < num_linears; ++i) {
    EncodedMatrix& matrix = block.encoded[i];
    BITLOSS_TRY(block.source.biases[i], reader.Floats());
    BITLOSS_TRY(const SharedBytes name, reader.Bytes());
    BITLOSS_TRY(matrix.rows, reader.Number());
    BITLOSS_TRY(matrix.cols, reader.Number());
    BITLOSS_TRY(matrix.format,
                FormatNamed({reinterpret_cast<const char*>(name.data()), name.size()}, format,
                            matrix.cols));
    for (SharedBytes* plane : {&matrix.codes, &matrix.scales, &matrix.zeros, &matrix.extra}) {
      BITLOSS_TRY(*plane, reader.Bytes());
    }
  }
  return block;
}

Result<FittedBlocks> FittedBlocks::InFile(const std::filesystem::path& folder) {
  std::error_code error;
  const bool here = std::filesystem::is_directory(folder, error);
  std::string pattern =
      ((here ? folder : std::filesystem::temp_directory_path()) / "fitted-XXXXXX").string();
  const int file = ::mkstemp(pattern.data());
  if (file < 0) return IoError("cannot write in '{}': {}", folder.string(), std::strerror(errno));
  ::unlink(pattern.c_str());
  FittedBlocks blocks;
  blocks.file_ = std::shared_ptr<const int>(new int(file), [](const int* descriptor) {
    ::close(*descriptor);
    delete descriptor;
  });
  return blocks;
}

Status FittedBlocks::Put(size_t lane, size_t layer, const SharedBytes& block) {
  Place place;
  if (file_ == nullptr) {
    place.bytes = block;
  } else {
    place = {{}, end_, block.size()};
    for (size_t done = 0; done < block.size();) {
      const ssize_t count = ::pwrite(*file_, block.data() + done, block.size() - done,
                                     static_cast<off_t>(end_ + done));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return IoError("cannot keep fitted blocks: {}", std::strerror(errno));
      done += static_cast<size_t>(count);
    }
    end_ += block.size();
  }
  places_[{lane, layer}] = std::move(place);
  return Ok();
}

Result<SharedBytes> FittedBlocks::Get(size_t lane, size_t layer) const {
  const Place& place = places_.at({lane, layer});
  if (file_ == nullptr) return place.bytes;
  std::vector<std::byte> bytes(place.size);
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t count = ::pread(*file_, bytes.data() + done, bytes.size() - done,
                                  static_cast<off_t>(place.offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return IoError("cannot read fitted blocks: {}", std::strerror(errno));
    done += static_cast<size_t>(count);
  }
  return SharedBytes::Own(std::move(bytes));
}

}  // namespace bitloss
