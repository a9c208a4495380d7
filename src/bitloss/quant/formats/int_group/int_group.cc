#include "bitloss/quant/formats/int_group/int_group.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "bitloss/quant/formats/packed_bits.h"
#include "bitloss/quant/formats/planes.h"
#include "bitloss/quant/formats/round_to_even.h"
#include "bitloss/tensor/dtype.h"

namespace bitloss {
namespace {

constexpr float kMinRange = 1e-5f;
// Of Symmetry, in its order.
constexpr std::array<std::string_view, 4> kSymmetries = {"sym", "asym", "full", "float"};
constexpr std::string_view kIndex = "index";
constexpr size_t kStripe = 8;

struct Range {
  float low;   // <= 0
  float high;  // >= 0
};

// In stripes of eight, so that the compiler can use vectors. Minimum and maximum do not depend on
// the order.
Range RangeWithZero(std::span<const float> group) {
  std::array<float, kStripe> low{};
  std::array<float, kStripe> high{};
  const size_t whole = group.size() / kStripe * kStripe;
  for (size_t i = 0; i < whole; i += kStripe) {
    for (size_t lane = 0; lane < kStripe; ++lane) {
      low[lane] = std::min(low[lane], group[i + lane]);
      high[lane] = std::max(high[lane], group[i + lane]);
    }
  }
  for (size_t i = whole; i < group.size(); ++i) {
    low[0] = std::min(low[0], group[i]);
    high[0] = std::max(high[0], group[i]);
  }
  return {*std::ranges::min_element(low), *std::ranges::max_element(high)};
}

// Code 0 stands for `zero` steps below zero.
struct Grid {
  F16 scale;
  float zero = 0.0f;
};

float MaxCode(const Format& format) { return static_cast<float>((1 << format.bits) - 1); }
float MiddleCode(const Format& format) { return static_cast<float>(1 << (format.bits - 1)); }

bool IsIndexed(const Format& format) { return format.group_order == GroupOrder::kIndexed; }

size_t NumGroups(const Format& format, size_t cols) {
  return (cols + format.group_size - 1) / format.group_size;
}

bool HasZeros(const Format& format) {
  return format.symmetry == Symmetry::kAsymmetric || format.symmetry == Symmetry::kFloatZero;
}

Grid GridOf(const Format& format, Range range) {
  const float absmax = std::max(-range.low, range.high);
  const float max_code = MaxCode(format);
  if (format.symmetry == Symmetry::kSymmetric) {
    return {RoundToF16(std::max(absmax, kMinRange) / (MiddleCode(format) - 1)), MiddleCode(format)};
  }
  if (format.symmetry == Symmetry::kFullSymmetric) {
    return {RoundToF16(std::max(2 * absmax, kMinRange) / max_code), MiddleCode(format)};
  }
  const F16 scale = RoundToF16(std::max(range.high - range.low, kMinRange) / max_code);
  const float below = std::min(-range.low / ToFloat(scale), max_code);
  return {scale, format.symmetry == Symmetry::kFloatZero ? ThroughF16(below) : RoundToEven(below)};
}

void EncodeGroup(const Format& format, std::span<const float> group, const Grid& grid,
                 std::span<uint8_t> codes) {
  const float scale = ToFloat(grid.scale);
  const float zero = grid.zero;
  if (format.symmetry == Symmetry::kFloatZero) {
    for (size_t i = 0; i < group.size(); ++i) {
      const float steps = std::min(std::max(group[i] / scale + zero, 0.0f), MaxCode(format));
      codes[i] = static_cast<uint8_t>(static_cast<int>(RoundToEven(steps)));
    }
    return;
  }
  // Rounding is monotone and the bounds are whole, so clamping may come first.
  const float top = MaxCode(format) - zero;
  for (size_t i = 0; i < group.size(); ++i) {
    const float steps = std::min(std::max(group[i] / scale, -zero), top);
    codes[i] = static_cast<uint8_t>(static_cast<int>(RoundToEven(steps) + zero));
  }
}

// What EncodeGroup's codes decode to. `group` may be `out`. Differences of whole numbers of up to 8
// bits are exact, so that adding the zero point to a code and taking it away again changes nothing.
void RoundGroup(const Format& format, std::span<const float> group, const Grid& grid,
                std::span<float> out) {
  const float scale = ToFloat(grid.scale);
  const float zero = grid.zero;
  if (format.symmetry == Symmetry::kFloatZero) {
    for (size_t i = 0; i < group.size(); ++i) {
      const float steps = std::min(std::max(group[i] / scale + zero, 0.0f), MaxCode(format));
      out[i] = std::fma(RoundToEven(steps), scale, -zero * scale);
    }
    return;
  }
  const float top = MaxCode(format) - zero;
  for (size_t i = 0; i < group.size(); ++i) {
    out[i] = RoundToEven(std::min(std::max(group[i] / scale, -zero), top)) * scale;
  }
}

struct Planes {
  std::vector<uint8_t> codes;
  std::vector<F16> scales;
  std::vector<uint8_t> zeros;  // bytes
};

// Appends one row to the planes.
void AppendPacked(const Format& format, std::span<const uint8_t> codes, std::span<const Grid> grids,
                  Planes& planes) {
  const size_t end = planes.codes.size();
  planes.codes.resize(end + PackedBytes(codes.size(), format.bits));
  PackBits(codes, format.bits, planes.codes.data() + end);
  for (const Grid& grid : grids) planes.scales.push_back(grid.scale);
  if (!HasZeros(format)) return;
  const size_t zeros_end = planes.zeros.size();
  if (format.symmetry == Symmetry::kFloatZero) {
    planes.zeros.resize(zeros_end + grids.size() * sizeof(F16));
    for (size_t g = 0; g < grids.size(); ++g) {
      const F16 zero = RoundToF16(grids[g].zero);
      std::memcpy(planes.zeros.data() + zeros_end + g * sizeof(F16), &zero, sizeof(F16));
    }
    return;
  }
  std::vector<uint8_t> zeros;
  for (const Grid& grid : grids) zeros.push_back(static_cast<uint8_t>(grid.zero));
  planes.zeros.resize(zeros_end + PackedBytes(zeros.size(), format.bits));
  PackBits(zeros, format.bits, planes.zeros.data() + zeros_end);
}

EncodedMatrix FromPlanes(const Format& format, size_t rows, size_t cols, Planes planes,
                         std::vector<uint32_t> group_of) {
  return EncodedMatrix{.format = format,
                       .rows = rows,
                       .cols = cols,
                       .codes = OwnPlane(std::move(planes.codes)),
                       .scales = OwnPlane(std::move(planes.scales)),
                       .zeros = OwnPlane(std::move(planes.zeros)),
                       .extra = OwnPlane(std::move(group_of))};
}

// The group of each column, if neighbours share one and it is stored.
std::vector<uint32_t> NeighboursIndex(const Format& format, size_t cols) {
  std::vector<uint32_t> group_of(IsIndexed(format) ? cols : 0);
  for (size_t col = 0; col < group_of.size(); ++col) {
    group_of[col] = static_cast<uint32_t>(col / format.group_size);
  }
  return group_of;
}

// work(first column, group, grid) for each group of a row.
template <class Work>
Status ForEachGroup(const Format& format, std::span<const float> row, const Work& work) {
  for (size_t first = 0; first < row.size(); first += format.group_size) {
    const auto group = row.subspan(first, std::min(format.group_size, row.size() - first));
    const Grid grid = GridOf(format, RangeWithZero(group));
    if (!std::isfinite(ToFloat(grid.scale))) {
      return BadInput("the weights of columns {} to {} need a scale beyond the range of FP16",
                      first, first + group.size() - 1);
    }
    work(first, group, grid);
  }
  return Ok();
}

Status EncodeRow(const Format& format, std::span<const float> row, Planes& planes) {
  std::vector<uint8_t> codes(row.size());
  std::vector<Grid> grids;
  BITLOSS_DO(
      ForEachGroup(format, row, [&](size_t first, std::span<const float> group, const Grid& grid) {
        EncodeGroup(format, group, grid, std::span(codes).subspan(first, group.size()));
        grids.push_back(grid);
      }));
  AppendPacked(format, codes, grids, planes);
  return Ok();
}

Result<EncodedMatrix> EncodeIntGroup(const Format& format, ConstMatrixView weights) {
  BITLOSS_DO(CheckFinite(weights));
  Planes planes;
  planes.codes.reserve(weights.rows * PackedBytes(weights.cols, format.bits));
  for (size_t row = 0; row < weights.rows; ++row) {
    if (const Status status = EncodeRow(format, weights.Row(row), planes); !status.ok()) {
      return Within(fmt::format("row {}", row), status.error());
    }
  }
  return FromPlanes(format, weights.rows, weights.cols, std::move(planes),
                    NeighboursIndex(format, weights.cols));
}

Status RoundIntGroup(const Format& format, ConstMatrixView weights, MatrixView out) {
  BITLOSS_DO(CheckFinite(weights));
  for (size_t row = 0; row < weights.rows; ++row) {
    const Status status =
        ForEachGroup(format, weights.Row(row),
                     [&](size_t first, std::span<const float> group, const Grid& grid) {
                       RoundGroup(format, group, grid, out.Row(row).subspan(first, group.size()));
                     });
    if (!status.ok()) return Within(fmt::format("row {}", row), status.error());
  }
  return Ok();
}

Result<EncodedMatrix> PackIntGroup(const Format& format, size_t rows, size_t cols,
                                   const GroupedCodes& grouped) {
  const size_t num_groups = NumGroups(format, cols);
  Planes planes;
  std::vector<Grid> grids(num_groups);
  for (size_t row = 0; row < rows; ++row) {
    for (size_t g = 0; g < num_groups; ++g) {
      const size_t i = row * num_groups + g;
      grids[g] = {RoundToF16(grouped.scales[i]), grouped.zeros[i]};
    }
    AppendPacked(format, std::span(grouped.codes).subspan(row * cols, cols), grids, planes);
  }
  return FromPlanes(format, rows, cols, std::move(planes),
                    grouped.group_of.empty() ? NeighboursIndex(format, cols) : grouped.group_of);
}

const uint8_t* PackedRow(const SharedBytes& plane, size_t row, size_t num_codes, int bits) {
  return reinterpret_cast<const uint8_t*>(plane.data()) + row * PackedBytes(num_codes, bits);
}

// The zero points of a row's groups, in codes.
std::vector<float> ZerosOfRow(const EncodedMatrix& matrix, size_t row) {
  const Format& format = matrix.format;
  std::vector<float> zeros(NumGroups(format, matrix.cols), MiddleCode(format));
  if (format.symmetry == Symmetry::kFloatZero) {
    for (size_t g = 0; g < zeros.size(); ++g) {
      zeros[g] = ToFloat(LoadAt<F16>(matrix.zeros, row * zeros.size() + g));
    }
  } else if (HasZeros(format)) {
    std::vector<uint8_t> codes(zeros.size());
    UnpackBits(PackedRow(matrix.zeros, row, zeros.size(), format.bits), format.bits, 0, codes);
    std::ranges::copy(codes, zeros.begin());
  }
  return zeros;
}

// Columns [col, end) that belong to the group of `col`.
struct Run {
  size_t group;
  size_t end;
};

Run RunFrom(const EncodedMatrix& matrix, size_t col) {
  if (IsIndexed(matrix.format)) return {LoadAt<uint32_t>(matrix.extra, col), col + 1};
  const size_t group = col / matrix.format.group_size;
  return {group, (group + 1) * matrix.format.group_size};
}

void DecodeIntGroup(const EncodedMatrix& matrix, size_t row, size_t first_col,
                    std::span<float> out) {
  BITLOSS_DCHECK(first_col + out.size() <= matrix.cols);
  const Format& format = matrix.format;
  std::vector<uint8_t> codes(out.size());
  UnpackBits(PackedRow(matrix.codes, row, matrix.cols, format.bits), format.bits, first_col, codes);
  const std::vector<float> zeros = ZerosOfRow(matrix, row);
  for (size_t i = 0; i < out.size();) {
    const Run run = RunFrom(matrix, first_col + i);
    const size_t end = std::min(run.end - first_col, out.size());
    const float scale = ToFloat(LoadAt<F16>(matrix.scales, row * zeros.size() + run.group));
    const float zero = zeros[run.group];
    if (format.symmetry == Symmetry::kFloatZero) {
      for (; i < end; ++i) out[i] = std::fma(static_cast<float>(codes[i]), scale, -zero * scale);
    }
    for (; i < end; ++i) out[i] = (static_cast<float>(codes[i]) - zero) * scale;
  }
}

GroupedCodes UnpackIntGroup(const EncodedMatrix& matrix) {
  const Format& format = matrix.format;
  const bool float_zero = format.symmetry == Symmetry::kFloatZero;
  GroupedCodes grouped{
      .kind = float_zero ? GroupedCodes::Kind::kOffset : GroupedCodes::Kind::kZeroPoint,
      .bits = format.bits,
      .group_size = format.group_size,
      .codes = std::vector<uint8_t>(matrix.rows * matrix.cols)};
  if (IsIndexed(format)) {
    grouped.group_of.resize(matrix.cols);
    std::memcpy(grouped.group_of.data(), matrix.extra.data(), matrix.extra.size());
  }
  for (size_t row = 0; row < matrix.rows; ++row) {
    UnpackBits(PackedRow(matrix.codes, row, matrix.cols, format.bits), format.bits, 0,
               std::span(grouped.codes).subspan(row * matrix.cols, matrix.cols));
    for (const float zero : ZerosOfRow(matrix, row)) {
      const float scale = ToFloat(LoadAt<F16>(matrix.scales, grouped.scales.size()));
      grouped.scales.push_back(scale);
      grouped.zeros.push_back(float_zero ? -zero * scale : zero);
    }
  }
  return grouped;
}

Status SupportsIntGroup(const Format& format, size_t /*rows*/, size_t cols) {
  if (!IsIndexed(format) && cols % format.group_size != 0) {
    return Unsupported("{}: rows of {} weights do not divide into groups of {}", format.name, cols,
                       format.group_size);
  }
  if (cols % kStripe == 0) return Ok();
  return Unsupported("{}: rows of {} weights are not a multiple of {}", format.name, cols, kStripe);
}

size_t NumBytesIntGroup(const Format& format, size_t rows, size_t cols) {
  const size_t groups = NumGroups(format, cols);
  const size_t index = IsIndexed(format) ? cols * sizeof(uint32_t) : 0;
  const size_t zeros = format.symmetry == Symmetry::kFloatZero ? groups * sizeof(F16)
                       : HasZeros(format)                      ? PackedBytes(groups, format.bits)
                                                               : 0;
  return rows * (PackedBytes(cols, format.bits) + groups * sizeof(F16) + zeros) + index;
}

Result<Format> Parse(int bits, std::span<const std::string_view> parameters) {
  const auto bad = [&](std::string_view parameter) {
    return BadInput(
        "int{}_group has no parameter '{}'; possible are a group size (such as 64), "
        "then 'sym', 'asym', 'full' or 'float', as in int{}_group:64:asym, then 'index'",
        bits, parameter, bits);
  };
  size_t group_size = kDefaultGroup;
  Symmetry symmetry = Symmetry::kAsymmetric;
  if (!parameters.empty()) {
    const std::string_view text = parameters[0];
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), group_size);
    if (error != std::errc() || end != text.data() + text.size()) return bad(text);
    if (group_size == 0) return bad(text);
  }
  if (parameters.size() > 1) {
    const auto found = std::ranges::find(kSymmetries, parameters[1]);
    if (found == kSymmetries.end()) return bad(parameters[1]);
    symmetry = static_cast<Symmetry>(found - kSymmetries.begin());
  }
  GroupOrder order = GroupOrder::kNeighbours;
  if (parameters.size() > 2) {
    if (parameters[2] != kIndex) return bad(parameters[2]);
    order = GroupOrder::kIndexed;
  }
  if (parameters.size() > 3) return bad(parameters[3]);
  return IntGroupFormat(bits, group_size, symmetry, order);
}

