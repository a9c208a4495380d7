#include "bitloss/report/report_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "bitloss/report/tables.h"
#include "bitloss/report/test_report.h"
#include "bitloss/report/text_results.h"

namespace bitloss {
namespace {

using testing::HasSubstr;

TEST(ReportDataTest, PerplexityIsTheExponentialOfTheMeanLoss) {
  const ReportData report = ReportOf(SmallStudy());
  ASSERT_EQ(report.lanes.size(), 2u);
  const TextResult& baseline = report.lanes[0].texts[0];
  EXPECT_EQ(baseline.num_sequences, 2u);
  EXPECT_EQ(baseline.num_tokens, 5u + 6u);
  EXPECT_EQ(baseline.num_predictions, 4u + 5u);
  EXPECT_TRUE(baseline.complete);
  EXPECT_DOUBLE_EQ(baseline.nll, 16.0 / 9);  // (0+1+2+3) + (0+1+2+3+4)
  EXPECT_DOUBLE_EQ(baseline.perplexity, std::exp(16.0 / 9));
  EXPECT_DOUBLE_EQ(baseline.mean_entropy.value(), 8.0 / 9);
  EXPECT_FALSE(baseline.kl.has_value());
  EXPECT_FALSE(baseline.delta_nll.has_value());
  EXPECT_TRUE(report.complete);
}

TEST(ReportDataTest, UnitsEnterThePerplexityByTheirWeight) {
  SmallStudy study;
  study.units[0].weight = 8;
  study.units[1].weight = 5;
  const ReportData report = ReportOf(study);
  EXPECT_DOUBLE_EQ(report.lanes[0].texts[0].nll, (8 * 1.5 + 5 * 2.0) / 13);
  // Every token is 0.25 worse, whatever its weight.
  EXPECT_DOUBLE_EQ(report.lanes[1].texts[0].delta_nll->value, 0.25);
}

TEST(ReportDataTest, TheChangeIsExactlyTheRatioOfThePerplexities) {
  SmallStudy study;
  study.units[0].weight = 7;
  study.scores[0][1].nll = {0.5, 1.0, 2.5, 3.0};
  study.scores[1][1].nll = {0.0, 1.5, 2.0, 3.25, 4.5};
  const ReportData report = ReportOf(study);
  const TextResult& lane = report.lanes[1].texts[0];
  const double ratio = lane.perplexity / report.lanes[0].texts[0].perplexity;
  EXPECT_NEAR(std::exp(lane.delta_nll->value), ratio, 1e-15 * ratio);
  EXPECT_NEAR(lane.change_percent->value, 100 * (ratio - 1), 1e-12);
}

TEST(ReportDataTest, IntervalsComeFromClustersAndNotFromTokens) {
  SmallStudy study;
  // Clusters of 2, 2, 2, 2 and 1 tokens, whose losses differ by 0.5, 2, 0.5, 2 and 1.25 each.
  study.units[0].clusters = {{0, 2}, {1, 2}};
  study.units[1].clusters = {{2, 2}, {3, 2}, {4, 1}};
  study.scores[0][1].nll = {0.5, 1.5, 4.0, 5.0};
  study.scores[1][1].nll = {0.5, 1.5, 4.0, 5.0, 5.25};
  const ReportData report = ReportOf(study);
  const Estimate& delta = *report.lanes[1].texts[0].delta_nll;
  EXPECT_DOUBLE_EQ(delta.value, 1.25);
  EXPECT_EQ(delta.num_clusters, 5u);
  EXPECT_DOUBLE_EQ(delta.effective_clusters, 81.0 / (4 * 4 + 1));
  // The ratio without a cluster: 10.25 / 7, 7.25 / 7, both again, 10 / 8; their mean is 1.25.
  EXPECT_NEAR(delta.standard_error.value(), std::sqrt(4 / 5.0 * 4) * 1.5 / 7, 1e-15);
  EXPECT_EQ(delta.method, IntervalMethod::kJackknifeT);
}

TEST(ReportDataTest, DivergencesHaveMeansAndInterpolatedPercentiles) {
  const ReportData report = ReportOf(SmallStudy());
  const TextResult& lane = report.lanes[1].texts[0];
  // Sorted, times 64: 0.25 0.25 1.25 1.25 2.25 2.25 3.25 3.25 4.25.
  const DivergenceSummary& kl = *lane.kl;
  EXPECT_DOUBLE_EQ(kl.mean.value, 18.25 / 64 / 9);
  EXPECT_EQ(kl.median, 2.25 / 64);
  EXPECT_NEAR(kl.p90, 3.45 / 64, 1e-16);  // rank 7.2
  EXPECT_NEAR(kl.p95, 3.85 / 64, 1e-16);  // rank 7.6
  EXPECT_NEAR(kl.p99, 4.17 / 64, 1e-16);  // rank 7.92
  EXPECT_FALSE(kl.p999.has_value());      // not of nine tokens
  EXPECT_EQ(kl.max, 4.25 / 64);
  EXPECT_DOUBLE_EQ(lane.kl_reverse->value, 18.25 / 32 / 9);
  EXPECT_DOUBLE_EQ(lane.top1_agreement->value, 6.0 / 9);
}

TEST(ReportDataTest, IntervalsLieAmongWhatIsPossible) {
  SmallStudy study = NineArticles();
  for (auto& unit : study.scores) unit[1].top1_agrees.assign(unit[1].top1_agrees.size(), 1);
  study.scores[0][1].top1_agrees[0] = 0;  // eight of nine tokens agree
  study.scores[1][1].kl = {0.01, 0.02, 0.01, 0.03, 8};
  const TextResult lane = ReportOf(study).lanes[1].texts[0];
  EXPECT_LT(lane.top1_agreement->interval->high, 1.0);
  EXPECT_GT(lane.top1_agreement->interval->low, 0.0);
  EXPECT_GT(lane.kl->mean.interval->low, 0.0);
  EXPECT_GT(lane.kl->mean.interval->high, lane.kl->mean.value);
  EXPECT_EQ(lane.kl->mean.method, IntervalMethod::kLogBootstrapT);
}

// Layer 2 of the model sends 3 of 9 tokens elsewhere, layer 5 one.
SmallStudy Mixture() {
  SmallStudy study = NineArticles();
  study.experts = {{.lane = 1, .layers = {2, 5}, .changed = {1, 0, 0, 1, 0, 0, 0, 0}},
                   {.lane = 1, .layers = {2, 5}, .changed = {0, 1, 0, 0, 0, 0, 0, 0, 0, 1}}};
  return study;
}

TEST(ReportDataTest, CountsTheTokensThatGoToOtherExperts) {
  const ReportData report = ReportOf(Mixture());
  EXPECT_FALSE(report.lanes[0].texts[0].experts);
  const std::optional<ExpertShares>& experts = report.lanes[1].texts[0].experts;
  ASSERT_TRUE(experts);
  EXPECT_DOUBLE_EQ(experts->all.value, 4.0 / 18);
  ASSERT_EQ(experts->layers.size(), 2u);
  EXPECT_EQ(experts->layers[0].layer, 2u);
  EXPECT_DOUBLE_EQ(experts->layers[0].changed.value, 3.0 / 9);
  EXPECT_EQ(experts->layers[1].layer, 5u);
  EXPECT_DOUBLE_EQ(experts->layers[1].changed.value, 1.0 / 9);
  ASSERT_TRUE(experts->all.interval);
  EXPECT_GT(experts->all.interval->low, 0.0);
  EXPECT_EQ(experts->all.num_clusters, 9u);

  const Table table = TextTable(report, 0);
  const auto column = std::ranges::find(table.columns, "Other experts", &Column::name);
  ASSERT_NE(column, table.columns.end());
  EXPECT_EQ(table.rows[1][static_cast<size_t>(column - table.columns.begin())].value, "22.22");
  const Table by_layer = ExpertTable(report, 0);
  ASSERT_EQ(by_layer.rows.size(), 2u);
  EXPECT_EQ(by_layer.rows[1][0].value, "5");
  EXPECT_EQ(by_layer.rows[1][1].value, "11.11");
}

TEST(ReportDataTest, SaysNothingOfExpertsThatSomeUnitLacks) {
  SmallStudy study = Mixture();
  study.experts.pop_back();
  EXPECT_FALSE(ReportOf(study).lanes[1].texts[0].experts);
  EXPECT_TRUE(ExpertTable(ReportOf(study), 0).rows.empty());
}

TEST(ReportDataTest, APageProtocolCountsPerWordAndPerByte) {
  SmallStudy study;
  study.units[0].num_words = 4;
  study.units[0].num_bytes = 20;  // of the whole page, whose second window is unit 1
  const ReportData report = ReportOf(study);
  const TextResult& baseline = report.lanes[0].texts[0];
  EXPECT_TRUE(baseline.per_word);
  EXPECT_DOUBLE_EQ(baseline.perplexity, std::exp(16.0 / 4));
  EXPECT_DOUBLE_EQ(baseline.byte_perplexity.value(), std::exp(16.0 / 20));
  EXPECT_DOUBLE_EQ(baseline.bits_per_byte.value(), 16.0 / 20 / std::numbers::ln2);
  EXPECT_DOUBLE_EQ(report.lanes[1].texts[0].delta_nll->value, 9 * 0.25 / 4);
}

// A page in two windows of 4 and 5 tokens, each token a cluster; the second window alone changes.
SmallStudy PageInTwoWindows() {
  SmallStudy study = NineArticles();
  study.units[0].num_words = 6;
  study.units[0].num_bytes = 36;
  study.scores[0][1].nll = study.scores[0][0].nll;
  study.scores[1][1].nll = {1.0, 2.0, 3.0, 4.0, 5.0};
  return study;
}

TEST(ReportDataTest, WordsAndBytesOfAPageBelongToAllOfItsTokens) {
  const ReportData report = ReportOf(PageInTwoWindows());
  const TextResult& baseline = report.lanes[0].texts[0];
  const TextResult& lane = report.lanes[1].texts[0];
  EXPECT_DOUBLE_EQ(lane.perplexity, std::exp((6 + 15) / 6.0));
  EXPECT_DOUBLE_EQ(lane.byte_perplexity.value(), std::exp((6 + 15) / 36.0));
  EXPECT_DOUBLE_EQ(lane.delta_nll->value, 5 / 6.0) << "the second window's words are its own";
  EXPECT_DOUBLE_EQ(std::exp(lane.delta_nll->value), lane.perplexity / baseline.perplexity);
  ASSERT_EQ(lane.clusters.size(), 9u);
  for (const ClusterScores& cluster : lane.clusters) {
    EXPECT_DOUBLE_EQ(cluster.delta_nll_weight, 6 / 9.0);
  }
  EXPECT_LE(baseline.perplexity_interval->low, baseline.perplexity);
  EXPECT_GE(baseline.perplexity_interval->high, baseline.perplexity);
}

TEST(ReportDataTest, APageCountsOnceItsLastWindowIsThere) {
  SmallStudy study = PageInTwoWindows();
  study.manifest.protocols[0].num_units = 3;  // of the same page, or the first of another
  EXPECT_TRUE(ReportOf(study).lanes[0].texts.empty());
  study.units[1].num_words = 2;  // the first page is whole now, the second not known to be
  study.units[1].num_bytes = 9;
  const TextResult& text = ReportOf(study).lanes[0].texts[0];
  EXPECT_FALSE(text.complete);
  EXPECT_DOUBLE_EQ(text.perplexity, std::exp(6 / 6.0));
  EXPECT_DOUBLE_EQ(text.byte_perplexity.value(), std::exp(6 / 36.0));
}

TEST(ReportDataTest, RefusesResultsThatContradictEachOther) {
  const ReportData report = ReportOf(PageInTwoWindows());
  const TextResult& baseline = report.lanes[0].texts[0];
  TextResult lane = report.lanes[1].texts[0];
  EXPECT_TRUE(CheckConsistent(baseline, lane).ok());
  lane.delta_nll->value /= 2;  // the words of one window alone
  const Status halved = CheckConsistent(baseline, lane);
  ASSERT_FALSE(halved.ok());
  EXPECT_THAT(halved.error().message, HasSubstr("contradict each other"));
  lane = report.lanes[1].texts[0];
  lane.perplexity_interval->high = lane.perplexity / 2;
  EXPECT_FALSE(CheckConsistent(baseline, lane).ok());
}

TEST(ReportDataTest, CountsPassedLostAndIdenticalAnswers) {
  SmallStudy study;
  study.answers[3] = study.answers[1];  // prompt 1: lane 1 answers as the baseline does
  study.answers[3].lane = 1;
  const ReportData report = ReportOf(study);
  const SuiteResult& baseline = report.lanes[0].suites[0];
  EXPECT_EQ(baseline.counts.num_passed, 2u);
  const SuiteResult& lane = report.lanes[1].suites[0];
  EXPECT_EQ(lane.counts.num_prompts, 2u);
  EXPECT_EQ(lane.counts.num_passed, 1u);
  EXPECT_EQ(lane.counts.num_regressions, 1u);
  EXPECT_EQ(lane.counts.num_recoveries, 0u);
  EXPECT_EQ(lane.counts.num_identical, 1u);
  EXPECT_EQ(lane.counts.mean_seconds, 3.0);
  EXPECT_DOUBLE_EQ(lane.counts.answer_kl->value, 18.25 / 64 / 9);
  EXPECT_EQ(lane.answers[0].outcome, Outcome::kRegression);
  EXPECT_EQ(lane.answers[1].outcome, Outcome::kBothPass);
  EXPECT_DOUBLE_EQ(lane.answers[0].mean_kl.value(), 7.0 / 64 / 4);
  ASSERT_EQ(lane.categories.size(), 2u);
  EXPECT_EQ(lane.categories[0].name, "Mathematics");
  EXPECT_EQ(lane.categories[0].counts.num_regressions, 1u);
  EXPECT_EQ(lane.categories[1].counts.num_regressions, 0u);
}

TEST(ReportDataTest, AnAnswerThatFailsWithAnErrorIsLostIfTheBaselinePassed) {
  SmallStudy study;
  study.answers[2].finish = FinishReason::kError;
  study.answers[2].error = "too long";
  study.answers[2].check.reset();
  const ReportData report = ReportOf(study);
  const SuiteResult& lane = report.lanes[1].suites[0];
  EXPECT_EQ(lane.counts.num_completed, 1u);
  EXPECT_EQ(lane.counts.num_checked, 2u);
  EXPECT_EQ(lane.answers[0].outcome, Outcome::kRegression);
}

TEST(ReportDataTest, WhatIsUndecidedIsNeitherPassedNorLost) {
  SmallStudy study;
  study.answers[2].check = CheckResult{.undecided = true};  // the store has to keep it, too
  const SuiteResult lane = ReportOf(study).lanes[1].suites[0];
  EXPECT_EQ(lane.counts.num_checked, 2u);
  EXPECT_EQ(lane.counts.num_undecided, 1u);
  EXPECT_EQ(lane.counts.num_decided(), 1u);
  EXPECT_EQ(lane.counts.num_compared, 1u);
  EXPECT_EQ(lane.answers[0].outcome, Outcome::kUndecided);
  EXPECT_EQ(lane.categories[0].counts.num_regressions, 0u);

  study.answers[0].check = CheckResult{.undecided = true};
  const ReportData report = ReportOf(study);
  EXPECT_EQ(report.lanes[0].suites[0].counts.num_passed, 1u);
  EXPECT_EQ(report.lanes[1].suites[0].answers[0].outcome, Outcome::kUndecided);
}

TEST(ReportDataTest, SpeedIsAllTokensOverAllSeconds) {
  const ReportData report = ReportOf(SmallStudy());
  EXPECT_EQ(report.lanes[1].prefill_tokens_per_second, 10.0 / 2.0);
  EXPECT_FALSE(report.lanes[1].decode_tokens_per_second.has_value());
}

TEST(ReportDataTest, ALaneThatNeverDiffersIsAnErrorUnlessItIsAControl) {
  SmallStudy study;
  for (auto& unit : study.scores) {
    unit[1].kl.assign(unit[1].kl.size(), 0.0);
    unit[1].nll = unit[0].nll;
  }
  for (AnswerScores& answer : study.answer_scores) {
    answer.scores.kl.assign(answer.scores.kl.size(), 0.0);
  }
  const ReportData report = ReportOf(study);
  EXPECT_TRUE(report.HasErrors());
  EXPECT_THAT(report.lanes[1].error.value(), HasSubstr("quantization did not engage: all 18"));
  EXPECT_FALSE(report.lanes[0].error.has_value());

  study.lanes[1].control = true;
  EXPECT_FALSE(ReportOf(study).HasErrors());
}

TEST(ReportDataTest, AnInfiniteLossIsKeptAndSaid) {
  SmallStudy study;
  study.scores[0][1].nll[2] = std::numeric_limits<double>::infinity();
  const ReportData report = ReportOf(study);
  EXPECT_TRUE(std::isinf(report.lanes[1].texts[0].perplexity));
  EXPECT_THAT(report.lanes[1].error.value(), HasSubstr("1 scored tokens have a loss that is not"));
}

TEST(ReportDataTest, AnUnfinishedStudyIsReportedAsSuch) {
  SmallStudy study;
  study.manifest.protocols[0].num_units = 3;
  study.scores[1].pop_back();  // lane 1 lacks unit 1
  const ReportData report = ReportOf(study);
  EXPECT_FALSE(report.complete);
  EXPECT_EQ(report.lanes[1].texts[0].num_sequences, 1u);
  EXPECT_DOUBLE_EQ(report.lanes[1].texts[0].delta_nll->value, 0.25);
  EXPECT_EQ(report.lanes[1].texts[0].kl->max, 3.25 / 64);
}

TEST(ReportDataTest, AStudyThatHasNotBegunIsRefused) {
  const TemporaryFolder folder;
  Store store = std::move(Store::OpenOrCreate(folder.path(), SmallManifest())).value();
  ThreadPool threads(1);
  const Result<ReportData> report = MakeReport(store, threads);
  ASSERT_FALSE(report.ok());
  EXPECT_THAT(report.error().message, HasSubstr("holds no baseline lane"));
}

TEST(ReportDataTest, ADamagedStudyIsOneLine) {
  const TemporaryFolder folder;
  { const Store store = WriteStudy(folder.path(), SmallStudy()); }
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((folder.path() / "study.db").c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "UPDATE text_units SET clusters = x'00'", nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(db);
  const Store store = std::move(Store::OpenForReading(folder.path())).value();
  ThreadPool threads(1);
  const Result<ReportData> report = MakeReport(store, threads);
  ASSERT_FALSE(report.ok());
  EXPECT_THAT(report.error().message, HasSubstr("study.db': the study is damaged"));
  EXPECT_THAT(report.error().message, testing::Not(HasSubstr("\n")));
}

}  // namespace
}  // namespace bitloss
