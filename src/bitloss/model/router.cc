#include "bitloss/model/router.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace bitloss {
namespace {

constexpr double kNone = -std::numeric_limits<double>::infinity();

double Sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

void Softmax(std::span<double> values) {
  const double top = *std::ranges::max_element(values);
  double total = 0.0;
  for (double& value : values) total += value = std::exp(value - top);
  for (double& value : values) value /= total;
}

std::vector<double> ScoresOf(const RouterSpec& router, std::span<const float> logits) {
  std::vector<double> scores(logits.begin(), logits.end());
  switch (router.score) {
    case RouterSpec::Score::kSoftmax:
      Softmax(scores);
      break;
    case RouterSpec::Score::kSigmoid:
      for (double& score : scores) score = Sigmoid(score);
      break;
    case RouterSpec::Score::kNone:
      break;
  }
  return scores;
}

// The places of the `count` largest, in that order; of equals the first. NaN is the smallest.
std::vector<size_t> Largest(std::span<const double> values, size_t count) {
  const auto order = [values](size_t i) { return std::isnan(values[i]) ? kNone : values[i]; };
  std::vector<size_t> places(values.size());
  std::iota(places.begin(), places.end(), size_t{0});
  std::ranges::stable_sort(places, std::ranges::greater(), order);
  places.resize(count);
  return places;
}

// What is compared: scores with their bias, those of groups that are left out last.
std::vector<double> ChoiceOf(const ExpertsSpec& experts, std::span<const double> scores,
                             std::span<const float> bias) {
  const RouterSpec& router = experts.router;
  std::vector<double> choice(scores.begin(), scores.end());
  for (size_t e = 0; e < bias.size(); ++e) choice[e] += double{bias[e]};
  if (router.groups == 1) return choice;
  const size_t size = experts.count / router.groups;
  std::vector<double> of_group;
  for (size_t g = 0; g < router.groups; ++g) {
    const auto members = std::span(choice).subspan(g * size, size);
    const size_t counted = router.group_score == RouterSpec::GroupScore::kLargest ? 1 : 2;
    double score = 0.0;
    for (const size_t place : Largest(members, counted)) score += members[place];
    of_group.push_back(score);
  }
  std::vector<bool> is_kept(router.groups);
  for (const size_t g : Largest(of_group, router.groups_kept)) is_kept[g] = true;
  for (size_t e = 0; e < choice.size(); ++e) {
    if (!is_kept[e / size]) choice[e] = kNone;
  }
  return choice;
}

void Weigh(const RouterSpec& router, std::span<double> weights) {
  switch (router.weights) {
    case RouterSpec::Weights::kScores:
      break;
    case RouterSpec::Weights::kNormalized: {
      // DeepSeek's guard against no score at all.
      const double guard = router.score == RouterSpec::Score::kSigmoid ? 1e-20 : 0.0;
      const double total = std::accumulate(weights.begin(), weights.end(), guard);
      for (double& weight : weights) weight /= total;
      break;
    }
    case RouterSpec::Weights::kSoftmax:
      Softmax(weights);
      break;
    case RouterSpec::Weights::kSigmoid:
      for (double& weight : weights) weight = Sigmoid(weight);
      break;
  }
  for (double& weight : weights) weight *= router.scale;
}

}  // namespace

Routing Route(const ExpertsSpec& experts, ConstMatrixView logits,
              std::span<const float> selection_bias, std::span<const float> expert_scale) {
  Routing routing;
  routing.experts.resize(experts.count);
  std::vector<double> weights(experts.chosen);
  for (size_t row = 0; row < logits.rows; ++row) {
    const std::vector<double> scores = ScoresOf(experts.router, logits.Row(row));
    const std::vector<size_t> chosen =
        Largest(ChoiceOf(experts, scores, selection_bias), experts.chosen);
    for (size_t i = 0; i < chosen.size(); ++i) weights[i] = scores[chosen[i]];
    Weigh(experts.router, weights);
    for (size_t i = 0; i < chosen.size() && !expert_scale.empty(); ++i) {
      weights[i] *= double{expert_scale[chosen[i]]};
    }
    for (size_t i = 0; i < chosen.size(); ++i) {
      routing.experts[chosen[i]].rows.push_back(row);
      routing.experts[chosen[i]].weights.push_back(static_cast<float>(weights[i]));
    }
  }
  return routing;
}

}  // namespace bitloss
