// The list of layouts.
#include <algorithm>
#include <array>

#include "bitloss/checkpoint/layouts/awq.h"
#include "bitloss/checkpoint/layouts/bitsandbytes.h"
#include "bitloss/checkpoint/layouts/compressed_tensors.h"
#include "bitloss/checkpoint/layouts/fine_grained_fp8.h"
#include "bitloss/checkpoint/layouts/gptq.h"
#include "bitloss/checkpoint/layouts/layout.h"

namespace bitloss {

std::span<const Layout> Layouts() {
  static const std::array kLayouts = {
      Bitsandbytes4BitLayout(),  Bitsandbytes8BitLayout(), AwqLayout(), GptqLayout(),
      CompressedTensorsLayout(), FineGrainedFp8Layout()};
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
    if (layout.recognizes(config)) return layout.read(config, tensors);
    names.push_back(layout.name);
  }
  const auto method = config.find("quant_method");
  return Unsupported("quantized by {}, which is not read; read are {}",
                     method != config.end() && method->is_string()
                         ? method->dump(-1, ' ', /*ensure_ascii=*/true)
                         : "an unnamed tool",
                     fmt::join(names, ", "));
}

}  // namespace bitloss
