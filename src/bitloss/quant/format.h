// A weight format: what the bits of a quantized matrix mean. How codes are chosen is a fit
// (quant/fit), where they are multiplied is a backend (compute); neither knows formats by name.
//
// A format is a value: a name, its parameters and a few functions. Adding one is a folder
// quant/formats/<name>/ and a line in quant/formats.cc.
#ifndef BITLOSS_QUANT_FORMAT_H_
#define BITLOSS_QUANT_FORMAT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/bytes.h"
#include "bitloss/base/result.h"
#include "bitloss/tensor/matrix.h"

namespace bitloss {

struct EncodedMatrix;
struct GroupedCodes;

// Where the codes of a group of integers lie about zero; formats/int_group/int_group.h defines
// them.
enum class Symmetry { kSymmetric, kAsymmetric, kFullSymmetric, kFloatZero };

// Whether a slice of a matrix's rows encodes to the same codes as it does within the matrix. Fits
// that try many candidates work on slices.
enum class RowCoding { kIndependent, kTogether };

// Which columns of a row share a scale: neighbours, or those that an index names.
enum class GroupOrder { kNeighbours, kIndexed };

struct Format {
  std::string name;  // as in a scheme string, with its parameters: "int4_group:64:sym"

  // Parameters; a format ignores those that it does not have.
  int bits = 0;
  size_t group_size = 0;  // neighbouring weights of a row that share a scale; 0: the whole row
  Symmetry symmetry = Symmetry::kSymmetric;
  RowCoding row_coding = RowCoding::kTogether;
  GroupOrder group_order = GroupOrder::kNeighbours;

  // Whether a [rows][cols] matrix can be encoded; if not, why.
  Status (*supports)(const Format& format, size_t rows, size_t cols) = nullptr;

  // What a matrix will cost to store, everything counted: num_bytes() of what encode returns.
  // Requires: supports().
  size_t (*num_bytes)(const Format& format, size_t rows, size_t cols) = nullptr;

  // Rounds each weight to the nearest value that the format offers, by the rule that the format's
  // header states. weights [out][in], already what the checkpoint's FP16 form holds. kBadInput
  // names the row and column of a weight that is NaN or infinite. Requires: supports().
  Result<EncodedMatrix> (*encode)(const Format& format, ConstMatrixView weights) = nullptr;

  // The float32 values of row `row`, columns [first_col, first_col + out.size()).
  void (*decode)(const EncodedMatrix& matrix, size_t row, size_t first_col,
                 std::span<float> out) = nullptr;

  // out = decode(encode(weights)), without the codes between, for fits that try many candidates;
  // `out` may be `weights`. Errors are encode's. Null: what the two do one after the other.
  Status (*round)(const Format& format, ConstMatrixView weights, MatrixView out) = nullptr;

  // The same values as codes, scales and zero points, for kernels to repack; null for formats that
  // have no codes (f16, f32).
  GroupedCodes (*unpack)(const EncodedMatrix& matrix) = nullptr;

  // The inverse of unpack, for fits that choose codes themselves: scales and zero points are values
  // that an encode of this format gave. Null where they are made of others (a nested absmax, a
  // super-block's integers) and could not be kept.
  Result<EncodedMatrix> (*pack)(const Format& format, size_t rows, size_t cols,
                                const GroupedCodes& grouped) = nullptr;

  // The same as encode where weights of some columns matter more: importance [in] is each input's
  // mean square, or what an importance matrix says; none of them negative. Null for formats
  // that do not define it.
  Result<EncodedMatrix> (*encode_weighted)(const Format& format, ConstMatrixView weights,
                                           std::span<const float> importance) = nullptr;

  // The format that rows of `cols` weights are stored in where this one's blocks do not divide
  // them, and so the format of what encode returns; null: always this one.
  const Format& (*stored_as)(const Format& format, size_t cols) = nullptr;
};

// One weight matrix [rows = out features][cols = in features] in one format. What each plane holds
// is stated in the format's header; a plane that a format does not use is empty. Copies share
// bytes.
struct EncodedMatrix {
  Format format;
  size_t rows = 0;
  size_t cols = 0;
  SharedBytes codes = {};
  SharedBytes scales = {};
  SharedBytes zeros = {};
  SharedBytes extra = {};

  size_t num_bytes() const { return codes.size() + scales.size() + zeros.size() + extra.size(); }
};

// A matrix as every kernel can repack it. The value of weight (row, col) in group g = GroupOf(col)
// is, in float32, one subtraction (exact) and one multiplication, or one fused
// multiply-add:
//
//   kTable      table[code] * scale[row][g]
//   kZeroPoint  float(code - zero[row][g]) * scale[row][g]
//   kOffset     fma(float(code), scale[row][g], offset[row][g])
struct GroupedCodes {
  enum class Kind { kTable, kZeroPoint, kOffset };

  Kind kind = Kind::kTable;
  int bits = 0;                     // codes are in [0, 2^bits), bits <= 8
  size_t group_size = 0;            // > 0; the last group of a row may be shorter
  std::vector<uint8_t> codes = {};  // [rows][cols]
  std::vector<float> scales = {};   // [rows][groups]
  std::vector<float> zeros = {};    // [rows][groups]: zero points (kZeroPoint) or offsets (kOffset)
  std::array<float, 256> table{};   // kTable: the first 2^bits
  // [cols]: the group of each column; empty: neighbours, col / group_size.
  std::vector<uint32_t> group_of = {};

  size_t GroupOf(size_t col) const { return group_of.empty() ? col / group_size : group_of[col]; }
};

// The whole matrix, decoded. For tests and fits; kernels decode what they need.
Matrix Decode(const EncodedMatrix& matrix);

// out = decode(encode(weights)), the quicker way if the format has one; `out` may be `weights`.
Status Round(const Format& format, ConstMatrixView weights, MatrixView out);

// The plain formats; value = the stored float. A matrix is encoded without a copy of more than its
// own bytes.
const Format& F32Format();
// To nearest even. encode: kBadInput for a weight beyond the range of FP16.
const Format& F16Format();
// The same for BF16.
const Format& BF16Format();
// Whether it is one of the three.
bool IsPlain(const Format& format);

// Every format family with its defaults, for help, tests and error messages: "nf4", "int4_group",
// ...
struct FormatFamily {
  std::string_view name;     // the part before the first ':'
  std::string_view summary;  // one line for `bitloss schemes`
  std::string_view source;   // where it is defined
  // From the parameters after the name ("64", "sym"); kBadInput says which are possible.
  Result<Format> (*make)(std::span<const std::string_view> parameters) = nullptr;
};
std::span<const FormatFamily> FormatFamilies();

// "int4_group:64:sym" -> its format; without parameters the family's defaults. kUnsupported, for an
// unknown family, names the nearest known ones; kBadInput, for a bad parameter, the possible ones.
Result<Format> ParseFormat(std::string_view text);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMAT_H_
