// llama.cpp's file types: "Q4_K_M" says not one format but which one each tensor of a model gets,
// embedding and head included. The choice is llama-quantize's of 2026, as its tool makes it from
// names, shapes and a few sizes of the model.
//
// (Source: llama.cpp src/llama-quant.cpp; general.file_type in gguf's documentation.)
#ifndef BITLOSS_QUANT_FILE_TYPE_H_
#define BITLOSS_QUANT_FILE_TYPE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/quant/formats/ggml/ggml_type.h"

namespace bitloss {

struct FileType {
  std::string_view name;  // "Q4_K_M"
  std::string_view base;  // the type of what no rule names: "Q4_K"
  uint32_t number;        // general.file_type
};
// Those whose types can be encoded, ordered by number.
std::span<const FileType> FileTypes();
// In any letter case; "Q3_K", "Q4_K" and "Q5_K" stand for the _M of each. Null if unknown.
const FileType* FindFileType(std::string_view name);

// What a user may change, under the names that llama-quantize has for it:
//
//   pure                       every tensor gets the base type
//   token-embedding-type=TYPE  the embedding's type
//   output-tensor-type=TYPE    the head's
//   tensor-type=REGEX=TYPE     that of tensors in whose GGUF name the (ECMAScript) expression, in
//                              lower case, is found; the first of several that match
struct FileTypeOptions {
  enum class Mixture { kOwn, kPure };
  Mixture mixture = Mixture::kOwn;
  const GgmlType* token_embedding = nullptr;
  const GgmlType* output = nullptr;
  std::vector<std::pair<std::string, const GgmlType*>> tensors = {};

  // kBadInput says which options there are, and which types.
  Status Read(std::string_view option);
};

// What the choice looks at of a model.
struct FileTypeModel {
  std::string_view architecture;  // as general.architecture
  size_t num_layers = 0;
  size_t num_heads = 0;
  size_t num_kv_heads = 0;
  size_t num_experts = 0;
};

// A tensor that may be quantized: no norm, bias or router.
struct FileTypeTensor {
  enum class Rank { kMatrix, kExperts };  // kExperts: a matrix for each
  std::string name;                       // "blk.0.attn_q.weight", "token_embd.weight"
  size_t cols = 0;                        // of a row
  Rank rank = Rank::kMatrix;
};

enum class Importances { kNone, kGiven };

// The type of each tensor, in the order given; none is null. kUnsupported names a tensor whose type
// is made by importances alone when there are none.
Result<std::vector<const GgmlType*>> ChooseTypes(const FileType& file_type,
                                                 const FileTypeOptions& options,
                                                 Importances importances,
                                                 const FileTypeModel& model,
                                                 std::span<const FileTypeTensor> tensors);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FILE_TYPE_H_
