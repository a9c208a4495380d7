#include "bitloss/checkpoint/gguf_checkpoint.h"

#include <algorithm>
#include <array>
#include <map>

#include "bitloss/checkpoint/identity.h"
#include "bitloss/checkpoint/tensor_info.h"
#include "bitloss/quant/formats/ggml/ggml_format.h"

namespace bitloss {
namespace {

namespace fs = std::filesystem;

struct NamePair {
  std::string_view gguf;
  std::string_view hf;
};

constexpr std::array kModelNames = {
    NamePair{"token_embd.weight", "model.embed_tokens.weight"},
    NamePair{"output_norm.weight", "model.norm.weight"},
    NamePair{"output.weight", "lm_head.weight"},
    NamePair{"rope_freqs.weight", "rope_freqs"},
};

// Between "blk.N." or "model.layers.N." and ".weight" or ".bias".
constexpr std::array kLayerNames = {
    NamePair{"attn_norm", "input_layernorm"},    NamePair{"attn_q", "self_attn.q_proj"},
    NamePair{"attn_k", "self_attn.k_proj"},      NamePair{"attn_v", "self_attn.v_proj"},
    NamePair{"attn_output", "self_attn.o_proj"}, NamePair{"ffn_norm", "post_attention_layernorm"},
    NamePair{"ffn_gate", "mlp.gate_proj"},       NamePair{"ffn_up", "mlp.up_proj"},
    NamePair{"ffn_down", "mlp.down_proj"},
};

template <size_t kSize>
std::optional<std::string_view> HfName(const std::array<NamePair, kSize>& pairs,
                                       std::string_view gguf) {
  const auto found = std::find_if(pairs.begin(), pairs.end(),
                                  [gguf](const NamePair& pair) { return pair.gguf == gguf; });
  if (found == pairs.end()) return std::nullopt;
  return found->hf;
}

bool IsPlainNumber(std::string_view text) {
  return !text.empty() && (text == "0" || text[0] != '0') &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The order of a tensor's rows in the file. With `heads` > 0 the file holds, for each head of `2n`
// rows, rows 0, n, 1, n + 1, ... of Hugging Face's order.
struct RowOrder {
  uint64_t heads = 0;  // 0: the same order
  uint64_t rows = 0;

  uint64_t FileRow(uint64_t hf_row) const {
    if (heads == 0) return hf_row;
    const uint64_t head_rows = rows / heads;
    const uint64_t head = hf_row / head_rows, within = hf_row % head_rows;
    const uint64_t half = within / (head_rows / 2), pair = within % (head_rows / 2);
    return head * head_rows + 2 * pair + half;
  }
};

struct NamedTensor {
  const GgufTensor* tensor = nullptr;
  RowOrder order;  // of elements, for a vector
};

class GgufCheckpoint : public Checkpoint {
 public:
  GgufCheckpoint(fs::path path, std::unique_ptr<GgufFile> file,
                 std::map<std::string, NamedTensor, std::less<>> tensors)
      : path_(std::move(path)), file_(std::move(file)), tensors_(std::move(tensors)) {}

  const fs::path& path() const override { return path_; }
  const GgufFile* gguf() const override { return file_.get(); }

  std::vector<std::string> TensorNames() const override {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : tensors_) names.push_back(name);
    return names;
  }

  Result<TensorInfo> Info(std::string_view name) const override {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) return MissingTensor(path_, name);
    const GgufTensor& tensor = *found->second.tensor;
    return MakeTensorInfo(tensor.shape, std::string(tensor.type->name), tensor.bytes.size());
  }

  Status ReadRows(std::string_view name, uint64_t begin, uint64_t end,
                  std::span<float> out) const override {
    BITLOSS_TRY(const TensorInfo info, Info(name));
    BITLOSS_CHECK(begin <= end && end <= info.rows && out.size() == (end - begin) * info.cols);
    const NamedTensor& named = tensors_.find(name)->second;
    const Status read = named.order.heads == 0   ? Decode(*named.tensor, begin, end, out)
                        : info.shape.size() == 1 ? ReadReorderedVector(named, out)
                                                 : ReadReorderedRows(named, begin, end, out);
    if (!read.ok()) {
      return Within(fmt::format("{}: tensor '{}'", path_.string(), name), read.error());
    }
    return Ok();
  }

