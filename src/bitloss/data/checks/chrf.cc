#include <algorithm>

#include "bitloss/data/checks/list.h"
#include "bitloss/metrics/similarity.h"

namespace bitloss {

// `references`: the best of them counts; at least `min` (in [0, 1]; ChrF2 is of 100).
Result<CheckFunction> CompileChrf(Fields& fields) {
  BITLOSS_TRY(const std::vector<std::string> references, fields.Strings("references"));
  BITLOSS_TRY(const double min, fields.Number("min"));
  if (!(min > 0.0 && min <= 1.0)) return fields.Bad("min", "must be in (0, 1]");
  return CheckFunction([references, min](const AnswerView& answer) -> Judged {
    double best = 0.0;
    for (const std::string& reference : references) {
      best = std::max(best, ChrF2(answer.scoped, reference) / 100);
    }
    return Decide(best >= min, fmt::format("chrF2 {:.3f}", best));
  });
}

}  // namespace bitloss
