#include "bitloss/report/signals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "bitloss/report/test_report.h"
#include "bitloss/report/verdicts.h"

namespace bitloss {
namespace {

// Lane 1 says "5 5 5 5" to prompt 0 and refuses prompt 1.
SmallStudy Degenerate() {
  SmallStudy study;
  study.answers[2].token_ids = {5, 5, 5, 5};
  study.answers[3].token_ids = {5, 6, 7};
  study.answers[3].text = "I\u2019m sorry, but I can\u2019t.";
  study.answer_scores.push_back({.prompt = 0, .scores = {.lane = 0, .nll = {1, 1, 1, 1}}});
  study.answer_scores.push_back({.prompt = 1, .scores = {.lane = 0, .nll = {1, 2, 3}}});
  study.judgements = {{.lane = 1, .prompt = 0, .num_tokens = 4, .nll = 8},
                      {.lane = 1, .prompt = 1, .num_tokens = 3, .nll = 6}};
  return study;
}

const Signal& Find(const SuiteResult& suite, const std::string& id) {
  for (const Signal& signal : suite.signals) {
    if (signal.id == id) return signal;
  }
  ADD_FAILURE() << id;
  return suite.signals.front();
}

TEST(SignalsTest, AreMeansOverPromptsAndPairedChanges) {
  const ReportData report = ReportOf(Degenerate());
  const SuiteResult& lane = report.lanes[1].suites[0];
  // 3 pairs of which 1 is distinct, and 2 of 2.
  EXPECT_DOUBLE_EQ(Find(lane, "repeated_2").mean->value, (2.0 / 3 + 0) / 2);
  EXPECT_DOUBLE_EQ(Find(lane, "repeated_2").change->value, (2.0 / 3 + 0) / 2);
  EXPECT_EQ(Find(lane, "repeated_4").num_prompts, 1u) << "one answer has four tokens";
  EXPECT_DOUBLE_EQ(Find(lane, "log_length_ratio").change->value, std::log(4.0 / 3) / 2);
  EXPECT_FALSE(Find(lane, "log_length_ratio").mean.has_value());
  EXPECT_DOUBLE_EQ(Find(lane, "refusal").mean->value, 0.5);
  EXPECT_DOUBLE_EQ(Find(lane, "refusal").change->value, 0.5);
  EXPECT_DOUBLE_EQ(Find(lane, "baseline_loss").change->value, ((2.0 - 1.0) + (2.0 - 2.0)) / 2);
  EXPECT_FALSE(Find(report.lanes[0].suites[0], "refusal").change.has_value());
}

// Prompt 0 asks in Latin letters and is answered in Han; prompt 1's suite expects Han, and the lane
// falls back on Latin.
TEST(SignalsTest, MeasureEchoAndScriptAgainstThePrompt) {
  SmallStudy study;
  study.prompts[0].text = "Name one river.";
  study.prompts[1].text = "Write in Chinese: water";
  study.prompts[1].scripts = {"Han"};
  study.answers[0].text = "One river: Rhine";
  study.answers[1].text = "\u6c34\u6c34";
  study.answers[2].text = "\u957f\u6c5f";
  study.answers[3].text = "in water";
  const ReportData report = ReportOf(study);
  const SuiteResult& baseline = report.lanes[0].suites[0];
  const SuiteResult& lane = report.lanes[1].suites[0];
  // "ne river" is 8 of 16 characters; "in " is 3 of 8, " water" 6.
  EXPECT_DOUBLE_EQ(Find(baseline, "prompt_echo").mean->value, 0.25);
  EXPECT_DOUBLE_EQ(Find(lane, "prompt_echo").mean->value, 0.375);
  EXPECT_DOUBLE_EQ(Find(lane, "prompt_echo").change->value, (-0.5 + 0.75) / 2);
  EXPECT_EQ(Find(baseline, "script_drift").mean->value, 0.0);
  EXPECT_EQ(Find(lane, "script_drift").mean->value, 1.0);
  EXPECT_EQ(Find(lane, "script_drift").change->value, 1.0);
}

TEST(SignalsTest, AnswersThatWereNotJudgedAreNotLeftOutInSilence) {
  SmallStudy study = Degenerate();
  study.judgements.pop_back();
  EXPECT_FALSE(Find(ReportOf(study).lanes[1].suites[0], "baseline_loss").mean.has_value())
      << "prompt 1 has no judgement";
}

TEST(SignalsTest, WhatNoLaneShowsHasNoColumn) {
  const Table table = SignalTable(ReportOf(Degenerate()), 0);
  for (const Column& column : table.columns) EXPECT_NE(column.name, "Not text");
  EXPECT_EQ(table.rows.size(), 2u);
}

// Thirty prompts; `spoil` changes the answers of lane 1 to ten of them. Lane 2 is a control.
ReportData ThirtyPrompts(const std::function<void(Answer&)>& spoil) {
  SmallStudy study = NineArticles();
  study.lanes.push_back(SmallLane(2));
  study.lanes[2].control = true;
  study.prompts.clear();
  study.answers.clear();
  study.manifest.suites[0].num_prompts = 30;
  for (size_t prompt = 0; prompt < 30; ++prompt) {
    study.prompts.push_back(SmallPrompt(prompt));
    for (size_t lane = 0; lane < 3; ++lane) {
      study.answers.push_back(SmallAnswer(lane, prompt));
      study.answers.back().finish = FinishReason::kEos;
      if (lane == 1 && prompt < 10) spoil(study.answers.back());
    }
  }
  study.answer_scores.clear();
  for (size_t unit = 0; unit < 2; ++unit) study.scores[unit].push_back(SmallScores(2, unit));
  return ReportOf(study);
}

TEST(SignalsTest, AnswersThatFailMoreOftenMakeALaneBroken) {
  const ReportData report = ThirtyPrompts([](Answer& answer) { answer.token_ids.clear(); });
  EXPECT_EQ(report.lanes[1].texts[0].label, DivergenceLabel::kBroken);
}

TEST(SignalsTest, BeingCutAtTheUsersLimitBreaksNoLane) {
  const ReportData report =
      ThirtyPrompts([](Answer& answer) { answer.finish = FinishReason::kLimit; });
  EXPECT_EQ(report.lanes[1].suites[0].failures[2].num_new, 10u);
  EXPECT_NE(report.lanes[1].texts[0].label, DivergenceLabel::kBroken);
}

}  // namespace
}  // namespace bitloss
