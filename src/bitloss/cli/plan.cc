#include "bitloss/cli/plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "bitloss/cli/progress.h"
#include "bitloss/compute/bench.h"
#include "bitloss/compute/devices.h"
#include "bitloss/report/numbers.h"
#include "bitloss/stats/clustered_mean.h"
#include "bitloss/study/forecast.h"
#include "bitloss/study/outline.h"

namespace bitloss {
namespace {

std::string WhyNothingIsResolved(const TextOutline& text) {
  if (EnoughClusters(text.effective_clusters)) {
    return fmt::format("the pilot lies in one {}, and nothing says how they vary",
                       text.cluster_kind);
  }
  Estimate estimate;
  estimate.num_clusters = text.num_clusters;
  estimate.effective_clusters = text.effective_clusters;
  return WhyNoInterval(estimate, text.cluster_kind);
}

// Where lanes do not stand in memory; 0: they do.
void PrintGroups(size_t num_groups) {
  if (num_groups == 0) return;
  fmt::print(
      "  lanes do not fit into the memory given: {} groups of sequences, and the model's "
      "weights are read once for each\n",
      num_groups);
}

void PrintText(const TextOutline& text) {
  fmt::print("\n{}\n  {} sequences, {} tokens, {} predictions, {} {}{} ({:.1f} effective)\n",
             text.title, FormatCount(text.num_sequences), FormatCount(text.num_tokens),
             FormatCount(text.num_predictions), text.num_clusters, text.cluster_kind,
             text.cluster_kind.ends_with('s') ? "" : "s", text.effective_clusters);
  for (const std::string& warning : text.warnings) fmt::print("  warning: {}\n", warning);
}

void PrintTextPilot(const TextForecast& text) {
  if (text.smallest_delta_nll) {
    fmt::print(
        "  resolves a loss difference of {} nats/token ({:.2f}% of perplexity), four times of "
        "five; {} is the noisiest in a pilot of {} tokens\n",
        FormatDivergence(*text.smallest_delta_nll), 100 * *text.smallest_delta_nll,
        text.noisiest_lane, FormatCount(text.pilot_tokens));
  } else {
    fmt::print("  resolves no loss difference: {}\n", WhyNothingIsResolved(text));
  }
  PrintGroups(text.num_groups);
  fmt::print("  about {}\n", Duration(text.seconds));
}

// What losing prompts or items can show.
void PrintFlips(std::string_view what, uint64_t smallest_flips, uint64_t count) {
  if (smallest_flips > count) {
    fmt::print("  too few to show harm, even if all are lost: {} would be needed\n",
               smallest_flips);
    return;
  }
  fmt::print("  {} {} lost and none regained show harm: {:.1f} points\n", smallest_flips, what,
             100 * static_cast<double>(smallest_flips) / static_cast<double>(count));
}

void PrintSuite(const SuiteOutline& suite) {
  fmt::print("\n{}\n  {} prompts, {} with a check, {} tokens; answers of at most {}\n", suite.id,
             suite.num_prompts, suite.num_checked, FormatCount(suite.prompt_tokens),
             FormatCount(suite.most_answer_tokens));
  PrintFlips("prompts", suite.smallest_flips, suite.num_checked);
  if (suite.smallest_drop) {
    fmt::print("  resolves a drop of {:.0f} points (with 2% regained), four times of five\n",
               100 * *suite.smallest_drop);
  }
}

void PrintTask(const TaskOutline& task) {
  fmt::print("\n{}\n  {} items, {} tokens\n", task.id, FormatCount(task.num_items),
             FormatCount(task.num_tokens));
  PrintFlips("items", task.smallest_flips, task.num_items);
}

void PrintTests(const TestsOutline& tests) {
  fmt::print("{} tests, each at {:.2g}, 5% together\n", tests.num_tests, tests.alpha);
}

void PrintLanes(const StudyOutline& outline) {
  size_t width = 4;
  for (const LaneOutline& lane : outline.lanes) width = std::max(width, lane.name.size());
  fmt::print("{:<{}}  {:>9}  {:>11}\n", "lane", width, "MB", "bits/weight");
  std::vector<std::string_view> fitted;
  for (const LaneOutline& lane : outline.lanes) {
    fmt::print("{:<{}}  {:>9}  {:>11}\n", lane.name, width, FormatMegabytes(lane.weight_bytes),
               FormatBits(lane.bits_per_weight));
    if (lane.takes_a_fit) fitted.push_back(lane.name);
  }
  if (!fitted.empty()) fmt::print("fitted first: {}", fmt::join(fitted, ", "));
  if (outline.calibration_tokens > 0) {
    fmt::print("; calibration on {} tokens", FormatCount(outline.calibration_tokens));
  }
  if (!fitted.empty()) fmt::print("\n");
}

// FP32 multiply-adds of what computes, two operations each.
Result<double> MeasureGflops(const StudyOptions& options) {
  ThreadPool threads(options.num_threads);
  BITLOSS_TRY(const std::unique_ptr<Backend> backend, MakeBackend(threads, options.arithmetic));
  if (const auto device = backend->MeasureLimits()) return device->fma_gflops;
  BITLOSS_TRY(const MachineLimits limits, MeasureMachineLimits(threads));
  return limits.fma_gflops;
}

Status PrintCosts(const StudyOutline& outline, const StudyOptions& options) {
  fmt::print("\n");
  if (outline.multiply_adds > 0) {
    BITLOSS_TRY(const double gflops, MeasureGflops(options));
    fmt::print(
        "texts and tasks: {:.3g} multiply-adds with weights in all lanes, {} at this machine's "
        "limit of {:.0f} GFLOP/s in FP32\n",
        outline.multiply_adds, Duration(2e-9 * outline.multiply_adds / gflops), gflops);
  }
  fmt::print(
      "fits, answers and what else takes time, and the differences that the texts resolve: "
      "--pilot measures them\n");
  if (outline.num_groups > 0) {
    fmt::print("memory: {} MB, as --memory says\n", FormatMegabytes(outline.memory_bytes));
  } else {
    fmt::print(
        "memory: at least {} MB to hold every lane; --memory makes those that do not fit when they "
        "are needed\n",
        FormatMegabytes(outline.memory_bytes));
  }
  return Ok();
}

}  // namespace

Result<int> PrintPlan(const StudyOptions& options) {
  BITLOSS_TRY(const StudyOutline outline, OutlineStudy(options));
  PrintLanes(outline);
  PrintTests(outline.tests);
  for (const TextOutline& text : outline.texts) PrintText(text);
  PrintGroups(outline.num_groups);
  for (const SuiteOutline& suite : outline.suites) PrintSuite(suite);
  for (const TaskOutline& task : outline.tasks) PrintTask(task);
  BITLOSS_DO(PrintCosts(outline, options));
  return 0;
}

Result<int> PrintPilot(const StudyOptions& options) {
  Result<Forecast> made = [&] {
    ProgressPrinter printer;
    return ForecastStudy(options, [&](const Progress& progress) { printer(progress); });
  }();
  BITLOSS_TRY(const Forecast forecast, std::move(made));
  fmt::print("lanes: {}\n", fmt::join(forecast.lanes, ", "));
  PrintTests(forecast.tests);
  for (const TextForecast& text : forecast.texts) {
    PrintText(text);
    PrintTextPilot(text);
  }
  for (const SuiteForecast& suite : forecast.suites) {
    PrintSuite(suite);
    fmt::print("  at most {}\n", Duration(suite.seconds_at_most));
  }
  for (const TaskForecast& task : forecast.tasks) {
    PrintTask(task);
    if (task.seconds) fmt::print("  about {}\n", Duration(*task.seconds));
  }
  fmt::print("\ntime: at most {}, of which quantizing {}\nmemory: {} MB\n",
             Duration(forecast.SecondsAtMost()), Duration(forecast.quantize_seconds),
             FormatMegabytes(forecast.peak_memory_bytes));
  return 0;
}

}  // namespace bitloss
