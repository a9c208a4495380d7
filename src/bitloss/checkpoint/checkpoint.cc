#include "bitloss/checkpoint/checkpoint.h"

#include <cmath>
#include <system_error>

#include "bitloss/checkpoint/gguf_checkpoint.h"
#include "bitloss/checkpoint/gguf_parts.h"
#include "bitloss/checkpoint/hf_checkpoint.h"
#include "bitloss/checkpoint/safetensors.h"

namespace bitloss {

namespace {

// The GGUF file of a folder that has no config.json and no second one; of a split one the first of
// the parts that are there.
std::optional<std::filesystem::path> OnlyGgufFile(const std::filesystem::path& folder) {
  std::error_code error;
  if (std::filesystem::exists(folder / "config.json", error)) return std::nullopt;
  std::optional<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() != ".gguf") continue;
    const auto whole = [](const std::filesystem::path& path) {
      return ParseGgufPartName(path.string()).whole;
    };
    if (found && whole(*found) != whole(entry.path())) return std::nullopt;
    if (!found || entry.path() < *found) found = entry.path();
  }
  return found;
}

}  // namespace

std::optional<SafetensorsEntry> Checkpoint::Stored(std::string_view /*name*/) const {
  return std::nullopt;
}

Result<std::unique_ptr<Checkpoint>> Checkpoint::Open(const std::filesystem::path& path) {
  std::error_code error;
  const auto kind = std::filesystem::status(path, error).type();
  if (kind == std::filesystem::file_type::directory) {
    const std::optional<std::filesystem::path> gguf = OnlyGgufFile(path);
    return gguf ? OpenGgufCheckpoint(*gguf) : OpenHfCheckpoint(path);
  }
  if (kind == std::filesystem::file_type::regular) return OpenGgufCheckpoint(path);
  return NotFound("{}: no such model; give a folder in Hugging Face layout or a .gguf file",
                  path.string());
}

Result<std::vector<uint64_t>> Checkpoint::Shape(std::string_view name) const {
  BITLOSS_TRY(TensorInfo info, Info(name));
  return std::move(info.shape);
}

Result<std::string> Checkpoint::StoredType(std::string_view name) const {
  BITLOSS_TRY(TensorInfo info, Info(name));
  return std::move(info.stored_type);
}

Status CheckFinite(std::string_view tensor, std::span<const float> values, uint64_t first) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      return BadInput("tensor '{}': element {} is {}; the checkpoint is damaged", tensor, first + i,
                      values[i]);
    }
  }
  return Ok();
}

Status ReadFiniteRows(const Checkpoint& checkpoint, std::string_view name, uint64_t begin,
                      uint64_t end, std::span<float> out) {
  BITLOSS_DO(checkpoint.ReadRows(name, begin, end, out));
  const uint64_t cols = end > begin ? out.size() / (end - begin) : 0;
  const Status finite = CheckFinite(name, out, begin * cols);
  if (!finite.ok()) return Within(checkpoint.path().string(), finite.error());
  return Ok();
}

}  // namespace bitloss
