#include "bitloss/compute/cpu/panel_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace bitloss {
namespace {

// (code - zero) * scale, rounded once, equals fma(code, scale, -zero * scale) whenever the product
// zero * scale is exact, as it is for scales of float16: one operation less for every weight.
bool OffsetsAreExact(const GroupedCodes& grouped) {
  for (size_t i = 0; i < grouped.scales.size(); ++i) {
    const double product = double{grouped.zeros[i]} * double{grouped.scales[i]};
    if (static_cast<double>(static_cast<float>(product)) != product) return false;
  }
  return true;
}

GroupedCodes WithOffsetsIfExact(GroupedCodes grouped) {
  if (grouped.kind == GroupedCodes::Kind::kZeroPoint && OffsetsAreExact(grouped)) {
    grouped.kind = GroupedCodes::Kind::kOffset;
    for (size_t i = 0; i < grouped.zeros.size(); ++i) {
      grouped.zeros[i] = -(grouped.zeros[i] * grouped.scales[i]);
    }
  }
  return grouped;
}

// Kernels read a group's values once for its columns, which follow each other and start at a whole
// word of 4-bit codes.
bool KernelsTakeGroups(const GroupedCodes& grouped, size_t cols) {
  if (!grouped.group_of.empty()) return false;
  return grouped.group_size % kCodesPerWord == 0 || grouped.group_size >= cols;
}

}  // namespace

PanelMatrix::PanelMatrix(const EncodedMatrix& weights, Packing packing, ThreadPool& threads)
    : rows_(weights.rows), cols_(weights.cols) {
  const bool is_f16 = weights.format.decode == F16Format().decode;
  const bool is_bf16 = weights.format.decode == BF16Format().decode;
  if (weights.format.decode == F32Format().decode) {
    PackFloats(weights, threads);
  } else if (is_f16 || is_bf16) {
    if (packing == Packing::kInPlace) {
      layout_ = is_f16 ? Layout::kF16Rows : Layout::kBF16Rows;
      stored_ = weights;
    } else {
      layout_ = is_f16 ? Layout::kF16 : Layout::kBF16;
      PackHalves(weights, threads);
    }
  } else if (weights.format.unpack != nullptr) {
    const GroupedCodes grouped = WithOffsetsIfExact(weights.format.unpack(weights));
    if (KernelsTakeGroups(grouped, cols_)) PackCodes(grouped, threads);
  }
  if (layout_ == Layout::kOpaque) stored_ = weights;
}

size_t PanelMatrix::num_bytes() const {
  return weights_.size() + (scales_.size() + zeros_.size()) * sizeof(float) + stored_.num_bytes();
}

void PanelMatrix::PackFloats(const EncodedMatrix& weights, ThreadPool& threads) {
  layout_ = Layout::kF32;
  panel_bytes_ = cols_ * kPanelWidth * sizeof(float);
  weights_ = AlignedBytes(num_panels() * panel_bytes_);
  threads.ForEachPart(num_panels(), [&](size_t panel, size_t) {
    float* packed = reinterpret_cast<float*>(weights_.data() + panel * panel_bytes_);
    std::vector<float> row(cols_);
    for (size_t lane = 0; lane < PanelOutputs(panel); ++lane) {
      weights.format.decode(weights, panel * kPanelWidth + lane, 0, row);
      for (size_t k = 0; k < cols_; ++k) packed[k * kPanelWidth + lane] = row[k];
    }
  });
}

