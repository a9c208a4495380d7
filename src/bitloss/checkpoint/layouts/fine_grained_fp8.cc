#include "bitloss/checkpoint/layouts/fine_grained_fp8.h"

#include <nlohmann/json.hpp>

#include "bitloss/checkpoint/layouts/compressed_floats.h"
#include "bitloss/checkpoint/layouts/parts.h"

namespace bitloss {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kScale = "weight_scale_inv";

Result<QuantizedTensors> Read(const Json& config, const StoredTensors& tensors) {
  const auto type = config.find("fmt");
  if (type != config.end() && !type->is_null() && *type != "e4m3") {
    return Unsupported("fp8 of type {}; read is e4m3",
                       type->dump(-1, ' ', /*ensure_ascii=*/true).substr(0, 30));
  }
  const auto block = config.find("weight_block_size");
  if (block != config.end() && !block->is_null() && *block != Json{128, 128}) {
    return Unsupported("fp8 in blocks of {}; read are [128,128]",
                       block->dump(-1, ' ', /*ensure_ascii=*/true).substr(0, 30));
  }
  QuantizedTensors quantized;
  quantized.quantization.method = "fine-grained fp8";
  BITLOSS_TRY(const std::string scheme, StringOption(config, "activation_scheme", "dynamic"));
  const std::string rounds =
      DescribeRounding({{"type", "float"}, {"num_bits", 8}, {"strategy", scheme}});
  const bool in_blocks = block != config.end() && !block->is_null();
  if (scheme == "dynamic" && in_blocks) {
    BITLOSS_TRY(quantized.quantization.execution,
                ParseExecution("fp8:block", Execution{}.outlier_threshold));
    quantized.quantization.rounds = rounds;
  } else {
    AddNotRun("inputs of linears rounded to " + rounds, quantized.quantization);
  }
  NoteUnknownEntries(config, "quantization_config",
                     {"quant_method", "fmt", "activation_scheme", "weight_block_size",
                      "modules_to_not_convert", "ignored_layers"},
                     quantized.quantization);
  for (const std::string& module : ModulesWith(tensors, fmt::format(".{}", kScale))) {
    BITLOSS_DO(ReadFp8(tensors, module, kScale, quantized));
  }
  return quantized;
}

Status Supports(const Format& format, const Execution& execution, size_t rows, size_t cols) {
  if (format.name != "fp8_e4m3:block") {
    return Unsupported("fp8 holds fp8_e4m3:block, not {}", format.name);
  }
  if (DefinitionOf(execution) != "@fp8:block") {
    return Unsupported(
        "fp8 is served with inputs of linears in FP8: write fp8-block, or the weights alone as "
        "compressed-tensors");
  }
  constexpr size_t kBlock = 128;
  if (rows % kBlock != 0 || cols % kBlock != 0) {
    return Unsupported(
        "fp8 is written where {} divides both sides, not {} x {}, as its loaders need it; "
        "compressed-tensors holds the same blocks",
        kBlock, rows, cols);
  }
  return format.supports(format, rows, cols);
}

}  // namespace

Layout FineGrainedFp8Layout() {
  return {.name = "fp8",
          .recognizes = [](const Json& config) { return IsMethod(config, "fp8"); },
          .read = Read,
          .supports = Supports,
          .write = [](const std::string& module, const EncodedMatrix& matrix)
              -> Result<std::vector<SafetensorsEntry>> { return WriteFp8(module, kScale, matrix); },
          .config = [](const Format&, const Execution&,
                       LeftAlone left_alone) -> nlohmann::ordered_json {
            nlohmann::ordered_json config = {{"quant_method", "fp8"},
                                             {"fmt", "e4m3"},
                                             {"activation_scheme", "dynamic"},
                                             {"weight_block_size", {128, 128}}};
            if (!left_alone.empty()) config["modules_to_not_convert"] = WithHead(left_alone);
            return config;
          }};
}

}  // namespace bitloss
