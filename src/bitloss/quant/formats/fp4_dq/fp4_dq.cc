#include "bitloss/quant/formats/fp4_dq/fp4_dq.h"

#include "bitloss/quant/formats/block4/nested_absmax.h"
#include "bitloss/quant/formats/fp4/fp4.h"
#include "bitloss/quant/formats/no_parameters.h"

namespace bitloss {

FormatFamily Fp4DqFamily() {
  return {.name = "fp4_dq",
          .summary = "fp4 whose absmax are 8-bit codes (double quantization)",
          .source = "bitsandbytes",
          .make = [](std::span<const std::string_view> parameters) {
            static const Format kFormat = NestedBlock4Format<Fp4Table>("fp4_dq");
            return WithoutParameters(kFormat, parameters);
          }};
}

}  // namespace bitloss
