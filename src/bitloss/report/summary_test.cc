// What a study says first: chosen from intervals alone, in words, on one line a lane.
#include "bitloss/report/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bitloss/report/scoreboard.h"
#include "bitloss/report/test_report.h"
#include "bitloss/report/writers.h"

namespace bitloss {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// Nine articles, the lane, and a control whose KL is so much everywhere.
SmallStudy WithControl(double kl) {
  SmallStudy study = NineArticles();
  study.lanes.push_back(SmallLane(2));
  study.lanes[2].scheme = "control";
  study.lanes[2].control = true;
  for (size_t unit = 0; unit < 2; ++unit) {
    study.scores[unit].push_back(SmallScores(2, unit));
    TokenScores& scores = study.scores[unit][2];
    scores.kl.assign(scores.kl.size(), kl);
  }
  for (const size_t prompt : {0, 1}) study.answers.push_back(SmallAnswer(2, prompt));
  return study;
}

LaneSummary FirstOf(const SmallStudy& study) { return Summarize(ReportOf(study)).at(0); }

TEST(SummaryTest, SaysWhatALaneSavesAndCostsAndWhetherThatIsNoise) {
  const LaneSummary summary = FirstOf(WithControl(1e-9));
  EXPECT_EQ(summary.sentence,
            "saves 70 % of the size; raises perplexity by 28.4 % (28.4 to 28.4) and loses 2 of 2 "
            "answers, which may be chance; it can be told from noise");
  EXPECT_EQ(summary.verdict, "harm shown");
  EXPECT_EQ(summary.tone, Tone::kBad);
  EXPECT_THAT(summary.grounds, testing::StartsWith("by loss"));
}

TEST(SummaryTest, AChangeOfTheSizeOfTheControlsIsNoise) {
  EXPECT_THAT(FirstOf(WithControl(0.05)).sentence, HasSubstr("cannot be told from noise"));
  const LaneSummary alone = FirstOf(NineArticles());
  EXPECT_THAT(alone.sentence, HasSubstr("whether that is more than noise was not measured"));
  EXPECT_THAT(alone.grounds, HasSubstr("not measured: divergence"));
}

TEST(SummaryTest, ClaimsNothingThatAnIntervalLeavesOpen) {
  SmallStudy study = WithControl(1e-9);
  double sign = 1;
  for (auto& unit : study.scores) {
    for (size_t t = 0; t < unit[1].nll.size(); ++t) {
      unit[1].nll[t] = unit[0].nll[t] + 0.01 * sign;
      sign = -sign;
    }
  }
  EXPECT_THAT(FirstOf(study).sentence, HasSubstr("changes perplexity by anything from -"));
  for (auto& unit : study.scores) {
    for (size_t t = 0; t < unit[1].nll.size(); ++t) unit[1].nll[t] = unit[0].nll[t] - 0.5;
  }
  EXPECT_THAT(FirstOf(study).sentence, HasSubstr("lowers perplexity by 39.3 % (39.3 to 39.3)"));
  EXPECT_THAT(FirstOf(SmallStudy()).sentence, HasSubstr("how surely is not known"))
      << "two articles give no interval";
}

TEST(SummaryTest, NoAnswerLostIsSaidSo) {
  SmallStudy study = WithControl(1e-9);
  study.answers[2].check->passed = study.answers[3].check->passed = true;
  EXPECT_THAT(FirstOf(study).sentence, HasSubstr("loses none of 2 answers"));
}

TEST(SummaryTest, ALaneWithAnErrorIsUnusable) {
  SmallStudy study;
  for (auto& unit : study.scores) unit[1].kl.assign(unit[1].kl.size(), 0.0);
  study.answer_scores.clear();
  const LaneSummary summary = FirstOf(study);
  EXPECT_EQ(summary.verdict, "unusable");
  EXPECT_THAT(summary.sentence, HasSubstr("quantization did not engage"));
}

LaneResult With(std::vector<Verdict> verdicts) {
  LaneResult lane;
  for (const Verdict verdict : verdicts) lane.findings.push_back({.verdict = verdict});
  return lane;
}

TEST(SummaryTest, TheGravestFindingIsTheLanesVerdict) {
  EXPECT_FALSE(OverallVerdict(With({})).has_value());
  EXPECT_EQ(OverallVerdict(With({Verdict::kNotMeasured})), Verdict::kNotMeasured);
  EXPECT_EQ(OverallVerdict(With({Verdict::kNotMeasured, Verdict::kEquivalent})),
            Verdict::kEquivalent);
  EXPECT_EQ(OverallVerdict(With({Verdict::kEquivalent, Verdict::kGain})), Verdict::kGain);
  EXPECT_EQ(OverallVerdict(With({Verdict::kSmallHarm, Verdict::kNotResolved})),
            Verdict::kNotResolved);
  EXPECT_EQ(OverallVerdict(With({Verdict::kNotResolved, Verdict::kHarm})), Verdict::kHarm);
}

const Cell& CellOf(const Table& table, size_t row, std::string_view column) {
  for (size_t c = 0; c < table.columns.size(); ++c) {
    if (table.columns[c].name == column) return table.rows.at(row).at(c);
  }
  ADD_FAILURE() << "no column " << column;
  return table.rows[0][0];
}

TEST(ScoreboardTest, HasOneRowALaneWithDoubtBesideItsNumber) {
  const Table table = Scoreboard(ReportOf(WithControl(1e-9)), Timings::kInclude);
  ASSERT_EQ(table.rows.size(), 3u);
  EXPECT_EQ(CellOf(table, 0, "Verdict").value, "baseline");
  EXPECT_EQ(CellOf(table, 1, "Size").note, "-70 %");
  EXPECT_EQ(CellOf(table, 1, "Perplexity").value, "+28.40");
  EXPECT_EQ(CellOf(table, 1, "Lost").value, "2 of 2");
  EXPECT_EQ(CellOf(table, 1, "Lost").note, "may be chance");
  EXPECT_EQ(CellOf(table, 1, "Verdict").value, "harm shown");
  EXPECT_EQ(CellOf(table, 2, "Verdict").value, "noise floor");

  const Table bare = Scoreboard(ReportOf(NineArticles()), Timings::kOmit);
  EXPECT_THAT(CellOf(bare, 1, "KL").note, HasSubstr("no noise floor"));
  const Table few = Scoreboard(ReportOf(SmallStudy()), Timings::kOmit);
  EXPECT_EQ(CellOf(few, 1, "Perplexity").note, "no interval");
}

TEST(ScoreboardTest, SpeedsAreLeftOutWithTheTimings) {
  SmallStudy study = NineArticles();
  for (const size_t lane : {0, 1}) {
    study.timings.push_back({.lane = lane,
                             .kind = TimingKind::kDecode,
                             .key = "0",
                             .seconds = lane == 0 ? 1.0 : 2.0,
                             .num_tokens = 500});
  }
  const Table table = Scoreboard(ReportOf(study), Timings::kInclude);
  EXPECT_EQ(CellOf(table, 1, "Speed").value, "250");
  EXPECT_EQ(CellOf(table, 1, "Speed").note, "x 0.50");
  for (const Column& column : Scoreboard(ReportOf(study), Timings::kOmit).columns) {
    EXPECT_NE(column.name, "Speed");
  }
}

// As many lanes beside the baseline, all alike.
SmallStudy ManyLanes(size_t count) {
  SmallStudy study = NineArticles();
  for (size_t lane = 2; lane <= count; ++lane) {
    study.lanes.push_back(SmallLane(lane));
    for (size_t unit = 0; unit < 2; ++unit) study.scores[unit].push_back(SmallScores(lane, unit));
    for (const size_t prompt : {0, 1}) study.answers.push_back(SmallAnswer(lane, prompt));
  }
  return study;
}

TEST(TerminalAnswerTest, FitsOneScreenWhateverTheNumberOfLanes) {
  for (const size_t count : {1, 6, 9, 15, 40}) {
    const std::string text = TerminalAnswer(ReportOf(ManyLanes(count)));
    EXPECT_LE(std::ranges::count(text, '\n'), 23) << text;
    EXPECT_THAT(text, HasSubstr("\nnf4-1 "));
    EXPECT_THAT(text, HasSubstr("harm shown"));
  }
  const std::string few = TerminalAnswer(ReportOf(ManyLanes(6)));
  EXPECT_THAT(few,
              AllOf(HasSubstr("\nnf4-6 saves 70 % of the size"), Not(HasSubstr("more lanes"))));
  EXPECT_THAT(TerminalAnswer(ReportOf(ManyLanes(40))), HasSubstr("more lanes: --verbose"));
}

TEST(SharePictureTest, IsOnePictureOfEveryLaneAndNeedsNothing) {
  SmallStudy study = WithControl(1e-9);
  study.manifest.model.name = "<evil> & \"co\"";
  const std::string svg = WriteSharePicture(ReportOf(study));
  EXPECT_THAT(svg, testing::StartsWith("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  EXPECT_THAT(svg, HasSubstr("&lt;evil&gt; &amp; &quot;co&quot;"));
  EXPECT_THAT(svg, AllOf(HasSubstr(">fp16<"), HasSubstr(">nf4-1<"), HasSubstr(">control<")));
  EXPECT_THAT(svg, HasSubstr("class=\"chip bad\">harm shown<"));
  EXPECT_THAT(svg, AllOf(Not(HasSubstr("nan")), Not(HasSubstr("<evil")), Not(HasSubstr("href"))));
}

}  // namespace
}  // namespace bitloss
