#include "bitloss/quant/formats/nf4/nf4.h"

#include "bitloss/quant/formats/block4/plain_absmax.h"

namespace bitloss {

const Block4Table& Nf4Table() {
  static const Block4Table kTable = MakeBlock4Table(
      {-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f,
       -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.0f,
       0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
       0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f});
  return kTable;
}

FormatFamily Nf4Family() {
  return {.name = "nf4",
          .summary = "4-bit NormalFloat, an absmax for 64 weights",
          .source = "bitsandbytes; Dettmers et al. 2023, arXiv 2305.14314",
          .make = [](std::span<const std::string_view> parameters) {
            static const Format kFormat = PlainBlock4Format<Nf4Table>("nf4");
            return WithoutParameters(kFormat, parameters);
          }};
}

}  // namespace bitloss
