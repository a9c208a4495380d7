#include "bitloss/metrics/top_k.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "bitloss/base/check.h"

namespace bitloss {
namespace {

std::vector<int32_t> SortedIds(std::span<const ScoredToken> tokens) {
  std::vector<int32_t> ids;
  ids.reserve(tokens.size());
  for (const ScoredToken& token : tokens) ids.push_back(token.id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace

bool RanksBefore(const ScoredToken& a, const ScoredToken& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

std::vector<ScoredToken> TopK(std::span<const float> logits, size_t k) {
  BITLOSS_CHECK(logits.size() <= std::numeric_limits<int32_t>::max());
  // A heap of the best so far, the worst of them in front. Ids rise, so a later equal never
  // replaces an earlier one.
  std::vector<ScoredToken> heap;
  heap.reserve(std::min(k, logits.size()));
  for (size_t i = 0; i < logits.size() && k > 0; ++i) {
    if (heap.size() == k) {
      if (!(logits[i] > heap.front().logit)) continue;
      std::pop_heap(heap.begin(), heap.end(), RanksBefore);
      heap.pop_back();
    }
    heap.push_back({static_cast<int32_t>(i), logits[i]});
    std::push_heap(heap.begin(), heap.end(), RanksBefore);
  }
  std::sort_heap(heap.begin(), heap.end(), RanksBefore);
  return heap;
}

int32_t ArgMax(std::span<const float> logits) {
  BITLOSS_CHECK(!logits.empty());
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

double TopKOverlap(std::span<const ScoredToken> a, std::span<const ScoredToken> b) {
  BITLOSS_CHECK(a.size() == b.size() && !a.empty());
  std::vector<int32_t> both;
  std::ranges::set_intersection(SortedIds(a), SortedIds(b), std::back_inserter(both));
  return static_cast<double>(both.size()) / static_cast<double>(a.size());
}

}  // namespace bitloss