void PanelMatrix::PackHalves(const EncodedMatrix& weights, ThreadPool& threads) {
  panel_bytes_ = cols_ * kPanelWidth * sizeof(uint16_t);
  weights_ = AlignedBytes(num_panels() * panel_bytes_);
  threads.ForEachPart(num_panels(), [&](size_t panel, size_t) {
    uint16_t* packed = reinterpret_cast<uint16_t*>(weights_.data() + panel * panel_bytes_);
    const std::byte* rows = weights.codes.data() + panel * kPanelWidth * cols_ * sizeof(uint16_t);
    // A square at a time, so that what is written stays in the first-level cache.
    for (size_t first = 0; first < cols_; first += kPanelWidth) {
      const size_t count = std::min(kPanelWidth, cols_ - first);
      for (size_t lane = 0; lane < PanelOutputs(panel); ++lane) {
        uint16_t row[kPanelWidth];
        std::memcpy(row, rows + (lane * cols_ + first) * sizeof(uint16_t),
                    count * sizeof(uint16_t));
        uint16_t* to = packed + first * kPanelWidth + lane;
        for (size_t i = 0; i < count; ++i) to[i * kPanelWidth] = row[i];
      }
    }
  });
}

void PanelMatrix::PackCodes(const GroupedCodes& grouped, ThreadPool& threads) {
  code_kind_ = grouped.kind;
  table_ = grouped.table;
  PackGroupValues(grouped);
  const auto for_each_code = [&](auto&& pack) {
    threads.ForEachPart(num_panels(), [&](size_t panel, size_t) {
      std::byte* packed = weights_.data() + panel * panel_bytes_;
      for (size_t lane = 0; lane < PanelOutputs(panel); ++lane) {
        const uint8_t* row = grouped.codes.data() + (panel * kPanelWidth + lane) * cols_;
        for (size_t k = 0; k < cols_; ++k) pack(packed, lane, k, row[k]);
      }
    });
  };
  if (grouped.bits <= 4) {
    layout_ = Layout::kCodes4;
    const size_t num_words = (cols_ + kCodesPerWord - 1) / kCodesPerWord;
    panel_bytes_ = num_words * kPanelWidth * sizeof(uint32_t);
    weights_ = AlignedBytes(num_panels() * panel_bytes_);
    for_each_code([](std::byte* packed, size_t lane, size_t k, uint8_t code) {
      uint32_t* words = reinterpret_cast<uint32_t*>(packed);
      words[k / kCodesPerWord * kPanelWidth + lane] |= uint32_t{code} << (4 * (k % kCodesPerWord));
    });
  } else {
    layout_ = Layout::kCodes8;
    panel_bytes_ = cols_ * kPanelWidth;
    weights_ = AlignedBytes(num_panels() * panel_bytes_);
    for_each_code([](std::byte* packed, size_t lane, size_t k, uint8_t code) {
      packed[k * kPanelWidth + lane] = std::byte{code};
    });
  }
}

void PanelMatrix::PackGroupValues(const GroupedCodes& grouped) {
  group_size_ = grouped.group_size;
  num_groups_ = (cols_ + group_size_ - 1) / group_size_;
  const auto pack = [&](const std::vector<float>& values) {
    std::vector<float> packed(num_panels() * num_groups_ * kPanelWidth);
    for (size_t row = 0; row < rows_; ++row) {
      for (size_t group = 0; group < num_groups_; ++group) {
        const size_t slot = row / kPanelWidth * num_groups_ + group;
        packed[slot * kPanelWidth + row % kPanelWidth] = values[row * num_groups_ + group];
      }
    }
    return packed;
  };
  scales_ = pack(grouped.scales);
  if (grouped.kind != GroupedCodes::Kind::kTable) zeros_ = pack(grouped.zeros);
}

void PanelMatrix::DecodeOpaqueTile(size_t panel, size_t first_k, size_t end_k, float* tile) const {
  std::vector<float> row(end_k - first_k);
  for (size_t lane = 0; lane < kPanelWidth; ++lane) {
    if (lane < PanelOutputs(panel)) {
      stored_.format.decode(stored_, panel * kPanelWidth + lane, first_k, row);
    } else {
      std::fill(row.begin(), row.end(), 0.0f);
    }
    for (size_t k = 0; k < row.size(); ++k) tile[k * kPanelWidth + lane] = row[k];
  }
}

}  // namespace bitloss
