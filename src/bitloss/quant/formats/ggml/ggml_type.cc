#include "bitloss/quant/formats/ggml/ggml_type.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "bitloss/base/check.h"
#include "bitloss/quant/formats/ggml/float_blocks.h"
#include "bitloss/quant/formats/ggml/k_blocks.h"
#include "bitloss/quant/formats/ggml/lattice_blocks.h"
#include "bitloss/quant/formats/ggml/legacy_blocks.h"
#include "bitloss/quant/formats/ggml/ternary_blocks.h"

namespace bitloss {
namespace {

// Blocks in a file are not aligned: each is copied out before it is looked at.
template <class Block>
void UnpackBlock(const std::byte* bytes, BlockCodes& out) {
  Block block;
  std::memcpy(&block, bytes, sizeof(Block));
  Unpack(block, out);
}

// The formulas of GroupedCodes::Kind. (Not fused: where a product is exact it makes no difference,
// and products of codes with these scales are.)
void DecodeCodes(const GgmlCoding& coding, const BlockCodes& block, std::span<float> out) {
  for (size_t first = 0; first < out.size(); first += coding.group_size) {
    const size_t group = first / coding.group_size;
    const float scale = block.scales[group];
    const std::span<float> values = out.subspan(first, coding.group_size);
    const uint8_t* codes = block.codes.data() + first;
    for (size_t i = 0; i < values.size(); ++i) {
      switch (coding.kind) {
        case GroupedCodes::Kind::kTable:
          values[i] = coding.table[codes[i]] * scale;
          break;
        case GroupedCodes::Kind::kZeroPoint:
          values[i] = (static_cast<float>(codes[i]) - block.zeros[group]) * scale;
          break;
        case GroupedCodes::Kind::kOffset:
          values[i] = static_cast<float>(codes[i]) * scale + block.zeros[group];
          break;
      }
    }
  }
}

template <class Block>
void DecodeBlocks(std::span<const std::byte> blocks, std::span<float> out) {
  const size_t num_blocks = out.size() / Block::kWeights;
  BITLOSS_DCHECK(blocks.size() == num_blocks * sizeof(Block));
  BlockCodes codes;
  for (size_t i = 0; i < num_blocks; ++i) {
    UnpackBlock<Block>(blocks.data() + i * sizeof(Block), codes);
    DecodeCodes(Block::kCoding, codes, out.subspan(i * Block::kWeights, Block::kWeights));
  }
}

template <class Block>
void PackBlock(const BlockCodes& codes, std::byte* bytes) {
  Block block;
  Pack(codes, block);
  std::memcpy(bytes, &block, sizeof(Block));
}

template <class Block>
void EncodeBlock(std::span<const float> weights, const GgmlImportance& importance, size_t first,
                 std::byte* bytes) {
  GgmlImportance of_block = importance;
  if (!importance.of_weights.empty()) {
    of_block.of_weights = importance.of_weights.subspan(first, Block::kWeights);
  }
  Block block;
  Encode(weights.first<Block::kWeights>(), of_block, block);
  std::memcpy(bytes, &block, sizeof(Block));
}

void DecodeF32(std::span<const std::byte> bytes, std::span<float> out) {
  BITLOSS_DCHECK(bytes.size() == out.size() * sizeof(float));
  if (!out.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
}

template <class Half>
void DecodeHalves(std::span<const std::byte> bytes, std::span<float> out) {
  BITLOSS_DCHECK(bytes.size() == out.size() * sizeof(Half));
  for (size_t i = 0; i < out.size(); ++i) {
    Half half;
    std::memcpy(&half, bytes.data() + i * sizeof(Half), sizeof(Half));
    out[i] = ToFloat(half);
  }
}

template <class Block>
constexpr GgmlType DecodeOnly(uint32_t id, std::string_view name) {
  return {.id = id,
          .name = name,
          .elements_per_block = Block::kWeights,
          .bytes_per_block = sizeof(Block),
          .plain = std::nullopt,
          .decode = DecodeBlocks<Block>,
          .coding = &Block::kCoding,
          .unpack = UnpackBlock<Block>};
}

template <class Block>
constexpr GgmlType Blocks(uint32_t id, std::string_view name) {
  GgmlType type = DecodeOnly<Block>(id, name);
  type.encode = EncodeBlock<Block>;
  return type;
}

template <class Block>
constexpr GgmlType BlocksOfOneScale(uint32_t id, std::string_view name) {
  GgmlType type = Blocks<Block>(id, name);
  type.pack = PackBlock<Block>;
  return type;
}

constexpr GgmlType SizeOnly(uint32_t id, std::string_view name, size_t elements, size_t bytes) {
  return {id, name, elements, bytes, std::nullopt, nullptr, nullptr, nullptr, nullptr};
}

constexpr GgmlType Plain(uint32_t id, std::string_view name, DType dtype,
                         void (*decode)(std::span<const std::byte>, std::span<float>) = nullptr) {
  return {id, name, 1, BytesPerElement(dtype), dtype, decode, nullptr, nullptr, nullptr};
}

// Ids and sizes: ggml.h and ggml-common.h. Missing ids are retired and appear in no valid file.
constexpr std::array kTypes = {
    Plain(0, "F32", DType::kF32, DecodeF32),
    Plain(1, "F16", DType::kF16, DecodeHalves<F16>),
    BlocksOfOneScale<BlockQ4_0>(2, "Q4_0"),
    BlocksOfOneScale<BlockQ4_1>(3, "Q4_1"),
    BlocksOfOneScale<BlockQ5_0>(6, "Q5_0"),
    BlocksOfOneScale<BlockQ5_1>(7, "Q5_1"),
    BlocksOfOneScale<BlockQ8_0>(8, "Q8_0"),
    SizeOnly(9, "Q8_1", 32, 36),
    Blocks<BlockQ2_K>(10, "Q2_K"),
    Blocks<BlockQ3_K>(11, "Q3_K"),
    Blocks<BlockQ4_K>(12, "Q4_K"),
    Blocks<BlockQ5_K>(13, "Q5_K"),
    Blocks<BlockQ6_K>(14, "Q6_K"),
    SizeOnly(15, "Q8_K", 256, 292),
    Blocks<BlockIQ2_XXS>(16, "IQ2_XXS"),
    Blocks<BlockIQ2_XS>(17, "IQ2_XS"),
    Blocks<BlockIQ3_XXS>(18, "IQ3_XXS"),
    Blocks<BlockIQ1_S>(19, "IQ1_S"),
    BlocksOfOneScale<BlockIQ4_NL>(20, "IQ4_NL"),
    Blocks<BlockIQ3_S>(21, "IQ3_S"),
    Blocks<BlockIQ2_S>(22, "IQ2_S"),
    Blocks<BlockIQ4_XS>(23, "IQ4_XS"),
    Plain(24, "I8", DType::kI8),
    Plain(25, "I16", DType::kI16),
    Plain(26, "I32", DType::kI32),
    Plain(27, "I64", DType::kI64),
    Plain(28, "F64", DType::kF64),
    Blocks<BlockIQ1_M>(29, "IQ1_M"),
    Plain(30, "BF16", DType::kBF16, DecodeHalves<BF16>),
    Blocks<BlockTQ1_0>(34, "TQ1_0"),
    Blocks<BlockTQ2_0>(35, "TQ2_0"),
    BlocksOfOneScale<BlockMXFP4>(39, "MXFP4"),
    DecodeOnly<BlockNVFP4>(40, "NVFP4"),
    SizeOnly(41, "Q1_0", 128, 18),
    SizeOnly(42, "Q2_0", 64, 18),
};

std::string DecodableNames() {
  std::string names;
  for (const GgmlType& type : kTypes) {
    if (type.decode == nullptr) continue;
    if (!names.empty()) names += ", ";
    names += type.name;
  }
  return names;
}

template <class Matches>
const GgmlType* FindIf(Matches matches) {
  const auto found = std::find_if(kTypes.begin(), kTypes.end(), matches);
  return found == kTypes.end() ? nullptr : &*found;
}

}  // namespace

std::span<const GgmlType> GgmlTypes() { return kTypes; }

const GgmlType* FindGgmlType(uint32_t id) {
  return FindIf([id](const GgmlType& type) { return type.id == id; });
}

const GgmlType* FindGgmlType(std::string_view name) {
  return FindIf([name](const GgmlType& type) { return type.name == name; });
}

uint64_t GgmlRowBytes(const GgmlType& type, uint64_t num_elements) {
  BITLOSS_DCHECK(num_elements % type.elements_per_block == 0);
  return num_elements / type.elements_per_block * type.bytes_per_block;
}

Status DecodeGgmlRow(const GgmlType& type, std::span<const std::byte> blocks,
                     std::span<float> out) {
  if (type.decode == nullptr) {
    return Unsupported("type {} cannot be decoded (known: {})", type.name, DecodableNames());
  }
  if (out.size() % type.elements_per_block != 0 ||
      blocks.size() != GgmlRowBytes(type, out.size())) {
    return BadInput("{} bytes are not {} elements of type {} (blocks of {} elements, {} bytes)",
                    blocks.size(), out.size(), type.name, type.elements_per_block,
                    type.bytes_per_block);
  }
  type.decode(blocks, out);
  return Ok();
}

}  // namespace bitloss
