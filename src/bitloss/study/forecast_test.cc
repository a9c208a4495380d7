#include "bitloss/study/forecast.h"

#include <gtest/gtest.h>

#include "bitloss/stats/clustered_mean.h"
#include "bitloss/stats/power.h"

namespace bitloss {
namespace {

Forecast ForecastOf(const StudyOptions& options) {
  Result<Forecast> forecast = ForecastStudy(options, [](const Progress&) {});
  EXPECT_TRUE(forecast.ok()) << (forecast.ok() ? "" : forecast.error().message);
  return std::move(forecast).value();
}

TEST(ForecastTest, SaysWhatTheModelThatShipsResolves) {
  StudyOptions options;
  options.schemes = {"nf4", "control-bf16"};
  options.max_samples = 60;
  const Forecast forecast = ForecastOf(options);
  EXPECT_EQ(forecast.lanes.size(), 3u);
  EXPECT_EQ(forecast.tests.num_tests, 3u);  // loss, divergence and answers of nf4
  ASSERT_EQ(forecast.texts.size(), 1u);
  const TextForecast& text = forecast.texts[0];
  EXPECT_EQ(text.num_sequences, 60u);
  EXPECT_GE(text.pilot_tokens, 1000u);
  EXPECT_EQ(text.noisiest_lane, "nf4");
  EXPECT_GT(text.smallest_delta_nll.value(), 0.001);
  EXPECT_LT(text.smallest_delta_nll.value(), 0.5);
  EXPECT_GT(text.seconds, 0.0);
  const SuiteForecast& suite = forecast.suites.at(0);
  EXPECT_EQ(suite.num_prompts, 96u);
  EXPECT_EQ(suite.smallest_flips, SmallestOneWayFlips(0.05 / 3));
  EXPECT_GT(forecast.SecondsAtMost(), text.seconds);
  EXPECT_GT(forecast.peak_memory_bytes, 10'000'000u);
}

TEST(ForecastTest, TooFewBlocksOfTextResolveNothing) {
  StudyOptions options;
  options.schemes = {"nf4"};
  options.suite = "none";
  options.max_samples = 4;
  const TextForecast text = ForecastOf(options).texts[0];
  EXPECT_LT(text.effective_clusters, kMinEffectiveClusters);
  EXPECT_FALSE(text.smallest_delta_nll.has_value());
}

TEST(ForecastTest, MoreTextResolvesSmallerDifferences) {
  StudyOptions options;
  options.schemes = {"nf4"};
  options.suite = "none";
  options.max_samples = 20;
  const double few = ForecastOf(options).texts[0].smallest_delta_nll.value();
  options.max_samples = 90;
  const double many = ForecastOf(options).texts[0].smallest_delta_nll.value();
  EXPECT_LT(many, few);
}

}  // namespace
}  // namespace bitloss
