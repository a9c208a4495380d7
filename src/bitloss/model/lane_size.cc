#include "bitloss/model/lane_size.h"

#include "bitloss/model/matrix_formats.h"

namespace bitloss {
namespace {

uint64_t BytesOfWeight(const Format& plain) { return plain.bits == 32 ? 4 : 2; }

}  // namespace

void AddLinear(const LinearSpec& linear, const Format& format, LaneSize& size) {
  const LinearShape shape = linear.shape;
  size.linear_weights += uint64_t{shape.out} * shape.in;
  size.linear_bytes += format.num_bytes(format, shape.out, shape.in);
}

uint64_t OtherBytes(const Scheme& scheme, const ModelSource& source) {
  const Format& plain = IsPlain(scheme.format) ? scheme.format : FormatOf(source.baseline());
  const size_t rows = source.config().vocab_size, cols = source.config().hidden_size;
  uint64_t num_others = source.num_parameters() - source.num_linear_parameters();
  uint64_t bytes = 0;
  const auto count_table = [&](const Format& format) {
    bytes += format.num_bytes(format, rows, cols);
    num_others -= uint64_t{rows} * cols;
  };
  if (const auto formats = FileTypeFormatsOf(scheme, source)) {
    count_table(*formats->embedding);
    if (!source.tied_head()) count_table(*formats->head);
  } else if (QuantizesHead(scheme)) {
    count_table(scheme.head_format);
  }
  return bytes + num_others * BytesOfWeight(plain);
}

LaneSize SizeOf(const Scheme& scheme, const ModelSource& source) {
  LaneSize size;
  for (size_t layer = 0; layer < source.config().num_layers; ++layer) {
    const BlockFormats formats(scheme, source.config(), layer);
    const std::vector<LinearSpec>& linears = source.plan(layer).linears;
    for (size_t i = 0; i < linears.size(); ++i) AddLinear(linears[i], formats[i], size);
  }
  size.other_bytes = OtherBytes(scheme, source);
  return size;
}

}  // namespace bitloss
