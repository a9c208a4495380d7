// What formats without parameters have in common.
#ifndef BITLOSS_QUANT_FORMATS_NO_PARAMETERS_H_
#define BITLOSS_QUANT_FORMATS_NO_PARAMETERS_H_

#include <span>
#include <string_view>

#include "bitloss/base/result.h"
#include "bitloss/quant/format.h"

namespace bitloss {

// `format`; kBadInput if any parameter is given.
inline Result<Format> WithoutParameters(const Format& format,
                                        std::span<const std::string_view> parameters) {
  if (parameters.empty()) return format;
  return BadInput("format {} takes no parameters, but has ':{}'", format.name, parameters[0]);
}

// Format::supports of a format that takes any matrix.
inline Status SupportsEveryShape(const Format&, size_t, size_t) { return Ok(); }

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_NO_PARAMETERS_H_
