// A matrix of the int_group formats as loose codes, between a layout's words and packed planes.
// Inside the module.
#ifndef BITLOSS_CHECKPOINT_LAYOUTS_INT_CODES_H_
#define BITLOSS_CHECKPOINT_LAYOUTS_INT_CODES_H_

#include <cstdint>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/checkpoint/safetensors.h"
#include "bitloss/quant/format.h"
#include "bitloss/tensor/dtype.h"

namespace bitloss {

// value(row, col) = (code - zero) * scale, in group col / group_size or group_of[col].
struct IntCodes {
  int bits = 4;
  size_t rows = 0;
  size_t cols = 0;
  size_t group_size = 0;  // divides cols if neighbours share a group
  Symmetry symmetry = Symmetry::kAsymmetric;
  std::vector<uint8_t> codes = {};      // [rows][cols]
  std::vector<F16> scales = {};         // [rows][groups]
  std::vector<uint8_t> zeros = {};      // [rows][groups]; symmetric: all 2^(bits - 1)
  std::vector<uint32_t> group_of = {};  // [cols], below groups(); empty: neighbours

  size_t groups() const { return (cols + group_size - 1) / group_size; }
};

// Whether `format` is one of int_group with whole zero points.
bool IsIntGroup(const Format& format);

// Requires: IsIntGroup(matrix.format).
IntCodes UnpackIntCodes(const EncodedMatrix& matrix);

// The format of such codes; kUnsupported for bits or a group size that int_group does not have, or
// a group size that does not divide the columns of neighbours.
Result<Format> IntCodesFormat(int bits, size_t group_size, Symmetry symmetry, size_t cols,
                              GroupOrder order = GroupOrder::kNeighbours);

// The groups that a tensor [cols] of I32 names, into codes.group_of, which stays empty where they
// are those of neighbours that divide the columns. kBadInput for a group that codes does not have.
Status ReadGroupIndex(const SafetensorsEntry& index, IntCodes& codes);

// kBadInput for a scale that is not finite. Requires: IntCodesFormat is ok.
Result<EncodedMatrix> PackIntCodes(const IntCodes& codes);

// FP16 scales from a tensor of F16, BF16 or F32; kUnsupported if FP16 does not hold one exactly.
Result<std::vector<F16>> ExactF16Values(const SafetensorsEntry& part);

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_LAYOUTS_INT_CODES_H_
