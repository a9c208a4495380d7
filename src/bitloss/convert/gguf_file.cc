#include "bitloss/convert/gguf_file.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "bitloss/checkpoint/gguf_checkpoint.h"
#include "bitloss/checkpoint/layouts/parts.h"
#include "bitloss/checkpoint/write_gguf.h"
#include "bitloss/convert/block_tensors.h"
#include "bitloss/convert/gguf_config.h"
#include "bitloss/convert/gguf_tokenizer.h"
#include "bitloss/model/architecture.h"
#include "bitloss/model/matrix_rows.h"
#include "bitloss/quant/formats/ggml/ggml_format.h"
#include "bitloss/quant/formats/planes.h"

namespace bitloss {
namespace {

// The type that a format's matrices have in a file; null if none.
const GgmlType* TypeInFile(const Format& format) {
  if (format.name == F16Format().name) return FindGgmlType("F16");
  if (format.name == BF16Format().name) return FindGgmlType("BF16");
  if (format.name == F32Format().name) return FindGgmlType("F32");
  return GgmlTypeOf(format);
}

Status Supports(const Format& format, const Execution& execution, size_t rows, size_t cols) {
  if (TypeInFile(format) == nullptr) return Unsupported("gguf has no type for {}", format.name);
  if (execution.kind != Execution::Kind::kRealActivations) {
    return Unsupported("gguf says nothing of how its types are multiplied; leave @ out");
  }
  return format.supports(format, rows, cols);
}

Result<std::vector<SafetensorsEntry>> WritePart(const std::string& module,
                                                const EncodedMatrix& matrix) {
  const GgmlType& type = *TypeInFile(matrix.format);
  return std::vector<SafetensorsEntry>{
      MakePart(fmt::format("{}.weight.{}", module, type.name), "U8",
               {matrix.rows, GgmlRowBytes(type, matrix.cols)}, matrix.codes)};
}

// ---- Tensors

// The bytes of rows in the order of a llama file: of each head rows 0, n, 1, n + 1, ... of its 2n.
SharedBytes Interleave(const SharedBytes& rows, uint64_t num_rows, uint64_t num_heads) {
  const uint64_t row_bytes = rows.size() / num_rows;
  const uint64_t head_rows = num_rows / num_heads;
  std::vector<std::byte> bytes(rows.size());
  for (uint64_t row = 0; row < num_rows; ++row) {
    const uint64_t within = row % head_rows;
    const uint64_t from = row - within + (within % 2) * (head_rows / 2) + within / 2;
    std::ranges::copy(rows.span().subspan(from * row_bytes, row_bytes),
                      bytes.begin() + static_cast<ptrdiff_t>(row * row_bytes));
  }
  return SharedBytes::Own(std::move(bytes));
}

SharedBytes Widen(const SafetensorsEntry& part) {
  if (part.stored_type == "F32") return part.bytes;
  std::vector<float> values;
  if (part.stored_type == "BF16") {
    for (const BF16 value : PartValues<BF16>(part)) values.push_back(ToFloat(value));
    return OwnPlane(std::move(values));
  }
  for (const F16 value : PartValues<F16>(part)) values.push_back(ToFloat(value));
  return OwnPlane(std::move(values));
}

Result<uint64_t> InterleavedHeads(const ModelSource& model, std::string_view name) {
  if (const GgufFile* source = model.checkpoint().gguf()) {
    return ReorderedHeads(source->metadata(), name);
  }
  const ModelConfig& config = model.config();
  if (!HasReorderedHeads(FindArchitecture(config.architecture)->gguf_name)) return 0;
  if (name.find(".q_proj.") != name.npos) return config.num_heads;
  return name.find(".k_proj.") != name.npos ? config.num_kv_heads : 0;
}

// A part by its Hugging Face name, in Hugging Face's order.
GgufTensor TensorOf(const SafetensorsEntry& part) {
  if (part.stored_type == "U8") {
    const size_t dot = part.name.rfind('.');
    const GgmlType* type = FindGgmlType(std::string_view(part.name).substr(dot + 1));
    BITLOSS_CHECK(type != nullptr);
    std::vector<uint64_t> shape = part.shape;
    shape.back() = shape.back() / type->bytes_per_block * type->elements_per_block;
    return {part.name.substr(0, dot), type, std::move(shape), part.bytes};
  }
  const bool is_vector = part.shape.size() == 1;
  return {part.name, FindGgmlType(is_vector ? "F32" : part.stored_type), part.shape,
          is_vector ? Widen(part) : part.bytes};
}

Result<std::vector<GgufTensor>> TensorsOf(const ModelSource& model,
                                          std::span<const SafetensorsEntry> parts) {
  std::vector<GgufTensor> tensors;
  for (const SafetensorsEntry& part : parts) {
    GgufTensor tensor = TensorOf(part);
    BITLOSS_TRY(const uint64_t heads, InterleavedHeads(model, tensor.name));
    if (heads > 0) tensor.bytes = Interleave(tensor.bytes, tensor.shape[0], heads);
    tensor.name = GgufTensorName(tensor.name).value_or(tensor.name);
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

// What the model's file has beside `written`, as it is: but for what layers' inputs are made of,
// which `precision` rounds.
Status CarryOver(const ModelSource& model, Precision precision, std::vector<GgufTensor>& written) {
  if (precision != Precision::kStored) {
    std::set<std::string> seen;
    for (TensorPart part : model.PerLayerTensors()) {
      if (!seen.insert(part.name).second) continue;  // several lie in one tensor
      part.first = 0;
      part.rows = RowsOfWhole(part);
      BITLOSS_TRY(const EncodedMatrix matrix, model.ReadPlain(part, precision));
      written.push_back(TensorOf(PlainTensor(part.name, part.shape, matrix)));
    }
  }
  std::set<std::string_view> names;
  for (const GgufTensor& tensor : written) names.insert(tensor.name);
  std::vector<GgufTensor> carried;
  for (const GgufTensor& tensor : model.checkpoint().gguf()->tensors()) {
    if (!names.contains(tensor.name)) carried.push_back(tensor);
  }
  std::ranges::move(carried, std::back_inserter(written));
  return Ok();
}

// ---- Metadata

// llama_ftype of files whose matrices are mostly of a type; a hint, which no reader trusts.
uint32_t MostlyOf(std::span<const GgufTensor> tensors) {
  struct Known {
    std::string_view type;
    uint32_t file_type;
  };
  constexpr Known kKnown[] = {{"F32", 0},     {"F16", 1},      {"BF16", 32},   {"Q4_0", 2},
                              {"Q4_1", 3},    {"Q8_0", 7},     {"Q5_0", 8},    {"Q5_1", 9},
                              {"Q2_K", 10},   {"Q3_K", 12},    {"Q4_K", 15},   {"Q5_K", 17},
                              {"Q6_K", 18},   {"IQ4_NL", 25},  {"IQ4_XS", 30}, {"IQ2_XXS", 19},
                              {"IQ2_XS", 20}, {"IQ3_XXS", 23}, {"IQ1_S", 24},  {"IQ3_S", 26},
                              {"IQ2_S", 29},  {"IQ1_M", 31},   {"TQ1_0", 36},  {"TQ2_0", 37}};
  constexpr uint32_t kGuessed = 1024;
  const auto down = std::ranges::find_if(tensors, [](const GgufTensor& tensor) {
    return tensor.name == "blk.0.ffn_down.weight" || tensor.name == "blk.0.ffn_down_exps.weight";
  });
  if (down == tensors.end()) return kGuessed;
  const auto known = std::ranges::find(kKnown, down->type->name, &Known::type);
  return known == std::end(kKnown) ? kGuessed : known->file_type;
}

// Keys that describe the tensors of the file that they came from.
bool IsOfTheFile(std::string_view key) {
  return key == "general.file_type" || key == "general.quantization_version" ||
         key == "general.alignment" || key.starts_with("split.") || key.starts_with("quantize.");
}

Result<GgufPairs> CopiedPairs(const GgufMetadata& metadata) {
  GgufPairs pairs;
  for (const auto& [key, value] : metadata.values()) {
    if (!IsOfTheFile(key)) BITLOSS_DO(pairs.Add(key, value));
  }
  return pairs;
}

Result<GgufPairs> MadePairs(const ModelFiles& model, const std::filesystem::path& folder) {
  GgufPairs pairs;
  AddGgufConfig(model.source.config(), pairs);
  pairs.AddString("general.name", model.name);
  return WithTokenizer(model, std::move(pairs), folder);
}

}  // namespace

const Layout& GgufLayout() {
  static const Layout kLayout = {.name = "gguf", .supports = Supports, .write = WritePart};
  return kLayout;
}

Status WriteGgufFile(const ModelFiles& model, std::vector<SafetensorsEntry> parts,
                     const GgufTarget& target) {
  BITLOSS_TRY(std::vector<GgufTensor> tensors, TensorsOf(model.source, parts));
  const GgufFile* source = model.source.checkpoint().gguf();
  BITLOSS_TRY(GgufPairs pairs, source != nullptr ? CopiedPairs(source->metadata())
                                                 : MadePairs(model, target.folder));
  pairs.AddUint("general.file_type",
                target.file_type != nullptr ? target.file_type->number : MostlyOf(tensors));
  pairs.AddUint("general.quantization_version", 2);
  if (source != nullptr) {
    BITLOSS_DO(CarryOver(model.source, target.precision, tensors));
  } else if (std::optional<GgufTensor> factors = GgufRopeFactors(model.source.config())) {
    tensors.insert(tensors.begin(), std::move(*factors));
  }
  return WriteGguf(target.path, pairs, tensors);
}

}  // namespace bitloss
