#include "bitloss/model/matrix_rows.h"

#include <algorithm>
#include <array>

#include "bitloss/quant/formats/block4/block4.h"

namespace bitloss {
namespace {

constexpr std::array kPlanes = {&EncodedMatrix::codes, &EncodedMatrix::scales,
                                &EncodedMatrix::zeros, &EncodedMatrix::extra};

// An index of the columns' groups belongs to all rows alike.
bool IsOfAllRows(const Format& format, SharedBytes EncodedMatrix::*plane) {
  return format.group_order == GroupOrder::kIndexed && plane == &EncodedMatrix::extra;
}

Error CannotBeCut(const TensorPart& part, const Format& format) {
  return Unsupported("tensor '{}': {} cannot be cut into the matrices that it holds", part.name,
                     format.name);
}

Status CheckAlike(const EncodedMatrix& first, const EncodedMatrix& other, const TensorPart& place) {
  const bool same_order = first.format.group_order != GroupOrder::kIndexed ||
                          std::ranges::equal(first.extra.span(), other.extra.span());
  if (first.format.name == other.format.name && first.cols == other.cols && same_order) return Ok();
  return Unsupported("tensor '{}': the matrices that it holds are {} and {}{}", place.name,
                     first.format.name, other.format.name,
                     same_order ? "" : ", in different orders of columns");
}

}  // namespace

size_t RowsOfWhole(const TensorPart& part) {
  size_t rows = 1;
  for (size_t i = 0; i + 1 < part.shape.size(); ++i) rows *= part.shape[i];
  return rows;
}

bool RowsStandAlone(const Format& format, size_t cols) {
  if (format.row_coding == RowCoding::kIndependent) return true;
  // Blocks of these run on from row to row; here none does.
  return (format.name == "nf4" || format.name == "fp4") && cols % kBlock4Weights == 0;
}

Result<EncodedMatrix> RowsOf(const EncodedMatrix& whole, const TensorPart& part) {
  if (part.rows == whole.rows && part.run == 0 && !part.is_transposed) return whole;
  if (part.is_transposed) {
    return Unsupported("tensor '{}': its columns are rows here, which codes cannot become",
                       part.name);
  }
  if (!RowsStandAlone(whole.format, whole.cols)) return CannotBeCut(part, whole.format);
  EncodedMatrix rows = whole;
  rows.rows = part.rows;
  for (const auto member : kPlanes) {
    SharedBytes& plane = rows.*member;
    if (plane.empty() || IsOfAllRows(whole.format, member)) continue;
    if (plane.size() % whole.rows != 0) return CannotBeCut(part, whole.format);
    const size_t row_bytes = plane.size() / whole.rows;
    if (part.run == 0) {
      plane = plane.Sub(part.first * row_bytes, part.rows * row_bytes);
      continue;
    }
    std::vector<std::byte> bytes;
    for (size_t row = 0; row < part.rows; ++row) {
      const auto from = plane.span().subspan(part.Place(row) * row_bytes, row_bytes);
      bytes.insert(bytes.end(), from.begin(), from.end());
    }
    plane = SharedBytes::Own(std::move(bytes));
  }
  return rows;
}

Result<EncodedMatrix> JoinRows(std::span<const EncodedMatrix* const> parts,
                               std::span<const TensorPart> places) {
  EncodedMatrix whole = *parts[0];
  whole.rows = RowsOfWhole(places[0]);
  if (!RowsStandAlone(whole.format, whole.cols)) return CannotBeCut(places[0], whole.format);
  for (size_t i = 0; i < parts.size(); ++i) {
    BITLOSS_DO(CheckAlike(*parts[0], *parts[i], places[i]));
  }
  for (const auto member : kPlanes) {
    if ((whole.*member).empty() || IsOfAllRows(whole.format, member)) continue;
    const size_t row_bytes = (parts[0]->*member).size() / parts[0]->rows;
    std::vector<std::byte> bytes(whole.rows * row_bytes);
    for (size_t i = 0; i < parts.size(); ++i) {
      const std::span<const std::byte> from = (parts[i]->*member).span();
      if (from.size() != parts[i]->rows * row_bytes) return CannotBeCut(places[i], whole.format);
      for (size_t row = 0; row < parts[i]->rows; ++row) {
        std::ranges::copy(from.subspan(row * row_bytes, row_bytes),
                          bytes.begin() + static_cast<ptrdiff_t>(places[i].Place(row) * row_bytes));
      }
    }
    whole.*member = SharedBytes::Own(std::move(bytes));
  }
  return whole;
}

}  // namespace bitloss
