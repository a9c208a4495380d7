#include "bitloss/report/samples.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "bitloss/base/sum.h"
#include "bitloss/metrics/similarity.h"
#include "bitloss/report/numbers.h"
#include "bitloss/stats/clustered_mean.h"
#include "bitloss/stats/sign_flip.h"

namespace bitloss {
namespace {

// The samples of each prompt that came to an end, by sample.
using ByPrompt = std::map<size_t, std::map<uint32_t, const Answer*>>;

ByPrompt Sort(const LaneSamples& samples) {
  ByPrompt sorted;
  for (const SampledAnswer& sampled : samples) {
    if (sampled.answer.finish == FinishReason::kError) continue;
    sorted[sampled.answer.prompt][sampled.sample] = &sampled.answer;
  }
  return sorted;
}

struct Likeness {
  Sum identical;
  Sum chrf2;  // of 1
  uint64_t num_pairs = 0;

  // How `answer` resembles `reference`.
  void Add(const Answer& answer, const Answer& reference) {
    const bool same = answer.finish == reference.finish && answer.token_ids == reference.token_ids;
    const bool both_empty = answer.text.empty() && reference.text.empty();
    identical.Add(same ? 1 : 0);
    chrf2.Add(same || both_empty ? 1 : ChrF2(answer.text, reference.text) / 100);
    ++num_pairs;
  }
  double Identical() const { return identical.Total() / static_cast<double>(num_pairs); }
  double ChrF2Share() const { return chrf2.Total() / static_cast<double>(num_pairs); }
};

// Of all pairs of different samples, each once as the answer and once as the reference: chrF2 is
// not symmetric.
Likeness SelfLikeness(const std::map<uint32_t, const Answer*>& samples) {
  Likeness likeness;
  for (const auto& [a, answer] : samples) {
    for (const auto& [b, reference] : samples) {
      if (a != b) likeness.Add(*answer, *reference);
    }
  }
  return likeness;
}

Estimate MeanOf(std::span<const double> values, Range range, ThreadPool& threads) {
  std::vector<ClusterSum> clusters;
  for (const double value : values) clusters.push_back({value, 1});
  return ClusteredMean(std::span<const ClusterSum>(clusters), threads, {.range = range});
}

// sum (x - s) / sum (1 - s): 1 where the lane's answers are the baseline's, 0 where they are as far
// from them as other honest samples, below 0 where they are further. A prompt whose honest samples
// are all alike weighs nothing below the line, and counts above it. None where all prompts are so.
std::optional<Estimate> PlaceOf(std::span<const double> likeness, std::span<const double> self,
                                ThreadPool& threads) {
  std::vector<ClusterSum> clusters;
  for (size_t i = 0; i < likeness.size(); ++i) {
    clusters.push_back({likeness[i] - self[i], 1 - self[i]});
  }
  if (std::ranges::all_of(self, [](double s) { return s == 1; })) return std::nullopt;
  return ClusteredMean(std::span<const ClusterSum>(clusters), threads);
}

// The change of the share of samples that pass, for a prompt that is checked.
std::optional<double> PassChange(const std::map<uint32_t, const Answer*>& before,
                                 const std::map<uint32_t, const Answer*>& after) {
  int change = 0;
  int count = 0;
  for (const auto& [sample, answer] : after) {
    const auto base = before.find(sample);
    if (base == before.end() || !base->second->check || !answer->check) continue;
    if (base->second->check->undecided || answer->check->undecided) continue;
    change += int{answer->check->passed} - int{base->second->check->passed};
    ++count;
  }
  if (count == 0) return std::nullopt;
  return static_cast<double>(change) / count;
}

std::string Share(double share) { return FormatFixed(100 * share, 1); }
std::string Points(double share) { return FormatSigned(100 * share, 1); }
std::string Place(double place) { return FormatFixed(place, 3); }

}  // namespace

std::optional<SampleResult> MeasureSamples(const LaneSamples& baseline, const LaneSamples& lane,
                                           ThreadPool& threads) {
  const bool is_baseline = &baseline == &lane;
  const ByPrompt before = Sort(baseline);
  const ByPrompt after = Sort(lane);
  std::vector<double> identical, chrf2, self_identical, self_chrf2, pass_changes;
  SampleResult result;
  for (const auto& [prompt, ours] : after) {
    const auto base = before.find(prompt);
    if (base == before.end() || base->second.size() < 2) continue;
    Likeness likeness;
    for (const auto& [sample, answer] : ours) {
      const auto same_dice = base->second.find(sample);
      if (same_dice != base->second.end()) likeness.Add(*answer, *same_dice->second);
    }
    if (likeness.num_pairs == 0) continue;
    const Likeness self = SelfLikeness(base->second);
    result.num_per_prompt = std::max<uint64_t>(result.num_per_prompt, ours.size());
    self_identical.push_back(self.Identical());
    result.num_varying += self.Identical() < 1 ? 1 : 0;
    self_chrf2.push_back(self.ChrF2Share());
    identical.push_back(likeness.Identical());
    chrf2.push_back(likeness.ChrF2Share());
    if (const auto change = PassChange(base->second, ours)) pass_changes.push_back(*change);
  }
  if (identical.empty()) return std::nullopt;
  result.num_prompts = identical.size();
  result.self_identical = MeanOf(self_identical, Range::kShare, threads);
  result.self_chrf2 = MeanOf(self_chrf2, Range::kShare, threads);
  if (is_baseline) return result;
  result.identical = MeanOf(identical, Range::kShare, threads);
  result.chrf2 = MeanOf(chrf2, Range::kShare, threads);
  result.identical_place = PlaceOf(identical, self_identical, threads);
  result.chrf2_place = PlaceOf(chrf2, self_chrf2, threads);
  if (!pass_changes.empty()) {
    result.pass_change = MeanOf(pass_changes, Range::kAny, threads);
    result.pass_p = SignFlipPValue(pass_changes);
  }
  return result;
}

Table SampleTable(const ReportData& report, size_t suite) {
  Table table{{{"Lane", "", Align::kLeft},
               {"Identical", "% of samples", Align::kRight},
               {"Place", "0 honest, 1 same", Align::kRight},
               {"chrF2", "of 100", Align::kRight},
               {"Place", "0 honest, 1 same", Align::kRight},
               {"Passed, change", "points", Align::kRight},
               {"p", "sign flips", Align::kRight}},
              {}};
  for (const LaneResult& lane : report.lanes) {
    const SuiteResult* result = FindSuite(lane, suite);
    if (result == nullptr || !result->samples) continue;
    const SampleResult& samples = *result->samples;
    if (lane.record.baseline) {
      table.rows.push_back({{lane.record.scheme + ", other dice", ""},
                            EstimateCell(samples.self_identical, Share),
                            {"0", "by definition"},
                            EstimateCell(samples.self_chrf2, Share),
                            {"0", "by definition"},
                            {},
                            {}});
      continue;
    }
    table.rows.push_back({{lane.record.scheme, ""},
                          EstimateCell(samples.identical, Share),
                          EstimateCell(samples.identical_place, Place),
                          EstimateCell(samples.chrf2, Share),
                          EstimateCell(samples.chrf2_place, Place),
                          EstimateCell(samples.pass_change, Points),
                          {samples.pass_p ? fmt::format("{:.2g}", *samples.pass_p) : "", ""}});
  }
  if (!table.rows.empty()) table.DropEmptyColumns();
  return table;
}

std::string SampleCaption(const ReportData& report, size_t suite) {
  const SuiteResult* baseline = FindSuite(report.lanes[0], suite);
  if (baseline == nullptr || !baseline->samples) return {};
  return fmt::format(
      "{} samples of each of {} prompts, drawn with the same dice in every lane. Place: 1 where a "
      "lane's samples are the baseline's, 0 where they are as different as two honest samples of "
      "the baseline itself, under other dice (first row), below 0 where they are further off. "
      "Honest samples differ on {} of the prompts; on the others every difference counts against "
      "the lane. 95% intervals over prompts.",
      baseline->samples->num_per_prompt, baseline->samples->num_prompts,
      baseline->samples->num_varying);
}

}  // namespace bitloss
