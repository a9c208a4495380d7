#include "bitloss/compare/logit_rows.h"

#include "bitloss/base/check.h"
#include "bitloss/tensor/dtype.h"

namespace bitloss {
namespace {

size_t BytesOf(LogitType type) {
  switch (type) {
    case LogitType::kF64:
      return 8;
    case LogitType::kF32:
      return 4;
    case LogitType::kF16:
    case LogitType::kBF16:
      return 2;
  }
  BITLOSS_CHECK(false);
}

template <class T, class Convert>
std::span<const float> Converted(const void* row, size_t cols, std::vector<float>& scratch,
                                 const Convert& convert) {
  const std::span<const T> from(static_cast<const T*>(row), cols);
  scratch.resize(cols);
  for (size_t i = 0; i < cols; ++i) scratch[i] = convert(from[i]);
  return scratch;
}

}  // namespace

LogitRows LogitRows::From(size_t count) const {
  BITLOSS_CHECK(count <= rows);
  LogitRows rest = *this;
  const int64_t bytes =
      static_cast<int64_t>(count) * row_stride * static_cast<int64_t>(BytesOf(type));
  rest.data = static_cast<const std::byte*>(data) + bytes;
  rest.rows -= count;
  return rest;
}

std::span<const float> LogitRows::Row(size_t row, std::vector<float>& scratch) const {
  const void* begin = From(row).data;
  switch (type) {
    case LogitType::kF32:
      return {static_cast<const float*>(begin), cols};
    case LogitType::kF64:
      return Converted<double>(begin, cols, scratch,
                               [](double v) { return static_cast<float>(v); });
    case LogitType::kF16:
      return Converted<F16>(begin, cols, scratch, [](F16 v) { return ToFloat(v); });
    case LogitType::kBF16:
      return Converted<BF16>(begin, cols, scratch, [](BF16 v) { return ToFloat(v); });
  }
  BITLOSS_CHECK(false);
}

}  // namespace bitloss