  std::optional<TensorView> View(std::string_view name) const override {
    const auto found = tensors_.find(name);
    if (found == tensors_.end() || found->second.order.heads != 0) return std::nullopt;
    const GgufTensor& tensor = *found->second.tensor;
    if (!tensor.type->plain || !IsPlainFloat(*tensor.type->plain)) return std::nullopt;
    return TensorView{*tensor.type->plain, tensor.shape, tensor.bytes};
  }

  Result<std::optional<EncodedMatrix>> Quantized(std::string_view name) const override {
    BITLOSS_TRY(const TensorInfo info, Info(name));
    const NamedTensor& named = tensors_.find(name)->second;
    const GgmlType& type = *named.tensor->type;
    if (type.plain) return std::optional<EncodedMatrix>();
    if (type.unpack == nullptr) {
      return Unsupported("{}: tensor '{}': no packed format holds {}", path_.string(), name,
                         info.stored_type);
    }
    return std::optional(EncodedMatrix{.format = GgmlFormat(type),
                                       .rows = info.rows,
                                       .cols = info.cols,
                                       .codes = BlocksInOrder(named, info)});
  }

  Result<std::string> Identity() const override {
    IdentityHash hash;
    for (const SharedBytes& header : file_->headers()) hash.AddNamed("header", header.span());
    for (const auto& [name, named] : tensors_) hash.AddNamed(name, named.tensor->bytes.span());
    return hash.Finish();
  }

 private:
  // The blocks of all rows in Hugging Face's order; the file's own where it has that.
  static SharedBytes BlocksInOrder(const NamedTensor& named, const TensorInfo& info) {
    if (named.order.heads == 0) return named.tensor->bytes;
    const uint64_t row_bytes = GgmlRowBytes(*named.tensor->type, info.cols);
    std::vector<std::byte> blocks(named.tensor->bytes.size());
    for (uint64_t row = 0; row < info.rows; ++row) {
      const auto from =
          named.tensor->bytes.span().subspan(named.order.FileRow(row) * row_bytes, row_bytes);
      std::ranges::copy(from, blocks.begin() + static_cast<ptrdiff_t>(row * row_bytes));
    }
    return SharedBytes::Own(std::move(blocks));
  }

  // Rows in the file's order.
  static Status Decode(const GgufTensor& tensor, uint64_t begin, uint64_t end,
                       std::span<float> out) {
    const uint64_t row_bytes = GgmlRowBytes(*tensor.type, tensor.shape.back());
    return DecodeGgmlRow(*tensor.type,
                         tensor.bytes.span().subspan(begin * row_bytes, (end - begin) * row_bytes),
                         out);
  }

  static Status ReadReorderedRows(const NamedTensor& named, uint64_t begin, uint64_t end,
                                  std::span<float> out) {
    const uint64_t cols = named.tensor->shape.back();
    for (uint64_t row = begin; row < end; ++row) {
      const uint64_t file_row = named.order.FileRow(row);
      BITLOSS_DO(
          Decode(*named.tensor, file_row, file_row + 1, out.subspan((row - begin) * cols, cols)));
    }
    return Ok();
  }

  static Status ReadReorderedVector(const NamedTensor& named, std::span<float> out) {
    if (out.empty()) return Ok();
    std::vector<float> stored(out.size());
    BITLOSS_DO(Decode(*named.tensor, 0, 1, stored));
    for (size_t i = 0; i < out.size(); ++i) out[i] = stored[named.order.FileRow(i)];
    return Ok();
  }

  fs::path path_;
  std::unique_ptr<GgufFile> file_;  // on the heap: tensors_ points into it
  std::map<std::string, NamedTensor, std::less<>> tensors_;
};

Result<RowOrder> OrderOf(const GgufMetadata& metadata, std::string_view hf_name,
                         const GgufTensor& tensor) {
  BITLOSS_TRY(const uint64_t heads, ReorderedHeads(metadata, hf_name));
  if (heads == 0) return RowOrder{};
  const uint64_t rows = tensor.shape.front();
  if (tensor.shape.size() > 2 || rows / 2 < heads || rows % (2 * heads) != 0) {
    return BadInput("tensor '{}': its {} rows are not pairs of {} heads", tensor.name, rows, heads);
  }
  return RowOrder{.heads = heads, .rows = rows};
}

}  // namespace

