// What is measured at every scored token: one struct, and one list of its members that messages
// between ranks, the store and everything else that treats all members alike go through. Another
// metric is a member here, a line in the list, a column in store/schema.cc, and its formula.
#ifndef BITLOSS_METRICS_TOKEN_SCORES_H_
#define BITLOSS_METRICS_TOKEN_SCORES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <tuple>
#include <vector>

namespace bitloss {

// One lane's numbers on the scored tokens of one sequence, in nats (metrics/divergence.h). Arrays
// are as long as the number of scored tokens, or empty: not measured.
struct TokenScores {
  size_t lane = 0;               // 0: the baseline
  std::vector<double> nll = {};  // -ln q(token)
  // Of a lane other than 0: against the baseline on the same prefix, over the whole vocabulary.
  std::vector<double> kl = {};            // KL(baseline || lane)
  std::vector<double> kl_reverse = {};    // KL(lane || baseline)
  std::vector<uint8_t> top1_agrees = {};  // 1: the same most likely token; ties go to the lowest id
  // Of lane 0.
  std::vector<double> entropy = {};
  std::vector<double> top1_probability = {};
  bool operator==(const TokenScores&) const = default;
};

// Which lanes a metric is measured in.
enum class MeasuredIn { kEveryLane, kBaseline, kOtherLanes };

template <class Value>
struct TokenMetric {
  std::string_view name;  // of its column
  std::vector<Value> TokenScores::*values;
  MeasuredIn lanes;
};

// In the order of the columns.
inline constexpr std::tuple kTokenMetrics{
    TokenMetric<double>{"nll", &TokenScores::nll, MeasuredIn::kEveryLane},
    TokenMetric<double>{"kl", &TokenScores::kl, MeasuredIn::kOtherLanes},
    TokenMetric<double>{"kl_reverse", &TokenScores::kl_reverse, MeasuredIn::kOtherLanes},
    TokenMetric<uint8_t>{"top1_agrees", &TokenScores::top1_agrees, MeasuredIn::kOtherLanes},
    TokenMetric<double>{"entropy", &TokenScores::entropy, MeasuredIn::kBaseline},
    TokenMetric<double>{"top1_probability", &TokenScores::top1_probability, MeasuredIn::kBaseline},
};

// Calls `use` with each TokenMetric of the list, in its order.
template <class Use>
void ForEachTokenMetric(const Use& use) {
  std::apply([&](const auto&... metrics) { (use(metrics), ...); }, kTokenMetrics);
}

// Room for `num_scored` tokens of everything that is measured in lane `lane`.
inline TokenScores EmptyTokenScores(size_t lane, size_t num_scored) {
  TokenScores scores{.lane = lane};
  ForEachTokenMetric([&](const auto& metric) {
    if (metric.lanes == (lane == 0 ? MeasuredIn::kOtherLanes : MeasuredIn::kBaseline)) return;
    (scores.*metric.values).resize(num_scored);
  });
  return scores;
}

// Without the tokens from number `num_tokens` on.
inline void TrimTo(size_t num_tokens, TokenScores& scores) {
  ForEachTokenMetric([&](const auto& metric) {
    auto& values = scores.*metric.values;
    if (values.size() > num_tokens) values.resize(num_tokens);
  });
}

// How long the arrays are: empty, or all the same; none if they disagree.
inline std::optional<size_t> CommonLength(const TokenScores& scores) {
  std::optional<size_t> common = 0;
  ForEachTokenMetric([&](const auto& metric) {
    const size_t length = (scores.*metric.values).size();
    if (length == 0 || !common || length == *common) return;
    common = *common == 0 ? std::optional(length) : std::nullopt;
  });
  return common;
}

}  // namespace bitloss

#endif  // BITLOSS_METRICS_TOKEN_SCORES_H_
