#include "bitloss/quant/formats/nf4_dq/nf4_dq.h"

#include "bitloss/quant/formats/block4/nested_absmax.h"
#include "bitloss/quant/formats/nf4/nf4.h"
#include "bitloss/quant/formats/no_parameters.h"

namespace bitloss {

FormatFamily Nf4DqFamily() {
  return {.name = "nf4_dq",
          .summary = "nf4 whose absmax are 8-bit codes (double quantization)",
          .source = "bitsandbytes; Dettmers et al. 2023, arXiv 2305.14314",
          .make = [](std::span<const std::string_view> parameters) {
            static const Format kFormat = NestedBlock4Format<Nf4Table>("nf4_dq");
            return WithoutParameters(kFormat, parameters);
          }};
}

}  // namespace bitloss
