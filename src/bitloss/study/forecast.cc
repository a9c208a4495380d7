#include "bitloss/study/forecast.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "bitloss/compute/devices.h"
#include "bitloss/eval/scoring.h"
#include "bitloss/stats/clustered_mean.h"
#include "bitloss/stats/power.h"
#include "bitloss/study/lane_set.h"
#include "bitloss/study/lanes.h"
#include "bitloss/study/memory.h"
#include "bitloss/study/model_files.h"
#include "bitloss/study/prompts.h"
#include "bitloss/study/room.h"
#include "bitloss/study/study_plan.h"
#include "bitloss/study/texts.h"

namespace bitloss {
namespace {

// A pilot has at least this many tokens, and sequences.
constexpr size_t kPilotTokens = 8192;
constexpr size_t kPilotSequences = 8;
// Decoding steps that are timed.
constexpr size_t kTimedTokens = 4;

// Sequences spread evenly, enough of them.
std::vector<const Sequence*> PilotOf(const Windows& windows) {
  const double mean_tokens = static_cast<double>(windows.num_tokens) /
                             static_cast<double>(std::max<size_t>(1, windows.sequences.size()));
  const auto by_tokens = static_cast<size_t>(std::ceil(kPilotTokens / std::max(1.0, mean_tokens)));
  const size_t count = std::min(windows.sequences.size(), std::max(kPilotSequences, by_tokens));
  std::vector<const Sequence*> pilot;
  for (size_t i = 0; i < count; ++i) {
    pilot.push_back(&windows.sequences[i * windows.sequences.size() / count]);
  }
  return pilot;
}

// sqrt(k / (k - 1) sum of squared residuals) / n: the error of a ratio of sums over k clusters.
// None for one cluster.
std::optional<double> StandardError(std::span<const ClusterSum> clusters) {
  if (clusters.size() < 2) return std::nullopt;
  const double ratio = RatioOfSums(clusters);
  double squares = 0;
  double count = 0;
  for (const ClusterSum& cluster : clusters) {
    const double residual = cluster.sum - ratio * cluster.count;
    squares += residual * residual;
    count += cluster.count;
  }
  const auto k = static_cast<double>(clusters.size());
  return std::sqrt(k / (k - 1) * squares) / count;
}

class Forecaster {
 public:
  Forecaster(Transformer& transformer, std::vector<NamedLane> lanes, const LaneSet& set,
             const Room& room, double alpha)
      : transformer_(transformer),
        lanes_(std::move(lanes)),
        set_(set),
        room_(room),
        alpha_(alpha) {}

  Result<TextForecast> Text(const StudyText& text) {
    const Windows& windows = text.windows;
    TextForecast forecast{OutlineOf(text), 0, {}, {}, 0, 0.0};
    if (forecast.num_clusters == 0) return forecast;

    std::vector<const Sequence*> pilot = PilotOf(windows);
    std::vector<ScoredSequence> sequences;
    for (const Sequence* sequence : pilot) {
      sequences.push_back({sequence->tokens, sequence->first_scored});
    }
    if (!room_.holds_all) {  // one group, which is what fits
      sequences.resize(room_.Groups(sequences).front().second);
      pilot.resize(sequences.size());
    }
    const double made_before = MakingSeconds();
    Scorer scorer(transformer_, lanes_);
    BITLOSS_TRY(const Scorer::GroupScores scores, scorer.Score(sequences));
    forecast.pilot_tokens = scores.num_tokens;
    double seconds = 0;
    for (const double lane : scores.lane_seconds) seconds += lane;
    seconds_per_token_ = seconds / static_cast<double>(scores.num_tokens);
    forecast.seconds = seconds_per_token_ * static_cast<double>(forecast.num_tokens);
    if (!room_.holds_all) {  // every group makes every block
      std::vector<ScoredSequence> all;
      for (const Sequence& sequence : windows.sequences) {
        all.push_back({sequence.tokens, sequence.first_scored});
      }
      seconds_per_group_ = MakingSeconds() - made_before;
      forecast.num_groups = room_.Groups(all).size();
      forecast.seconds += seconds_per_group_ * static_cast<double>(forecast.num_groups);
    }
    FindNoisiest(pilot, scores, forecast);
    return forecast;
  }

  // At the speed of the texts before.
  TaskForecast Task(const StudyTask& task) const {
    TaskForecast forecast{OutlineOf(task, alpha_), {}};
    if (seconds_per_token_ > 0) {
      forecast.seconds = seconds_per_token_ * static_cast<double>(forecast.num_tokens);
    }
    return forecast;
  }

  Result<SuiteForecast> Suite(const StudySuite& suite, const std::vector<int32_t>& end_tokens) {
    SuiteForecast forecast{OutlineOf(suite, alpha_), 0.0};
    std::vector<GenerationPrompt> prompts = suite.prompts;
    for (GenerationPrompt& prompt : prompts) {
      prompt.max_new_tokens = std::min(prompt.max_new_tokens, kTimedTokens);
    }
    GenerationOptions options;
    options.end_tokens = end_tokens;
    const double made_before = MakingSeconds();
    for (const NamedLane& lane : lanes_) {
      BITLOSS_TRY(const LaneWeights* weights, HoldWhole(lane));
      BITLOSS_TRY(const GenerationSpeed speed,
                  Generate(transformer_, *weights, prompts, options,
                           [](size_t, const Generated&) { return Ok(); }));
      const double per_token =
          speed.decode_tokens == 0
              ? 0.0
              : speed.decode_seconds / static_cast<double>(speed.decode_tokens);
      forecast.seconds_at_most +=
          speed.prefill_seconds + per_token * static_cast<double>(forecast.most_answer_tokens);
    }
    forecast.seconds_at_most += MakingSeconds() - made_before;
    // Then every lane reads the baseline's answers.
    forecast.seconds_at_most +=
        seconds_per_token_ *
            static_cast<double>(forecast.prompt_tokens + forecast.most_answer_tokens) +
        seconds_per_group_;
    return forecast;
  }

