// The list of layouts.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "bitloss/checkpoint/layouts/awq.h"
#include "bitloss/checkpoint/layouts/bitsandbytes.h"
#include "bitloss/checkpoint/layouts/compressed_tensors.h"
#include "bitloss/checkpoint/layouts/fine_grained_fp8.h"
#include "bitloss/checkpoint/layouts/gptq.h"
#include "bitloss/checkpoint/layouts/layout.h"
#include "bitloss/checkpoint/layouts/mxfp4.h"
#include "bitloss/checkpoint/layouts/parts.h"

namespace bitloss {

std::span<const Layout> Layouts() {
  static const std::array kLayouts = {
      Bitsandbytes4BitLayout(),  Bitsandbytes8BitLayout(), AwqLayout(),  GptqLayout(),
      CompressedTensorsLayout(), FineGrainedFp8Layout(),   MxFp4Layout()};
  return kLayouts;
}

const Layout* FindLayout(std::string_view name) {
  const auto layouts = Layouts();
  const auto found = std::ranges::find(layouts, name, &Layout::name);
  return found == layouts.end() ? nullptr : &*found;
}

Result<QuantizedTensors> ReadQuantizedTensors(const nlohmann::json& config,
                                              const StoredTensors& tensors) {
  std::vector<std::string_view> names;
  for (const Layout& layout : Layouts()) {
    names.push_back(layout.name);
    if (!layout.recognizes(config)) continue;
    BITLOSS_TRY(QuantizedTensors quantized, layout.read(config, tensors));
    // Whatever the weights are: keys and values are rounded by who serves them.
    if (const auto cache = config.find("kv_cache_scheme");
        cache != config.end() && !cache->is_null()) {
      AddNotRun("KV cache rounded to " + DescribeRounding(*cache), quantized.quantization);
    }
    return quantized;
  }
  const auto method = config.find("quant_method");
  return Unsupported("quantized by {}, which is not read; read are {}",
                     method != config.end() && method->is_string()
                         ? method->dump(-1, ' ', /*ensure_ascii=*/true)
                         : "an unnamed tool",
                     fmt::join(names, ", "));
}

}  // namespace bitloss
