#include "bitloss/cli/plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bitloss/cli/progress.h"
#include "bitloss/report/numbers.h"
#include "bitloss/stats/clustered_mean.h"
#include "bitloss/study/forecast.h"

namespace bitloss {
namespace {

std::string WhyNothingIsResolved(const TextForecast& text) {
  if (EnoughClusters(text.effective_clusters)) {
    return fmt::format("the pilot lies in one {}, and nothing says how they vary",
                       text.cluster_kind);
  }
  Estimate estimate;
  estimate.num_clusters = text.num_clusters;
  estimate.effective_clusters = text.effective_clusters;
  return WhyNoInterval(estimate, text.cluster_kind);
}

void PrintText(const TextForecast& text) {
  fmt::print("\n{}\n  {} sequences, {} tokens, {} predictions, {} {}{} ({:.1f} effective)\n",
             text.title, FormatCount(text.num_sequences), FormatCount(text.num_tokens),
             FormatCount(text.num_predictions), text.num_clusters, text.cluster_kind,
             text.cluster_kind.ends_with('s') ? "" : "s", text.effective_clusters);
  for (const std::string& warning : text.warnings) fmt::print("  warning: {}\n", warning);
  if (text.smallest_delta_nll) {
    fmt::print(
        "  resolves a loss difference of {} nats/token ({:.2f}% of perplexity), four times of "
        "five; {} is the noisiest in a pilot of {} tokens\n",
        FormatDivergence(*text.smallest_delta_nll), 100 * *text.smallest_delta_nll,
        text.noisiest_lane, FormatCount(text.pilot_tokens));
  } else {
    fmt::print("  resolves no loss difference: {}\n", WhyNothingIsResolved(text));
  }
  if (text.num_groups > 0) {
    fmt::print(
        "  lanes do not fit into the memory given: {} groups of sequences, and the model's "
        "weights are read once for each\n",
        text.num_groups);
  }
  fmt::print("  about {}\n", Duration(text.seconds));
}

void PrintSuite(const SuiteForecast& suite) {
  fmt::print("\n{}\n  {} prompts, {} with a check\n", suite.id, suite.num_prompts,
             suite.num_checked);
  if (suite.smallest_flips > suite.num_checked) {
    fmt::print("  too few to show harm, even if all are lost: {} would be needed\n",
               suite.smallest_flips);
  } else {
    fmt::print("  {} prompts lost and none regained show harm\n", suite.smallest_flips);
  }
  if (suite.smallest_drop) {
    fmt::print("  resolves a drop of {:.0f} points (with 2% regained), four times of five\n",
               100 * *suite.smallest_drop);
  }
  fmt::print("  at most {}\n", Duration(suite.seconds_at_most));
}

void PrintTask(const TaskForecast& task) {
  fmt::print("\n{}\n  {} items, {} tokens\n", task.id, FormatCount(task.num_items),
             FormatCount(task.num_tokens));
  if (task.smallest_flips > task.num_items) {
    fmt::print("  too few to show harm, even if all are lost: {} would be needed\n",
               task.smallest_flips);
  } else {
    fmt::print(
        "  {} items lost and none regained show harm: {:.1f} points\n", task.smallest_flips,
        100 * static_cast<double>(task.smallest_flips) / static_cast<double>(task.num_items));
  }
  if (task.seconds) fmt::print("  about {}\n", Duration(*task.seconds));
}

}  // namespace

Result<int> PrintPlan(const StudyOptions& options) {
  Result<Forecast> made = [&] {
    ProgressPrinter printer;
    return ForecastStudy(options, [&](const Progress& progress) { printer(progress); });
  }();
  BITLOSS_TRY(const Forecast forecast, std::move(made));
  fmt::print("lanes: {}\n{} tests, each at {:.2g}, 5% together\n", fmt::join(forecast.lanes, ", "),
             forecast.num_tests, forecast.alpha);
  for (const TextForecast& text : forecast.texts) PrintText(text);
  for (const SuiteForecast& suite : forecast.suites) PrintSuite(suite);
  for (const TaskForecast& task : forecast.tasks) PrintTask(task);
  fmt::print("\ntime: at most {}, of which quantizing {}\nmemory: {} MB\n",
             Duration(forecast.SecondsAtMost()), Duration(forecast.quantize_seconds),
             FormatMegabytes(forecast.peak_memory_bytes));
  return 0;
}

}  // namespace bitloss
