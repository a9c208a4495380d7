#include "bitloss/compute/cuda/cuda_matrix.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "bitloss/compute/ggml_product.h"
#include "bitloss/compute/llm_int8.h"

namespace bitloss {
namespace {

// A matrix travels in pieces of about so many bytes.
constexpr size_t kPieceBytes = size_t{64} << 20;
constexpr size_t kCodesOfWord = 4;

size_t PanelBytes(size_t rows, size_t cols, size_t element_bytes) {
  return (rows + kCudaPanel - 1) / kCudaPanel * kCudaPanel * cols * element_bytes;
}

// Panels of rows [rows][cols] that `piece(first, end)` gives as host memory.
template <class Piece>
CudaBuffer UploadPanels(CudaDevice& device, size_t rows, size_t cols, size_t element_bytes,
                        const Piece& piece) {
  CudaBuffer panels(device, PanelBytes(rows, cols, element_bytes));
  const size_t row_bytes = cols * element_bytes;
  const size_t step = std::max<size_t>(1, kPieceBytes / (row_bytes * kCudaPanel)) * kCudaPanel;
  CudaBuffer travelling(device, std::min(rows, step) * row_bytes);
  for (size_t first = 0; first < rows; first += step) {
    const size_t count = std::min(step, rows - first);
    const void* from = piece(first, first + count);
    device.Check(device.api().upload(device.context(), from, row_bytes, travelling.data(),
                                     row_bytes, row_bytes, count));
    device.Check(device.api().to_panels(device.context(), travelling.data(), count, cols,
                                        element_bytes, first, panels.data()));
  }
  return panels;
}

CudaBuffer UploadFloats(CudaDevice& device, std::span<const float> values) {
  CudaBuffer buffer(device, values.size_bytes());
  device.Check(device.api().upload(device.context(), values.data(), values.size_bytes(),
                                   buffer.data(), values.size_bytes(), values.size_bytes(), 1));
  return buffer;
}

CudaBuffer UploadHalves(CudaDevice& device, const EncodedMatrix& weights) {
  const size_t row_bytes = weights.cols * sizeof(uint16_t);
  return UploadPanels(
      device, weights.rows, weights.cols, sizeof(uint16_t),
      [&](size_t first, size_t) { return weights.codes.data() + first * row_bytes; });
}

void DecodeRows(const EncodedMatrix& weights, size_t first, size_t end, ThreadPool& threads,
                Matrix& decoded) {
  decoded.Resize(end - first, weights.cols);
  threads.ForEachPart(end - first, [&](size_t row, size_t) {
    weights.format.decode(weights, first + row, 0, decoded.Row(row));
  });
}

// Rows [first, end) as floats: where they lie if the format is FP32, else decoded.
const void* FloatRows(const EncodedMatrix& weights, size_t first, size_t end, ThreadPool& threads,
                      Matrix& decoded) {
  if (weights.format.decode == F32Format().decode) {
    return weights.codes.data() + first * weights.cols * sizeof(float);
  }
  DecodeRows(weights, first, end, threads, decoded);
  return decoded.data();
}

CudaBuffer UploadDecoded(CudaDevice& device, const EncodedMatrix& weights, ThreadPool& threads) {
  Matrix decoded;
  return UploadPanels(
      device, weights.rows, weights.cols, sizeof(float),
      [&](size_t first, size_t end) { return FloatRows(weights, first, end, threads, decoded); });
}

// Rows of codes as words of four, filled up with zeros.
CudaBuffer UploadCodes(CudaDevice& device, std::span<const int8_t> codes, size_t rows,
                       size_t cols) {
  const size_t num_words = (cols + kCodesOfWord - 1) / kCodesOfWord;
  std::vector<uint32_t> words;
  return UploadPanels(device, rows, num_words, sizeof(uint32_t), [&](size_t first, size_t end) {
    words.assign((end - first) * num_words, 0);
    for (size_t row = first; row < end; ++row) {
      std::memcpy(words.data() + (row - first) * num_words, codes.data() + row * cols, cols);
    }
    return static_cast<const void*>(words.data());
  });
}

CudaBuffer UploadBlockValues(CudaDevice& device, std::span<const float> values, size_t rows) {
  const size_t num_blocks = values.size() / rows;
  return UploadPanels(device, rows, num_blocks, sizeof(float), [&](size_t first, size_t) {
    return static_cast<const void*>(values.data() + first * num_blocks);
  });
}

}  // namespace

CudaPlanes CudaMatrix::planes() const {
  return {weights_.as<uint16_t>(), low_.as<uint16_t>(), scales_.as<float>(), rows_,
          CudaSplitChunks(cols_)};
}

void CudaMatrix::SplitFloats(CudaDevice& device, const EncodedMatrix& weights,
                             ThreadPool& threads) {
  const size_t plane_bytes = CudaPlaneBytes(rows_, cols_);
  weights_.Reserve(device, plane_bytes);
  low_.Reserve(device, plane_bytes);
  scales_.Reserve(device, rows_ * sizeof(float));
  uint32_t has_low = 0;
  const CudaBuffer flag(device, sizeof(has_low));
  const auto check = [&](CudaError error) { device.Check(error); };
  const CudaApi& api = device.api();
  check(api.upload(device.context(), &has_low, sizeof(has_low), flag.data(), sizeof(has_low),
                   sizeof(has_low), 1));
  const size_t row_bytes = cols_ * sizeof(float);
  const size_t step = std::max<size_t>(1, kPieceBytes / row_bytes);
  CudaBuffer travelling(device, std::min(rows_, step) * row_bytes);
  Matrix decoded;
  const CudaPlanes to = planes();
  for (size_t first = 0; first < rows_; first += step) {
    const size_t end = std::min(rows_, first + step);
    const void* rows = FloatRows(weights, first, end, threads, decoded);
    check(api.upload(device.context(), rows, row_bytes, travelling.data(), row_bytes, row_bytes,
                     end - first));
    check(api.split_weights(device.context(), {travelling.as<float>(), end - first, cols_, cols_},
                            first, &to, flag.as<uint32_t>()));
  }
  check(api.download(device.context(), flag.data(), sizeof(has_low), &has_low, sizeof(has_low),
                     sizeof(has_low), 1));
  if (has_low == 0) low_ = CudaBuffer();
}

Result<std::unique_ptr<CudaMatrix>> CudaMatrix::Pack(CudaDevice& device,
                                                     const EncodedMatrix& weights,
                                                     const Execution& execution,
                                                     Arithmetic arithmetic, ThreadPool& threads) {
  const auto make = [&](Kind kind) {
    return std::unique_ptr<CudaMatrix>(new CudaMatrix(weights.rows, weights.cols, kind, execution));
  };
  if (execution.kind == Execution::Kind::kLlmInt8 || execution.kind == Execution::Kind::kW8A8) {
    BITLOSS_TRY(const Int8Weights int8, UnpackInt8(weights));
    auto matrix = make(Kind::kInt8);
    matrix->weights_ = UploadCodes(device, int8.codes, weights.rows, weights.cols);
    matrix->scales_ = UploadFloats(device, int8.scales);
    return matrix;
  }
  if (execution.kind == Execution::Kind::kGgml) {
    BITLOSS_TRY(const GgmlWeights blocks, UnpackGgml(weights));
    auto matrix = make(Kind::kBlocks);
    matrix->weights_ = UploadCodes(device, blocks.codes, weights.rows, weights.cols);
    matrix->scales_ = UploadBlockValues(device, blocks.scales, weights.rows);
    if (!blocks.offsets.empty()) {
      matrix->offsets_ = UploadBlockValues(device, blocks.offsets, weights.rows);
    }
    return matrix;
  }
  if (arithmetic == Arithmetic::kSplit) {
    auto matrix = make(Kind::kSplit);
    matrix->SplitFloats(device, weights, threads);
    return matrix;
  }
  const bool is_half = weights.format.decode == F16Format().decode;
  auto matrix = make(is_half ? Kind::kF16 : Kind::kF32);
  matrix->weights_ =
      is_half ? UploadHalves(device, weights) : UploadDecoded(device, weights, threads);
  return matrix;
}

}  // namespace bitloss