constexpr std::string_view kSource = "AutoAWQ 0.2.9, pseudo_quantize_tensor";

}  // namespace

Format IntGroupFormat(int bits, size_t group_size, Symmetry symmetry, GroupOrder order) {
  BITLOSS_CHECK((bits >= 2 && bits <= 4) || bits == 8);
  BITLOSS_CHECK(group_size > 0);
  const std::string_view suffix = kSymmetries[static_cast<size_t>(symmetry)];
  return {
      .name = fmt::format("int{}_group:{}:{}{}{}", bits, group_size, suffix,
                          order == GroupOrder::kIndexed ? ":" : "",
                          order == GroupOrder::kIndexed ? kIndex : ""),
      .bits = bits,
      .group_size = group_size,
      .symmetry = symmetry,
      .row_coding = RowCoding::kIndependent,
      .group_order = order,
      .supports = SupportsIntGroup,
      .num_bytes = NumBytesIntGroup,
      .encode = EncodeIntGroup,
      .decode = DecodeIntGroup,
      .round = RoundIntGroup,
      .unpack = UnpackIntGroup,
      .pack = PackIntGroup,
  };
}

FormatFamily Int8GroupFamily() {
  return {.name = "int8_group",
          .summary = "8-bit integers, an FP16 scale and a zero point for a group",
          .source = kSource,
          .make = [](std::span<const std::string_view> p) { return Parse(8, p); }};
}

FormatFamily Int4GroupFamily() {
  return {.name = "int4_group",
          .summary = "4-bit integers, an FP16 scale and a zero point for a group",
          .source = kSource,
          .make = [](std::span<const std::string_view> p) { return Parse(4, p); }};
}

FormatFamily Int3GroupFamily() {
  return {.name = "int3_group",
          .summary = "3-bit integers, an FP16 scale and a zero point for a group",
          .source = kSource,
          .make = [](std::span<const std::string_view> p) { return Parse(3, p); }};
}

FormatFamily Int2GroupFamily() {
  return {.name = "int2_group",
          .summary = "2-bit integers, an FP16 scale and a zero point for a group",
          .source = kSource,
          .make = [](std::span<const std::string_view> p) { return Parse(2, p); }};
}

}  // namespace bitloss
