#include "bitloss/quant/formats/fp4/fp4.h"

#include "bitloss/quant/formats/block4/plain_absmax.h"

namespace bitloss {

const Block4Table& Fp4Table() {
  static const Block4Table kTable = [] {
    constexpr std::array<float, 8> kTwelfths = {0.0f, 0.0625f, 8.0f, 12.0f, 4.0f, 6.0f, 2.0f, 3.0f};
    std::array<float, 16> levels{};
    for (size_t code = 0; code < kTwelfths.size(); ++code) {
      levels[code] = kTwelfths[code] / 12.0f;
      levels[code + 8] = 0.0f - levels[code];  // both zeros are +0
    }
    return MakeBlock4Table(levels);
  }();
  return kTable;
}

FormatFamily Fp4Family() {
  return {.name = "fp4",
          .summary = "bitsandbytes' 4-bit float, an absmax for 64 weights",
          .source = "bitsandbytes",
          .make = [](std::span<const std::string_view> parameters) {
            static const Format kFormat = PlainBlock4Format<Fp4Table>("fp4");
            return WithoutParameters(kFormat, parameters);
          }};
}

}  // namespace bitloss
