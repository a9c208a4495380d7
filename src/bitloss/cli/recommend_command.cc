#include "bitloss/cli/recommend_command.h"

#include <charconv>
#include <cmath>

#include "bitloss/cli/exit_codes.h"
#include "bitloss/report/recommend.h"
#include "bitloss/report/report_data.h"
#include "bitloss/report/text_table.h"

namespace bitloss {
namespace {

struct RecommendOptions {
  std::filesystem::path study;
  std::string max_size;
  std::optional<double> max_kl;
  std::optional<double> min_same_top1;  // in %
};

// "4.5G", "500M", "4500000000": decimal units, as sizes are reported.
Result<uint64_t> ParseSize(std::string_view text) {
  constexpr std::string_view kUnits = "KMGT";
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  double factor = 1;
  if (!unit.empty()) {
    const char upper = unit[0] >= 'a' ? static_cast<char>(unit[0] - 'a' + 'A') : unit[0];
    const size_t power = kUnits.find(upper);
    if (power != kUnits.npos) {
      factor = std::pow(1000.0, static_cast<double>(power + 1));
      unit.remove_prefix(1);
    }
    if (unit == "B" || unit == "b") unit.remove_prefix(1);
  }
  if (error != std::errc() || !unit.empty() || !(value > 0) || value * factor > 1e18) {
    return BadInput("--max-size {}: no size; write it as 4.5G, 500M or in bytes", text);
  }
  return static_cast<uint64_t>(value * factor);
}

Result<Wish> WishOf(const RecommendOptions& options) {
  Wish wish;
  if (!options.max_size.empty()) {
    BITLOSS_TRY(wish.max_bytes, ParseSize(options.max_size));
  }
  wish.max_kl = options.max_kl;
  if (options.min_same_top1) wish.min_same_top1 = *options.min_same_top1 / 100;
  if (!wish.max_bytes && !wish.max_kl && !wish.min_same_top1) {
    return BadInput(
        "recommend: nothing is asked for; give --max-size, --max-kl or --min-same-top1");
  }
  return wish;
}

Result<int> Recommend(const RecommendOptions& options) {
  BITLOSS_TRY(const Wish wish, WishOf(options));
  BITLOSS_TRY(const Store store, Store::OpenForReading(options.study));
  ThreadPool threads(DefaultNumThreads());
  BITLOSS_TRY(const ReportData report, MakeReport(store, threads));
  const Recommendation recommendation = Recommend(report, wish, threads);
  if (!recommendation.lanes.empty()) {
    fmt::print("{}\n", RenderTable(RecommendationTable(report, recommendation)));
  }
  for (const std::string& failing : Failings(report)) fmt::print("warning: {}\n", failing);
  fmt::print("{}\n", recommendation.sentence);
  return static_cast<int>(recommendation.outcome);
}

}  // namespace

void AddRecommendCommand(CLI::App& app, Action& action) {
  auto options = std::make_shared<RecommendOptions>();
  CLI::App* command = app.add_subcommand(
      "recommend",
      "Name the lane of a study to take, from its intervals: within a size the one "
      "closest to the baseline, within a bound on damage the smallest");
  command->footer(ExitCodesLine("0 a lane is named, 1 none fits, 2 cannot tell"));
  command->add_option("DIR", options->study, "The study's folder")->required();
  command->add_option("--max-size", options->max_size,
                      "Of all weights, as in 4.5G or 500M (10^9, 10^6 bytes)");
  command
      ->add_option("--max-kl", options->max_kl,
                   "Mean KL from the baseline, nats/token, on every text; 0.01 is near-lossless")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--min-same-top1", options->min_same_top1,
                   "Tokens whose most likely successor is the baseline's, in %, on every text")
      ->check(CLI::Range(0.0, 100.0));
  command->callback([options, &action] { action = [options] { return Recommend(*options); }; });
}

}  // namespace bitloss