 private:
  // So far, of all lanes.
  double MakingSeconds() const {
    double seconds = 0.0;
    for (size_t i = 0; i < set_.size(); ++i) seconds += set_.lane(i).seconds;
    return seconds;
  }

  // The difference that the lane with the largest error resolves.
  void FindNoisiest(std::span<const Sequence* const> pilot, const Scorer::GroupScores& scores,
                    TextForecast& forecast) const {
    const double degrees = forecast.effective_clusters - 1;
    if (!EnoughClusters(forecast.effective_clusters)) return;
    for (size_t lane = 1; lane < lanes_.size(); ++lane) {
      std::map<uint32_t, ClusterSum> by_cluster;
      double num_scored = 0;
      for (size_t s = 0; s < pilot.size(); ++s) {
        const std::vector<double>& base = scores.sequences[s][0].nll;
        const std::vector<double>& ours = scores.sequences[s][lane].nll;
        for (size_t t = 0; t < ours.size(); ++t) {
          ClusterSum& cluster = by_cluster[pilot[s]->clusters[t]];
          cluster.sum += ours[t] - base[t];
          cluster.count += 1;
          num_scored += 1;
        }
      }
      std::vector<ClusterSum> clusters;
      for (const auto& [id, cluster] : by_cluster) clusters.push_back(cluster);
      const std::optional<double> error = StandardError(clusters);
      if (!error) return;
      const double whole =
          *error * std::sqrt(num_scored / static_cast<double>(forecast.num_predictions));
      const double smallest = SmallestResolvableMean(whole, degrees, alpha_);
      if (forecast.smallest_delta_nll && smallest <= *forecast.smallest_delta_nll) continue;
      forecast.smallest_delta_nll = smallest;
      forecast.noisiest_lane = lanes_[lane].name;
    }
  }

  Transformer& transformer_;
  std::vector<NamedLane> lanes_;
  const LaneSet& set_;
  const Room& room_;
  double alpha_;
  double seconds_per_token_ = 0.0;  // of all lanes together
  double seconds_per_group_ = 0.0;  // making blocks, where they are not all held
};

}  // namespace

double Forecast::SecondsAtMost() const {
  double seconds = quantize_seconds;
  for (const TextForecast& text : texts) seconds += text.seconds;
  for (const SuiteForecast& suite : suites) seconds += suite.seconds_at_most;
  for (const TaskForecast& task : tasks) seconds += task.seconds.value_or(0.0);
  return seconds;
}

Result<Forecast> ForecastStudy(const StudyOptions& options, const ProgressSink& progress) {
  BITLOSS_TRY(const StudyPlan plan, ReadStudyPlan(options));
  const auto& [model, texts, suites, tasks, calibration, manifest] = plan;
  BITLOSS_TRY(const std::vector<LanePlan> plans, PlanLanes(model, options, calibration, {}));

  ThreadPool threads(options.num_threads);
  BITLOSS_TRY(const std::unique_ptr<Backend> backend, MakeBackend(threads, options.arithmetic));
  Transformer transformer(model.source.config(), *backend);
  FittedBlocks fitted;
  LaneBuilderOptions build;
  build.calibration = calibration.sequences;
  build.seed = options.seed;
  build.importance = calibration.importance ? &*calibration.importance : nullptr;
  Progress state{"fit", 0, model.source.config().num_layers, "layers"};
  build.layer_done = [&](size_t done) {
    state.done = done;
    progress(state);
  };
  BITLOSS_TRY(const std::unique_ptr<LaneSet> set,
              LaneSet::Open(model.source, *backend, plans, options.seed, fitted));
  BITLOSS_TRY(const Room room, PlanRoom(model.source.config(), *set, plans,
                                        {texts, suites, tasks, calibration.num_tokens()},
                                        options.memory_bytes, *backend));
  BITLOSS_TRY(const std::vector<double> fit_seconds,
              FitLanes(model.source, transformer, plans, build, *OneRank(), {.blocks = fitted}));
  state.task = "quantize";
  if (room.holds_all) BITLOSS_DO(set->HoldAll(build.layer_done));

  Forecast forecast;
  std::vector<NamedLane> lanes;
  for (size_t i = 0; i < plans.size(); ++i) {
    forecast.lanes.push_back(plans[i].record.scheme);
    lanes.push_back(
        {plans[i].record.scheme, &set->lane(i).weights, room.holds_all ? nullptr : set.get(), i});
  }
  forecast.tests = OutlineOfTests(plans, texts.size(), suites.size() + tasks.size());
  for (size_t i = 0; i < plans.size(); ++i) {
    forecast.quantize_seconds += fit_seconds[i] + (room.holds_all ? set->lane(i).seconds : 0.0);
  }
  Forecaster forecaster(transformer, std::move(lanes), *set, room, forecast.tests.alpha);
  for (const StudyText& text : texts) {
    progress({"pilot, " + text.record.text, 0, 1, "texts"});
    BITLOSS_TRY(forecast.texts.emplace_back(), forecaster.Text(text));
  }
  for (const StudySuite& suite : suites) {
    progress({"pilot, " + suite.suite.id, 0, 1, "suites"});
    BITLOSS_TRY(forecast.suites.emplace_back(), forecaster.Suite(suite, model.end_tokens));
  }
  for (const StudyTask& task : tasks) forecast.tasks.push_back(forecaster.Task(task));
  forecast.peak_memory_bytes = PeakResidentBytes();
  return forecast;
}

}  // namespace bitloss
