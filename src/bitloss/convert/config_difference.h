// Whether two configurations are of the same forward pass.
#ifndef BITLOSS_CONVERT_CONFIG_DIFFERENCE_H_
#define BITLOSS_CONVERT_CONFIG_DIFFERENCE_H_

#include <optional>
#include <string_view>

#include "bitloss/model/config.h"

namespace bitloss {

// In which respect they differ, the first that does; none if they compute the same of the same
// weights. Numbers that differ as FP32 writes them, and ways to say the same, make no difference.
// Whether the head is the embedding is not looked at: the tensors say it.
std::optional<std::string_view> DifferenceOf(const ModelConfig& a, const ModelConfig& b);

}  // namespace bitloss

#endif  // BITLOSS_CONVERT_CONFIG_DIFFERENCE_H_
