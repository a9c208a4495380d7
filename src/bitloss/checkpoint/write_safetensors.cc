#include "bitloss/checkpoint/write_safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "bitloss/base/file.h"

namespace bitloss {
namespace {

namespace fs = std::filesystem;
using OrderedJson = nlohmann::ordered_json;

constexpr size_t kHeaderAlignment = 8;

// The length and the JSON.
std::string Header(std::span<const SafetensorsEntry> tensors) {
  OrderedJson header = {{"__metadata__", {{"format", "pt"}}}};
  uint64_t end = 0;
  for (const SafetensorsEntry& tensor : tensors) {
    const uint64_t begin = end;
    end += tensor.bytes.size();
    header[tensor.name] = {
        {"dtype", tensor.stored_type}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}};
  }
  std::string json = header.dump();
  json.resize((json.size() + kHeaderAlignment - 1) / kHeaderAlignment * kHeaderAlignment, ' ');
  const uint64_t length = json.size();
  std::string bytes(sizeof(length), '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  return bytes + json;
}

// Where each shard ends, in tensors.
std::vector<size_t> ShardEnds(std::span<const SafetensorsEntry> tensors, uint64_t max_bytes) {
  std::vector<size_t> ends;
  uint64_t bytes = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (bytes > 0 && bytes + tensors[i].bytes.size() > max_bytes) {
      ends.push_back(i);
      bytes = 0;
    }
    bytes += tensors[i].bytes.size();
  }
  ends.push_back(tensors.size());
  return ends;
}

}  // namespace

Status WriteSafetensors(const fs::path& path, std::span<const SafetensorsEntry> tensors) {
  const std::string header = Header(tensors);
  std::vector<std::span<const std::byte>> pieces = {std::as_bytes(std::span(header))};
  for (const SafetensorsEntry& tensor : tensors) pieces.push_back(tensor.bytes.span());
  return WriteFileAtomically(path, pieces);
}

Status WriteWeights(const fs::path& folder, std::vector<SafetensorsEntry> tensors,
                    uint64_t max_shard_bytes) {
  std::ranges::sort(tensors, {}, &SafetensorsEntry::name);
  const std::vector<size_t> ends = ShardEnds(tensors, max_shard_bytes);
  if (ends.size() == 1) return WriteSafetensors(folder / "model.safetensors", tensors);
  OrderedJson weight_map = OrderedJson::object();
  uint64_t total = 0;
  size_t begin = 0;
  for (size_t shard = 0; shard < ends.size(); ++shard) {
    const std::string name =
        fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, ends.size());
    const auto part = std::span(tensors).subspan(begin, ends[shard] - begin);
    BITLOSS_DO(WriteSafetensors(folder / name, part));
    for (const SafetensorsEntry& tensor : part) {
      weight_map[tensor.name] = name;
      total += tensor.bytes.size();
    }
    begin = ends[shard];
  }
  const OrderedJson index = {{"metadata", {{"total_size", total}}}, {"weight_map", weight_map}};
  return WriteFileAtomically(folder / "model.safetensors.index.json", index.dump(2) + "\n");
}

}  // namespace bitloss
