#include "bitloss/checkpoint/layouts/mxfp4.h"

#include <nlohmann/json.hpp>

#include "bitloss/checkpoint/layouts/parts.h"

namespace bitloss {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kBlock = 32;

Status ReadMatrix(const StoredTensors& tensors, const std::string& module, const Format& format,
                  QuantizedTensors& to) {
  BITLOSS_TRY(const SafetensorsEntry* blocks, FindPart(tensors, module + "_blocks", {"U8"}));
  if (blocks->shape.size() != 4 || blocks->shape[3] != kBlock / 2) {
    return BadInput("tensor '{}' has shape [{}], not [experts, out, in / 32, 16]", blocks->name,
                    fmt::join(blocks->shape, ", "));
  }
  const std::vector<uint64_t>& shape = blocks->shape;
  BITLOSS_TRY(const SafetensorsEntry* scales,
              FindPart(tensors, module + "_scales", {"U8"}, {shape[0], shape[1], shape[2]}));
  QuantizedTensor matrix;
  matrix.type = format.name;
  matrix.rows = shape[0] * shape[1];
  matrix.cols = shape[2] * kBlock;
  matrix.num_bytes = blocks->bytes.size() + scales->bytes.size();
  matrix.load = [format, rows = matrix.rows, cols = matrix.cols, codes = blocks->bytes,
                 exponents = scales->bytes]() -> Result<EncodedMatrix> {
    return EncodedMatrix{
        .format = format, .rows = rows, .cols = cols, .codes = codes, .scales = exponents};
  };
  AddMatrix(module, std::move(matrix), {blocks, scales}, to);
  return Ok();
}

Result<QuantizedTensors> Read(const Json&, const StoredTensors& tensors) {
  BITLOSS_TRY(const Format format, ParseFormat("mxfp4"));
  QuantizedTensors quantized;
  quantized.quantization.method = "mxfp4";
  quantized.is_published_form = true;
  for (const std::string& module : ModulesWith(tensors, "_blocks")) {
    BITLOSS_DO(ReadMatrix(tensors, module, format, quantized));
  }
  return quantized;
}

}  // namespace

Layout MxFp4Layout() {
  return {.name = "mxfp4",
          .recognizes = [](const Json& config) { return IsMethod(config, "mxfp4"); },
          .read = Read,
          .supports = [](const Format&, const Execution&, size_t, size_t) -> Status {
            return Unsupported("mxfp4 is only read");
          }};
}

}  // namespace bitloss
