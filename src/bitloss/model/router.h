// Which experts a token goes to, and what they weigh (config.h says by which rules).
#ifndef BITLOSS_MODEL_ROUTER_H_
#define BITLOSS_MODEL_ROUTER_H_

#include <span>
#include <vector>

#include "bitloss/model/config.h"
#include "bitloss/tensor/matrix.h"

namespace bitloss {

// By expert: the rows that go to it, ascending, and its weight in each.
struct Routing {
  struct Visits {
    std::vector<size_t> rows;
    std::vector<float> weights;
  };
  std::vector<Visits> experts;
};

// `logits` [rows][experts]; `selection_bias` and `expert_scale` [experts], or empty. In double; a
// token's experts depend on its own row alone. A logit that is not a number makes its token's
// weights so.
Routing Route(const ExpertsSpec& experts, ConstMatrixView logits,
              std::span<const float> selection_bias, std::span<const float> expert_scale = {});

}  // namespace bitloss

#endif  // BITLOSS_MODEL_ROUTER_H_
