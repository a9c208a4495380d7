#include "bitloss/study/outline.h"

#include <algorithm>
#include <map>

#include "bitloss/eval/continuations.h"
#include "bitloss/model/lane_size.h"
#include "bitloss/stats/clustered_mean.h"
#include "bitloss/stats/power.h"
#include "bitloss/study/memory.h"
#include "bitloss/study/room.h"
#include "bitloss/study/stored_types.h"
#include "bitloss/study/study_plan.h"

namespace bitloss {
namespace {

// Of prompts: what a mild lane regains by chance.
constexpr double kRecovery = 0.02;

// Clusters of a text by their scored tokens.
std::vector<ClusterSum> ClusterSizes(const Windows& windows) {
  std::map<uint32_t, double> sizes;
  for (const Sequence& sequence : windows.sequences) {
    for (const uint32_t cluster : sequence.clusters) sizes[cluster] += 1;
  }
  std::vector<ClusterSum> clusters;
  for (const auto& [cluster, size] : sizes) clusters.push_back({0.0, size});
  return clusters;
}

Result<LaneSize> SizeOfPlan(const LanePlan& plan, const ModelSource& source) {
  if (!plan.stored) return plan.mixed ? SizeOf(*plan.mixed, source) : SizeOf(plan.scheme, source);
  const ModelSource& stored = plan.stored->source;
  BITLOSS_TRY(const StoredTypes types, FindStoredTypes(stored.checkpoint()));
  LaneSize size;
  size.linear_bytes = types.num_bytes;
  return size;
}

bool TakesAFit(const LanePlan& plan) {
  if (plan.stored) return false;
  if (!plan.mixed) return TakesAFit(plan.scheme);
  return std::ranges::any_of(plan.mixed->components,
                             [](const Scheme& scheme) { return TakesAFit(scheme); });
}

bool Calibrates(const LanePlan& plan) {
  if (plan.stored) return false;
  if (!plan.mixed) return Calibrates(plan.scheme);
  return std::ranges::any_of(plan.mixed->components,
                             [](const Scheme& scheme) { return Calibrates(scheme); });
}

// Weights that a token is multiplied with in the blocks: of experts those that it takes.
double ActiveWeights(const ModelSource& source) {
  const auto all = static_cast<double>(source.num_linear_parameters());
  if (!source.config().experts) return all;
  const auto experts = static_cast<double>(source.num_expert_parameters());
  const ExpertsSpec& spec = *source.config().experts;
  return all - experts +
         experts * static_cast<double>(spec.chosen) / static_cast<double>(spec.count);
}

double MultiplyAdds(const StudyOutline& outline, const ModelSource& source) {
  const double head = static_cast<double>(source.config().vocab_size) *
                      static_cast<double>(source.config().hidden_size);
  double tokens = 0, predictions = 0;
  for (const TextOutline& text : outline.texts) {
    tokens += static_cast<double>(text.num_tokens);
    predictions += static_cast<double>(text.num_predictions);
  }
  for (const TaskOutline& task : outline.tasks) {
    tokens += static_cast<double>(task.num_tokens);
    predictions += static_cast<double>(task.num_predictions);
  }
  return static_cast<double>(outline.lanes.size()) *
         (tokens * ActiveWeights(source) + predictions * head);
}

size_t NumGroups(const Room& room, std::span<const StudyText> texts) {
  size_t count = 0;
  for (const StudyText& text : texts) {
    std::vector<ScoredSequence> sequences;
    for (const Sequence& sequence : text.windows.sequences) {
      sequences.push_back({sequence.tokens, sequence.first_scored});
    }
    if (!sequences.empty()) count += room.Groups(sequences).size();
  }
  return count;
}

Status OutlineMemory(const StudyPlan& plan, std::span<const LanePlan> lanes,
                     const BlockBytes& blocks, uint64_t max_bytes, StudyOutline& outline) {
  const ModelConfig& config = plan.model.source.config();
  const Asked asked = {plan.texts, plan.suites, plan.tasks, plan.calibration.num_tokens()};
  BITLOSS_TRY(const Room room, PlanRoom(config, blocks, lanes, asked, {.bytes = max_bytes}));
  outline.memory_bytes = room.holds_all ? BytesToHoldAll(config, blocks, asked) : max_bytes;
  if (!room.holds_all) outline.num_groups = NumGroups(room, plan.texts);
  return Ok();
}

}  // namespace

TextOutline OutlineOf(const StudyText& text) {
  const Windows& windows = text.windows;
  TextOutline outline;
  outline.title = fmt::format("{}, {}", text.record.text, text.record.id);
  outline.num_sequences = windows.sequences.size();
  for (const Sequence& sequence : windows.sequences) outline.num_tokens += sequence.tokens.size();
  outline.num_predictions = windows.num_predictions;
  outline.warnings = windows.warnings;
  outline.cluster_kind = text.record.cluster_kind;
  const std::vector<ClusterSum> clusters = ClusterSizes(windows);
  outline.num_clusters = clusters.size();
  if (!clusters.empty()) outline.effective_clusters = EffectiveClusters(clusters);
  return outline;
}

SuiteOutline OutlineOf(const StudySuite& suite, double alpha) {
  SuiteOutline outline;
  outline.id = suite.suite.id;
  outline.num_prompts = suite.prompts.size();
  for (const SuitePrompt& prompt : suite.suite.prompts) {
    outline.num_checked += prompt.checks.empty() ? 0 : 1;
  }
  for (const GenerationPrompt& prompt : suite.prompts) {
    outline.prompt_tokens += prompt.tokens.size();
    outline.most_answer_tokens += prompt.max_new_tokens;
  }
  outline.smallest_flips = SmallestOneWayFlips(alpha);
  if (outline.num_checked > 0) {
    outline.smallest_drop = SmallestResolvableDrop(outline.num_checked, kRecovery, alpha);
  }
  return outline;
}

TaskOutline OutlineOf(const StudyTask& task, double alpha) {
  std::vector<Continuation> continuations;
  TaskOutline outline;
  for (const auto& item : task.continuations) {
    for (const EncodedContinuation& one : item) {
      continuations.push_back({one.tokens, one.first_scored});
      outline.num_predictions += one.num_scored();
    }
  }
  outline.id = task.record.id;
  outline.num_items = task.items.size();
  outline.num_tokens = NumDistinctTokens(continuations);
  outline.smallest_flips = SmallestOneWayFlips(alpha);
  return outline;
}

TestsOutline OutlineOfTests(std::span<const LanePlan> lanes, size_t num_texts, size_t num_others) {
  const auto controls = static_cast<size_t>(
      std::ranges::count_if(lanes, [](const LanePlan& lane) { return lane.record.control; }));
  const size_t tested = lanes.size() - 1 - controls;
  TestsOutline outline;
  outline.num_tests = tested * (num_texts * (controls > 0 ? 2 : 1) + num_others);
  outline.alpha = 0.05 / static_cast<double>(std::max<size_t>(1, outline.num_tests));
  return outline;
}

Result<StudyOutline> OutlineStudy(const StudyOptions& options) {
  BITLOSS_TRY(const StudyPlan plan, ReadStudyPlan(options));
  BITLOSS_TRY(const std::vector<LanePlan> lanes,
              PlanLanes(plan.model, options, plan.calibration, {}));
  const ModelSource& source = plan.model.source;
  StudyOutline outline;
  outline.tests = OutlineOfTests(lanes, plan.texts.size(), plan.suites.size() + plan.tasks.size());
  BlockBytes blocks;
  blocks.block_weights = LargestBlock(source.config());
  blocks.resident = PrivateResidentBytes();
  for (const LanePlan& lane : lanes) {
    BITLOSS_TRY(const LaneSize size, SizeOfPlan(lane, source));
    const uint64_t bytes = size.total_bytes();
    outline.lanes.push_back(
        {lane.record.scheme, bytes,
         8.0 * static_cast<double>(bytes) / static_cast<double>(source.num_parameters()),
         TakesAFit(lane)});
    if (Calibrates(lane)) outline.calibration_tokens = plan.calibration.num_tokens();
    // A checkpoint of its own stays in memory whole; of others, what is no block.
    blocks.of_lanes.push_back(lane.stored ? 0 : size.linear_bytes);
    blocks.resident += lane.stored ? bytes : 0;
    if (&lane == &lanes[0]) blocks.resident += 2 * size.other_bytes;  // the head's packed form, too
  }
  for (const StudyText& text : plan.texts) outline.texts.push_back(OutlineOf(text));
  for (const StudySuite& suite : plan.suites) {
    outline.suites.push_back(OutlineOf(suite, outline.tests.alpha));
  }
  for (const StudyTask& task : plan.tasks) {
    outline.tasks.push_back(OutlineOf(task, outline.tests.alpha));
  }
  outline.multiply_adds = MultiplyAdds(outline, source);
  BITLOSS_DO(OutlineMemory(plan, lanes, blocks, options.memory_bytes, outline));
  return outline;
}

}  // namespace bitloss
