#include "bitloss/data/checks/chrf.h"

#include <algorithm>
#include <map>

#include "bitloss/data/checks/answer_text.h"
#include "bitloss/data/checks/list.h"

namespace bitloss {
namespace {

constexpr size_t kMaxOrder = 6;

using Counts = std::map<std::u32string, size_t>;

std::u32string WithoutWhiteSpace(std::string_view text) {
  std::u32string out;
  const std::string spaced = Normalize(text, {.casefold = false, .collapse_ws = true});
  for (const CodePoint& c : CodePoints(spaced)) {
    if (c.value != ' ') out += static_cast<char32_t>(c.value);
  }
  return out;
}

Counts CountNgrams(const std::u32string& text, size_t order) {
  Counts counts;
  for (size_t i = 0; i + order <= text.size(); ++i) ++counts[text.substr(i, order)];
  return counts;
}

size_t CountOf(const std::u32string& text, size_t order) {
  return text.size() < order ? 0 : text.size() - order + 1;
}

}  // namespace

double Chrf(std::string_view hypothesis, std::string_view reference) {
  constexpr double kBetaSquared = 4.0;
  const std::u32string h = WithoutWhiteSpace(hypothesis);
  const std::u32string r = WithoutWhiteSpace(reference);
  double precision = 0.0;
  double recall = 0.0;
  size_t orders = 0;
  for (size_t order = 1; order <= kMaxOrder; ++order) {
    if (CountOf(h, order) == 0 || CountOf(r, order) == 0) break;
    const Counts wanted = CountNgrams(r, order);
    size_t matches = 0;
    for (const auto& [ngram, count] : CountNgrams(h, order)) {
      const auto found = wanted.find(ngram);
      if (found != wanted.end()) matches += std::min(count, found->second);
    }
    precision += static_cast<double>(matches) / static_cast<double>(CountOf(h, order));
    recall += static_cast<double>(matches) / static_cast<double>(CountOf(r, order));
    ++orders;
  }
  if (orders == 0 || precision + recall == 0.0) return 0.0;
  precision /= static_cast<double>(orders);
  recall /= static_cast<double>(orders);
  return (1.0 + kBetaSquared) * precision * recall / (kBetaSquared * precision + recall);
}

// `references`: the best of them counts; at least `min` (in [0, 1]).
Result<Judge> CompileChrf(Fields& fields) {
  BITLOSS_TRY(const std::vector<std::string> references, fields.Strings("references"));
  BITLOSS_TRY(const double min, fields.Number("min"));
  if (!(min > 0.0 && min <= 1.0)) return fields.Bad("min", "must be in (0, 1]");
  return Judge([references, min](const AnswerView& answer) -> Verdict {
    double best = 0.0;
    for (const std::string& reference : references) {
      best = std::max(best, Chrf(answer.scoped, reference));
    }
    return {best >= min, fmt::format("chrF2 {:.3f}", best)};
  });
}

}  // namespace bitloss
