#include "bitloss/quant/formats/ggml/ggml_format.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <string>

#include "bitloss/quant/formats/ggml/legacy_blocks.h"
#include "bitloss/quant/formats/no_parameters.h"
#include "bitloss/quant/formats/planes.h"

namespace bitloss {
namespace {

// What llama.cpp stores where a row is not a whole number of blocks.
struct Fallback {
  std::string_view type;
  std::string_view stored_as;
};
constexpr std::array kFallbacks = {
    Fallback{"Q2_K", "IQ4_NL"},   Fallback{"Q3_K", "IQ4_NL"},  Fallback{"IQ4_XS", "IQ4_NL"},
    Fallback{"Q4_K", "Q5_0"},     Fallback{"Q5_K", "Q5_1"},    Fallback{"Q6_K", "Q8_0"},
    Fallback{"IQ1_S", "IQ4_NL"},  Fallback{"IQ1_M", "IQ4_NL"}, Fallback{"IQ2_XXS", "IQ4_NL"},
    Fallback{"IQ2_XS", "IQ4_NL"}, Fallback{"IQ2_S", "IQ4_NL"}, Fallback{"IQ3_XXS", "IQ4_NL"},
    Fallback{"IQ3_S", "IQ4_NL"},  Fallback{"TQ1_0", "Q4_0"},   Fallback{"TQ2_0", "Q4_0"},
};

// Types whose encoder has no form without importances, and those that it is not used for.
constexpr std::array<std::string_view, 3> kOnlyByImportances = {"IQ1_S", "IQ2_XXS", "IQ2_XS"};
constexpr std::array<std::string_view, 3> kBadWithoutImportances = {"IQ1_M", "IQ2_S", "IQ3_XXS"};

bool IsAmong(std::span<const std::string_view> names, const GgmlType& type) {
  return std::ranges::find(names, type.name) != names.end();
}

std::string FormatName(const GgmlType& type) {
  // "mxfp4" alone is the OCP format, whose encoder rounds differently.
  if (type.name == "MXFP4" || type.name == "NVFP4") {
    return type.name == "MXFP4" ? "mxfp4_gguf" : "nvfp4_gguf";
  }
  std::string name(type.name);
  std::ranges::transform(name, name.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  return name;
}

const GgmlType& TypeOf(const Format& format) { return *GgmlTypeOf(format); }

const Format& StoredAs(const Format& format, size_t cols) {
  const GgmlType& type = TypeOf(format);
  if (cols % type.elements_per_block == 0) return format;
  const auto fallback = std::ranges::find(kFallbacks, type.name, &Fallback::type);
  return fallback == kFallbacks.end() ? format : GgmlFormat(*FindGgmlType(fallback->stored_as));
}

Status Supports(const Format& format, size_t /*rows*/, size_t cols) {
  const GgmlType& type = TypeOf(StoredAs(format, cols));
  if (cols % type.elements_per_block == 0) return Ok();
  return Unsupported("{}: rows of {} weights do not divide into blocks of {}", format.name, cols,
                     type.elements_per_block);
}

size_t NumBytes(const Format& format, size_t rows, size_t cols) {
  return rows * GgmlRowBytes(TypeOf(StoredAs(format, cols)), cols);
}

Status CheckWithinF16(ConstMatrixView weights) {
  BITLOSS_DO(CheckFinite(weights));
  for (size_t row = 0; row < weights.rows; ++row) {
    const std::span<const float> values = weights.Row(row);
    const auto beyond = std::ranges::find_if(values, [](float w) { return std::abs(w) > kMaxF16; });
    if (beyond == values.end()) continue;
    return BadInput("the weight at row {}, column {} is {}, beyond the range of FP16 scales", row,
                    beyond - values.begin(), *beyond);
  }
  return Ok();
}

float MeanSquare(std::span<const float> row) {
  float sum = 0.0f;
  for (const float w : row) sum += w * w;
  return sum / static_cast<float>(row.size());
}

constexpr size_t kRowsOfAPart = 16;
// Rows [first, end) into their places; and calls of it until all rows are done.
using EncodeRows = std::function<void(size_t first, size_t end)>;
using ForAllRows = std::function<void(const EncodeRows&)>;

Result<EncodedMatrix> EncodeIn(const Format& format, ConstMatrixView weights,
                               std::span<const float> importance, const ForAllRows& for_all_rows) {
  const Format& stored = StoredAs(format, weights.cols);
  const GgmlType& type = TypeOf(stored);
  if (type.encode == nullptr) {
    return Unsupported("{} is only read from files, not made: its encoder is not in bitloss",
                       format.name);
  }
  if (importance.empty() && IsAmong(kOnlyByImportances, type)) {
    return Unsupported("{0} is made by importances alone: ask for {0}+imatrix", format.name);
  }
  BITLOSS_DO(CheckWithinF16(weights));
  std::vector<std::byte> bytes(stored.num_bytes(stored, weights.rows, weights.cols));
  for_all_rows([&](size_t first, size_t end) {
    std::byte* block = bytes.data() + first * GgmlRowBytes(type, weights.cols);
    for (size_t row = first; row < end; ++row) {
      const std::span<const float> values = weights.Row(row);
      const GgmlImportance of_row = {importance, importance.empty() ? 0.0f : MeanSquare(values)};
      for (size_t at = 0; at < values.size(); at += type.elements_per_block) {
        type.encode(values.subspan(at, type.elements_per_block), of_row, at, block);
        block += type.bytes_per_block;
      }
    }
  });
  return EncodedMatrix{.format = stored,
                       .rows = weights.rows,
                       .cols = weights.cols,
                       .codes = OwnPlane(std::move(bytes))};
}

Result<EncodedMatrix> EncodeWeighted(const Format& format, ConstMatrixView weights,
                                     std::span<const float> importance) {
  return EncodeIn(format, weights, importance,
                  [&](const EncodeRows& encode) { encode(0, weights.rows); });
}

Result<EncodedMatrix> EncodePlain(const Format& format, ConstMatrixView weights) {
  return EncodeWeighted(format, weights, {});
}

void DecodeRow(const EncodedMatrix& matrix, size_t row, size_t first_col, std::span<float> out) {
  const GgmlType& type = TypeOf(matrix.format);
  const size_t block = type.elements_per_block;
  const std::byte* bytes = matrix.codes.data() + row * GgmlRowBytes(type, matrix.cols);
  std::array<float, kMaxGgmlBlock> values;
  for (size_t i = 0; i < out.size();) {
    const size_t col = first_col + i;
    const size_t count = std::min(block - col % block, out.size() - i);
    type.decode({bytes + col / block * type.bytes_per_block, type.bytes_per_block},
                std::span(values).first(block));
    std::copy_n(values.begin() + static_cast<ptrdiff_t>(col % block), count,
                out.begin() + static_cast<ptrdiff_t>(i));
    i += count;
  }
}

GroupedCodes UnpackMatrix(const EncodedMatrix& matrix) {
  const GgmlType& type = TypeOf(matrix.format);
  const GgmlCoding& coding = *type.coding;
  const size_t num_blocks = matrix.rows * matrix.cols / type.elements_per_block;
  const size_t groups_per_block = type.elements_per_block / coding.group_size;
  GroupedCodes grouped{.kind = coding.kind,
                       .bits = coding.bits,
                       .group_size = coding.group_size,
                       .codes = std::vector<uint8_t>(matrix.rows * matrix.cols),
                       .scales = std::vector<float>(num_blocks * groups_per_block)};
  if (coding.kind != GroupedCodes::Kind::kTable) grouped.zeros.resize(grouped.scales.size());
  std::ranges::copy(coding.table, grouped.table.begin());
  BlockCodes block;
  for (size_t i = 0; i < num_blocks; ++i) {
    type.unpack(matrix.codes.data() + i * type.bytes_per_block, block);
    std::copy_n(block.codes.begin(), type.elements_per_block,
                grouped.codes.data() + i * type.elements_per_block);
    std::copy_n(block.scales.begin(), groups_per_block,
                grouped.scales.data() + i * groups_per_block);
    if (grouped.zeros.empty()) continue;
    std::copy_n(block.zeros.begin(), groups_per_block, grouped.zeros.data() + i * groups_per_block);
  }
  return grouped;
}

Result<EncodedMatrix> PackMatrix(const Format& format, size_t rows, size_t cols,
                                 const GroupedCodes& grouped) {
  const GgmlType& type = TypeOf(format);
  const size_t num_blocks = rows * cols / type.elements_per_block;
  std::vector<std::byte> bytes(num_blocks * type.bytes_per_block);
  BlockCodes block;
  for (size_t i = 0; i < num_blocks; ++i) {
    std::copy_n(grouped.codes.data() + i * type.elements_per_block, type.elements_per_block,
                block.codes.begin());
    block.scales[0] = grouped.scales[i];
    if (!grouped.zeros.empty()) block.zeros[0] = grouped.zeros[i];
    type.pack(block, bytes.data() + i * type.bytes_per_block);
  }
  return EncodedMatrix{
      .format = format, .rows = rows, .cols = cols, .codes = OwnPlane(std::move(bytes))};
}

Format MakeFormat(const GgmlType& type) {
  return {.name = FormatName(type),
          .bits = type.coding->bits,
          .group_size = type.coding->group_size,
          .symmetry = type.coding->kind == GroupedCodes::Kind::kOffset ? Symmetry::kAsymmetric
                                                                       : Symmetry::kSymmetric,
          .row_coding = RowCoding::kIndependent,
          .supports = Supports,
          .num_bytes = NumBytes,
          .encode = EncodePlain,
          .decode = DecodeRow,
          .unpack = UnpackMatrix,
          .pack = type.pack == nullptr ? nullptr : PackMatrix,
          .encode_weighted = EncodeWeighted,
          .stored_as = StoredAs};
}

const std::map<std::string, std::pair<const GgmlType*, Format>, std::less<>>& AllFormats() {
  static const auto kFormats = [] {
    std::map<std::string, std::pair<const GgmlType*, Format>, std::less<>> formats;
    for (const GgmlType& type : GgmlTypes()) {
      if (type.unpack != nullptr) {
        Format format = MakeFormat(type);
        formats.emplace(format.name, std::pair{&type, format});
      }
    }
    return formats;
  }();
  return kFormats;
}

struct Listed {
  std::string_view type;
  std::string_view summary;
};
constexpr std::array kListed = {
    Listed{"IQ1_S", "1.6-bit GGUF super-blocks, eights of three levels from 2048 points"},
    Listed{"IQ1_M", "1.8-bit GGUF super-blocks, the points of iq1_s, scales for 16 weights"},
    Listed{"TQ1_0", "three levels in GGUF, five to a byte, an FP16 scale for 256 weights"},
    Listed{"IQ2_XXS", "2.1-bit GGUF super-blocks, eights from 256 points, scales for 32 weights"},
    Listed{"TQ2_0", "three levels in GGUF, four to a byte, an FP16 scale for 256 weights"},
    Listed{"IQ2_XS", "2.3-bit GGUF super-blocks, eights from 512 points, scales for 16 weights"},
    Listed{"IQ2_S", "2.6-bit GGUF super-blocks, eights from 1024 points, scales for 16 weights"},
    Listed{"IQ3_XXS", "3.1-bit GGUF super-blocks, fours from 256 points, scales for 32 weights"},
    Listed{"IQ3_S", "3.4-bit GGUF super-blocks, fours from 512 points, scales for 32 weights"},
    Listed{"Q2_K", "2-bit GGUF super-blocks, 4-bit scales and mins for 16 weights"},
    Listed{"Q3_K", "3-bit GGUF super-blocks, 6-bit scales for 16 weights"},
    Listed{"IQ4_XS", "4-bit GGUF super-blocks of 16 uneven levels, 6-bit scales for 32 weights"},
    Listed{"IQ4_NL", "4-bit GGUF blocks of 16 uneven levels, an FP16 scale for 32 weights"},
    Listed{"MXFP4", "4-bit floats in GGUF, a power of two for 32 weights, rounded as ggml does"},
    Listed{"Q4_0", "4-bit GGUF blocks, an FP16 scale for 32 weights"},
    Listed{"Q4_1", "4-bit GGUF blocks, an FP16 scale and minimum for 32 weights"},
    Listed{"Q4_K", "4-bit GGUF super-blocks, 6-bit scales and mins for 32 weights"},
    Listed{"Q5_0", "5-bit GGUF blocks, an FP16 scale for 32 weights"},
    Listed{"Q5_1", "5-bit GGUF blocks, an FP16 scale and minimum for 32 weights"},
    Listed{"Q5_K", "5-bit GGUF super-blocks, 6-bit scales and mins for 32 weights"},
    Listed{"Q6_K", "6-bit GGUF super-blocks, 8-bit scales for 16 weights"},
    Listed{"Q8_0", "8-bit GGUF blocks, an FP16 scale for 32 weights"},
};

template <size_t... kIndices>
std::vector<FormatFamily> MakeFamilies(std::index_sequence<kIndices...>) {
  return {FormatFamily{.name = GgmlFormat(*FindGgmlType(kListed[kIndices].type)).name,
                       .summary = kListed[kIndices].summary,
                       .source = "ggml ggml-quants.c; gguf-py quants.py",
                       .make = [](std::span<const std::string_view> parameters) {
                         return WithoutParameters(GgmlFormat(*FindGgmlType(kListed[kIndices].type)),
                                                  parameters);
                       }}...};
}

}  // namespace

const Format& GgmlFormat(const GgmlType& type) { return AllFormats().at(FormatName(type)).second; }

Result<EncodedMatrix> EncodeGgmlRows(const Format& format, ConstMatrixView weights,
                                     std::span<const float> importance, ThreadPool& threads) {
  return EncodeIn(format, weights, importance, [&](const EncodeRows& encode) {
    threads.ForEachPart((weights.rows + kRowsOfAPart - 1) / kRowsOfAPart, [&](size_t part, size_t) {
      const size_t first = part * kRowsOfAPart;
      encode(first, std::min(first + kRowsOfAPart, weights.rows));
    });
  });
}

const GgmlType* GgmlTypeOf(const Format& format) {
  const auto found = AllFormats().find(format.name);
  return found == AllFormats().end() ? nullptr : found->second.first;
}

bool MultipliesInGgmlBlocks(const Format& format) {
  const GgmlType* type = GgmlTypeOf(format);
  return type != nullptr && type->elements_per_block == kLegacyBlock && type->name != "MXFP4";
}

bool NeedsImportances(const Format& format) {
  const GgmlType* type = GgmlTypeOf(format);
  return type != nullptr &&
         (IsAmong(kOnlyByImportances, *type) || IsAmong(kBadWithoutImportances, *type));
}

std::vector<FormatFamily> GgmlFamilies() {
  return MakeFamilies(std::make_index_sequence<kListed.size()>());
}

}  // namespace bitloss