bool HasReorderedHeads(std::string_view architecture) {
  constexpr std::array<std::string_view, 8> kReordered = {"llama",      "mistral3",    "granite",
                                                          "granitemoe", "granite_swa", "smollm3",
                                                          "arcee",      "muse-glimmer"};
  return std::ranges::find(kReordered, architecture) != kReordered.end();
}

Result<uint64_t> ReorderedHeads(const GgufMetadata& metadata, std::string_view hf_name) {
  if (!metadata.Has("general.architecture")) return uint64_t{0};
  BITLOSS_TRY(const std::string architecture, metadata.GetString("general.architecture"));
  if (!HasReorderedHeads(architecture)) return uint64_t{0};
  const bool is_query = hf_name.find(".self_attn.q_proj.") != hf_name.npos;
  const bool is_key = hf_name.find(".self_attn.k_proj.") != hf_name.npos;
  if (!is_query && !is_key) return uint64_t{0};
  const std::string heads = architecture + ".attention.head_count";
  if (is_key && metadata.Has(heads + "_kv")) return metadata.GetUint(heads + "_kv");
  return metadata.GetUint(heads);
}

std::optional<std::string> HfTensorName(std::string_view gguf_name) {
  if (const auto name = HfName(kModelNames, gguf_name)) return std::string(*name);
  constexpr std::string_view kPrefix = "blk.";
  if (!gguf_name.starts_with(kPrefix)) return std::nullopt;
  const std::string_view rest = gguf_name.substr(kPrefix.size());
  const size_t first = rest.find('.'), last = rest.rfind('.');
  if (first == rest.npos || first == last) return std::nullopt;
  const std::string_view layer = rest.substr(0, first), kind = rest.substr(last + 1);
  const auto middle = HfName(kLayerNames, rest.substr(first + 1, last - first - 1));
  if (!middle || !IsPlainNumber(layer) || (kind != "weight" && kind != "bias")) return std::nullopt;
  return fmt::format("model.layers.{}.{}.{}", layer, *middle, kind);
}

std::optional<std::string> GgufTensorName(std::string_view hf_name) {
  for (const NamePair& pair : kModelNames) {
    if (pair.hf == hf_name) return std::string(pair.gguf);
  }
  constexpr std::string_view kPrefix = "model.layers.";
  if (!hf_name.starts_with(kPrefix)) return std::nullopt;
  const std::string_view rest = hf_name.substr(kPrefix.size());
  const size_t first = rest.find('.'), last = rest.rfind('.');
  if (first == rest.npos || first == last) return std::nullopt;
  const std::string_view middle = rest.substr(first + 1, last - first - 1);
  for (const NamePair& pair : kLayerNames) {
    if (pair.hf == middle) {
      return fmt::format("blk.{}.{}.{}", rest.substr(0, first), pair.gguf, rest.substr(last + 1));
    }
  }
  return std::nullopt;
}

Result<std::unique_ptr<Checkpoint>> OpenGgufCheckpoint(const fs::path& path) {
  BITLOSS_TRY(GgufFile opened, GgufFile::Open(path));
  auto file = std::make_unique<GgufFile>(std::move(opened));
  std::map<std::string, NamedTensor, std::less<>> tensors;
  for (const GgufTensor& tensor : file->tensors()) {
    const std::string name = HfTensorName(tensor.name).value_or(tensor.name);
    const auto order = OrderOf(file->metadata(), name, tensor);
    if (!order.ok()) return Within(path.string(), order.error());
    if (!tensors.emplace(name, NamedTensor{&tensor, order.value()}).second) {
      return BadInput("{}: two tensors stand for '{}'", path.string(), name);
    }
  }
  return std::unique_ptr<Checkpoint>(
      std::make_unique<GgufCheckpoint>(path, std::move(file), std::move(tensors)));
}

}  // namespace bitloss
