#include "bitloss/checkpoint/hf_checkpoint.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>

#include "bitloss/base/file.h"
#include "bitloss/checkpoint/identity.h"
#include "bitloss/checkpoint/layouts/layout.h"
#include "bitloss/checkpoint/printable.h"
#include "bitloss/checkpoint/safetensors.h"
#include "bitloss/checkpoint/tensor_info.h"
#include "bitloss/json/parse.h"
#include "bitloss/quant/formats/ggml/ggml_type.h"

namespace bitloss {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

bool IsFile(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

class HfCheckpoint : public Checkpoint {
 public:
  HfCheckpoint(fs::path path, std::vector<SafetensorsFile> files, StoredTensors tensors,
               std::optional<QuantizedTensors> quantized)
      : path_(std::move(path)),
        files_(std::move(files)),
        tensors_(std::move(tensors)),
        quantized_(std::move(quantized)) {}

  const fs::path& path() const override { return path_; }

  std::vector<std::string> TensorNames() const override {
    std::vector<std::string> names;
    for (const auto& [name, entry] : tensors_) {
      if (!quantized_ || !quantized_->parts.contains(name)) names.push_back(name);
    }
    if (quantized_) {
      for (const auto& [name, matrix] : quantized_->matrices) names.push_back(name);
    }
    std::ranges::sort(names);
    return names;
  }

  Result<TensorInfo> Info(std::string_view name) const override {
    if (const QuantizedTensor* matrix = FindQuantized(name)) {
      return MakeTensorInfo({matrix->rows, matrix->cols}, matrix->type, matrix->num_bytes);
    }
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) return MissingTensor(path_, name);
    const SafetensorsEntry& entry = found->second;
    return MakeTensorInfo(entry.shape, entry.stored_type, entry.bytes.size());
  }

  Status ReadRows(std::string_view name, uint64_t begin, uint64_t end,
                  std::span<float> out) const override {
    BITLOSS_TRY(const TensorInfo info, Info(name));
    BITLOSS_CHECK(begin <= end && end <= info.rows && out.size() == (end - begin) * info.cols);
    if (FindQuantized(name) != nullptr) return ReadQuantizedRows(name, begin, end, out);
    const SafetensorsEntry& entry = tensors_.find(name)->second;
    // The plain types are spelled alike in both formats.
    const GgmlType* type = FindGgmlType(entry.stored_type);
    if (type == nullptr || type->decode == nullptr) {
      return Unsupported("{}: tensor '{}' is stored as {}; F16, BF16 and F32 are read",
                         path_.string(), name, entry.stored_type);
    }
    const size_t row_bytes = info.cols * type->bytes_per_block;
    type->decode(entry.bytes.span().subspan(begin * row_bytes, (end - begin) * row_bytes), out);
    return Ok();
  }

  std::optional<TensorView> View(std::string_view name) const override {
    const auto found = tensors_.find(name);
    if (found == tensors_.end() || !found->second.dtype || FindQuantized(name) != nullptr) {
      return std::nullopt;
    }
    const SafetensorsEntry& entry = found->second;
    if (!IsPlainFloat(*entry.dtype)) return std::nullopt;
    return TensorView{*entry.dtype, entry.shape, entry.bytes};
  }

  std::optional<SafetensorsEntry> Stored(std::string_view name) const override {
    const auto found = tensors_.find(name);
    if (found == tensors_.end() || FindQuantized(name) != nullptr) return std::nullopt;
    return found->second;
  }

  Result<std::optional<EncodedMatrix>> Quantized(std::string_view name) const override {
    const QuantizedTensor* matrix = FindQuantized(name);
    if (matrix == nullptr) return std::optional<EncodedMatrix>();
    auto loaded = matrix->load();
    if (!loaded.ok()) {
      return Within(fmt::format("{}: tensor '{}'", path_.string(), name), loaded.error());
    }
    return std::optional(std::move(loaded).value());
  }

  const StoredQuantization* quantization() const override {
    return quantized_ && !quantized_->is_published_form ? &quantized_->quantization : nullptr;
  }

  Result<std::string> Identity() const override {
    IdentityHash hash;
    for (const char* name : {"config.json", "generation_config.json", "hf_quant_config.json",
                             "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}) {
      if (!IsFile(path_ / name)) continue;
      BITLOSS_TRY(const SharedBytes bytes, MapFile(path_ / name));
      hash.AddNamed(name, bytes.span());
    }
    for (const SafetensorsFile& file : files_) hash.AddNamed("header", file.header().span());
    for (const auto& [name, entry] : tensors_) hash.AddNamed(name, entry.bytes.span());
    return hash.Finish();
  }

 private:
  const QuantizedTensor* FindQuantized(std::string_view name) const {
    if (!quantized_) return nullptr;
    const auto found = quantized_->matrices.find(name);
    return found == quantized_->matrices.end() ? nullptr : &found->second;
  }

  Status ReadQuantizedRows(std::string_view name, uint64_t begin, uint64_t end,
                           std::span<float> out) const {
    BITLOSS_TRY(const std::optional<EncodedMatrix> matrix, Quantized(name));
    for (uint64_t row = begin; row < end; ++row) {
      matrix->format.decode(*matrix, row, 0,
                            out.subspan((row - begin) * matrix->cols, matrix->cols));
    }
    return Ok();
  }

  fs::path path_;
  std::vector<SafetensorsFile> files_;
  StoredTensors tensors_;
  std::optional<QuantizedTensors> quantized_;
};

// The quantization_config of a config.json, an object; none if there is none.
Result<std::optional<Json>> ReadQuantizationConfig(const fs::path& config_path) {
  BITLOSS_TRY(const Json config, ReadJsonFile(config_path));
  if (!config.is_object()) return BadInput("{}: not a JSON object", config_path.string());
  const auto found = config.find("quantization_config");
  if (found == config.end() || found->is_null()) return std::optional<Json>();
  if (!found->is_object()) {
    return BadInput("{}: /quantization_config: not an object", config_path.string());
  }
  return std::optional<Json>(*found);
}

// What ModelOpt's hf_quant_config.json, beside or instead of a quantization_config, says that no
// tensor says: how keys and values are rounded. kUnsupported if it is all that says how the weights
// are to be read.
Status AddModelOpt(const fs::path& folder, std::optional<QuantizedTensors>& quantized) {
  const fs::path path = folder / "hf_quant_config.json";
  if (!IsFile(path)) return Ok();
  BITLOSS_TRY(const Json config, ReadJsonFile(path));
  const auto found = config.is_object() ? config.find("quantization") : config.end();
  if (found == config.end() || !found->is_object()) {
    return BadInput("{}: /quantization is not an object", path.string());
  }
  const auto name = [&](const char* key) {
    const auto value = found->find(key);
    return value == found->end() || value->is_null()
               ? std::string()
               : value->dump(-1, ' ', /*ensure_ascii=*/true).substr(0, 30);
  };
  if (const std::string algorithm = name("quant_algo"); !algorithm.empty() && !quantized) {
    return Unsupported("{}: quantized by ModelOpt ({}), which is not read", folder.string(),
                       algorithm);
  }
  if (const std::string cache = name("kv_cache_quant_algo"); !cache.empty()) {
    if (!quantized) {
      quantized.emplace();
      quantized->quantization.method = "ModelOpt";
    }
    quantized->quantization.not_run.push_back("KV cache rounded to " + cache);
  }
  return Ok();
}

struct Files {
  std::vector<SafetensorsFile> files;
  StoredTensors tensors;
};

Result<Files> OpenSingleFile(const fs::path& folder) {
  BITLOSS_TRY(SafetensorsFile file, SafetensorsFile::Open(folder / "model.safetensors"));
  Files opened;
  for (const SafetensorsEntry& entry : file.entries()) opened.tensors.emplace(entry.name, entry);
  opened.files.push_back(std::move(file));
  return opened;
}

using WeightMap = std::map<std::string, std::string>;  // tensor to shard

Result<WeightMap> ReadWeightMap(const fs::path& index_path) {
  BITLOSS_TRY(const Json index, ReadJsonFile(index_path));
  const auto found = index.is_object() ? index.find("weight_map") : index.end();
  if (found == index.end() || !found->is_object()) {
    return BadInput("{}: /weight_map is not an object", index_path.string());
  }
  WeightMap map;
  for (const auto& [tensor, shard] : found->items()) {
    const std::string where =
        fmt::format("{}: /weight_map/{}", index_path.string(), Json(tensor).dump());
    if (!shard.is_string()) return BadInput("{}: not a string", where);
    const std::string name = shard.get<std::string>();
    if (name.empty() || name == "." || name == ".." || name.find('/') != name.npos ||
        !IsPrintable(name)) {
      return BadInput("{}: {} is not the name of a file in this folder", where, shard.dump());
    }
    map[tensor] = name;
  }
  return map;
}

// One message for all shards that are not there.
Status CheckShardsExist(const fs::path& folder, const std::set<std::string>& shards) {
  std::vector<std::string> missing;
  for (const std::string& shard : shards) {
    if (!IsFile(folder / shard)) missing.push_back(shard);
  }
  if (missing.empty()) return Ok();
  return NotFound("{}: {} of {} shards missing: {}; fetch the model again", folder.string(),
                  missing.size(), shards.size(), fmt::join(missing, ", "));
}

Result<Files> OpenShards(const fs::path& folder, const fs::path& index_path) {
  BITLOSS_TRY(const WeightMap weight_map, ReadWeightMap(index_path));
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : weight_map) shards.insert(shard);
  BITLOSS_DO(CheckShardsExist(folder, shards));

  Files opened;
  std::map<std::string, size_t> position;
  for (const std::string& shard : shards) {
    BITLOSS_TRY(SafetensorsFile file, SafetensorsFile::Open(folder / shard));
    position[shard] = opened.files.size();
    opened.files.push_back(std::move(file));
  }
  for (const auto& [tensor, shard] : weight_map) {
    const SafetensorsEntry* entry = opened.files[position[shard]].Find(tensor);
    if (entry == nullptr) {
      return BadInput("{}: tensor {} is not in {}, where the index says that it is",
                      index_path.string(), Json(tensor).dump(), Json(shard).dump());
    }
    opened.tensors.emplace(tensor, *entry);
  }
  return opened;
}

Result<Files> OpenFiles(const fs::path& folder) {
  if (IsFile(folder / "model.safetensors")) return OpenSingleFile(folder);
  const fs::path index_path = folder / "model.safetensors.index.json";
  if (IsFile(index_path)) return OpenShards(folder, index_path);
  return NotFound(
      "{}: neither model.safetensors nor model.safetensors.index.json; weights in "
      "other formats are not read",
      folder.string());
}

}  // namespace

Result<std::unique_ptr<Checkpoint>> OpenHfCheckpoint(const fs::path& folder) {
  if (!IsFile(folder / "config.json")) {
    return NotFound("{}: no config.json; not a model's folder", folder.string());
  }
  BITLOSS_TRY(const std::optional<Json> config, ReadQuantizationConfig(folder / "config.json"));
  BITLOSS_TRY(Files opened, OpenFiles(folder));
  std::optional<QuantizedTensors> quantized;
  if (config) {
    auto read = ReadQuantizedTensors(*config, opened.tensors);
    if (!read.ok()) return Within(folder.string(), read.error());
    quantized = std::move(read).value();
  }
  BITLOSS_DO(AddModelOpt(folder, quantized));
  return std::unique_ptr<Checkpoint>(std::make_unique<HfCheckpoint>(
      folder, std::move(opened.files), std::move(opened.tensors), std::move(quantized)));
}

}  // namespace bitloss
