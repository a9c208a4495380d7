// The element types of GGUF files: how many bytes a block takes and, for those that bitloss can
// read, what its bits mean. One file beside this for each family of block formats; as formats of
// lanes they are in ggml_format.h.
//
// Decoders compute in float32 as the reference does, operation by operation (no fused
// multiply-add), so their results are equal to gguf-py's `dequantize` bit for bit.
#ifndef BITLOSS_QUANT_FORMATS_GGML_GGML_TYPE_H_
#define BITLOSS_QUANT_FORMATS_GGML_GGML_TYPE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "bitloss/base/result.h"
#include "bitloss/quant/formats/ggml/block_codes.h"
#include "bitloss/tensor/dtype.h"

namespace bitloss {

struct GgmlType {
  uint32_t id;                // as stored in a file
  std::string_view name;      // "Q4_K"
  size_t elements_per_block;  // neighbours of one row
  size_t bytes_per_block;
  std::optional<DType> plain;  // for types without blocks that are a DType
  // Whole blocks to floats; null if bitloss does not decode the type.
  // Requires: sizes that match, a whole number of blocks.
  void (*decode)(std::span<const std::byte> blocks, std::span<float> out);

  // Of block types that are decoded; null for others.
  const GgmlCoding* coding = nullptr;
  void (*unpack)(const std::byte* block, BlockCodes& out) = nullptr;
  // The inverse of unpack; null where scales are made of a super-block's integers.
  void (*pack)(const BlockCodes& codes, std::byte* block) = nullptr;
  // One block; null for types that are only decoded. importance.of_weights is of the whole row;
  // `first` is where the block's weights begin in it.
  void (*encode)(std::span<const float> weights, const GgmlImportance& importance, size_t first,
                 std::byte* block) = nullptr;
};

// Every type that a file may hold today, ordered by id.
std::span<const GgmlType> GgmlTypes();

// Null if unknown.
const GgmlType* FindGgmlType(uint32_t id);
const GgmlType* FindGgmlType(std::string_view name);

// The bytes of `num_elements` neighbouring elements.
// Requires: num_elements is a multiple of elements_per_block and the result fits 64 bits.
uint64_t GgmlRowBytes(const GgmlType& type, uint64_t num_elements);

// Decodes neighbouring elements. kUnsupported, naming the type and those that can be decoded, if
// the type has no decoder; kBadInput if the sizes do not match or end inside a block.
Status DecodeGgmlRow(const GgmlType& type, std::span<const std::byte> blocks, std::span<float> out);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_GGML_GGML_TYPE_H_
