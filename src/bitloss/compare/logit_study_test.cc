#include "bitloss/compare/logit_study.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "bitloss/metrics/reference/divergence.h"
#include "bitloss/store/test_study.h"
#include "bitloss/tensor/dtype.h"

namespace bitloss {
namespace {

using testing::HasSubstr;

constexpr size_t kVocabulary = 50;

// Rows of one lane of one sequence.
struct Logits {
  explicit Logits(size_t num_rows, float lane) : values(num_rows * kVocabulary) {
    for (size_t i = 0; i < values.size(); ++i) {
      const auto x = static_cast<float>(i);
      values[i] = 4 * std::sin(x) + lane * std::cos(3 * x);
    }
  }

  LogitRows All() const {
    return {values.data(), LogitType::kF32, values.size() / kVocabulary, kVocabulary,
            static_cast<int64_t>(kVocabulary)};
  }
  LogitRows Rows(size_t begin, size_t end) const {
    LogitRows rows = All().From(begin);
    rows.rows = end - begin;
    return rows;
  }
  std::span<const float> Row(size_t row) const {
    return std::span(values).subspan(row * kVocabulary, kVocabulary);
  }

  std::vector<float> values;
};

const std::vector<int32_t> kTokens = {3, 14, 15, 9, 26};

class LogitStudyTest : public testing::Test {
 protected:
  LogitStudyOptions Options(size_t num_threads = 1) const {
    return {.folder = folder_.path() / "study",
            .lanes = {{"fp16"}, {.name = "nf4", .weight_bytes = 100, .bits_per_weight = 4.5}},
            .num_threads = num_threads};
  }
  static LogitStudy Open(const LogitStudyOptions& options) {
    Result<LogitStudy> study = LogitStudy::Open(options);
    EXPECT_TRUE(study.ok()) << study.error().message;
    return std::move(study).value();
  }
  static std::string ErrorOf(const Status& status) {
    return status.ok() ? "" : status.error().message;
  }
  std::string RefusalOf(const LogitStudyOptions& options) const {
    const auto study = LogitStudy::Open(options);
    return study.ok() ? "" : study.error().message;
  }
  // What adding the tile to a new unit answers.
  std::string Tile(size_t first_row, const LogitRows& base, const LogitRows& lane) const {
    LogitStudy study = Open(Options());
    LogitStudy::Tiles tiles = study.Begin({.tokens = kTokens}).value();
    return ErrorOf(tiles.Add(first_row, std::vector{base, lane}));
  }
  TokenScores Stored(size_t lane, size_t unit = 0) const {
    const Store store = Store::OpenForReading(folder_.path() / "study").value();
    return store.TextScores(lane, 0, unit).value().value();
  }

  const TemporaryFolder folder_;
  const Logits base_{kTokens.size(), 0.0f}, lane_{kTokens.size(), 0.25f};
};

TEST_F(LogitStudyTest, MeasuresWhatTheDefinitionSays) {
  {
    LogitStudy study = Open(Options());
    LogitStudy::Tiles tiles = study.Begin({.cluster = 7, .tokens = kTokens}).value();
    EXPECT_EQ(ErrorOf(tiles.Add(0, std::vector{base_.All(), lane_.All()})), "");
    EXPECT_EQ(ErrorOf(study.Put(std::move(tiles))), "");
    EXPECT_TRUE(study.Has(0).value());
    EXPECT_FALSE(study.Has(1).value());
    EXPECT_EQ(ErrorOf(study.CheckLanesDiffer()), "");
  }
  const TokenScores baseline = Stored(0);
  const TokenScores lane = Stored(1);
  ASSERT_EQ(baseline.nll.size(), kTokens.size() - 1);
  for (size_t row = 0; row + 1 < kTokens.size(); ++row) {
    const auto token = static_cast<size_t>(kTokens[row + 1]);
    const RowSummary summary = reference::Summarize(lane_.Row(row));
    const Divergence divergence = reference::Compare(base_.Row(row), lane_.Row(row));
    EXPECT_NEAR(lane.nll[row], summary.LogSumExp() - double{lane_.Row(row)[token]}, 1e-12);
    EXPECT_NEAR(lane.kl[row], divergence.kl, 1e-13);
    EXPECT_NEAR(lane.kl_reverse[row], divergence.kl_reverse, 1e-13);
    EXPECT_EQ(lane.top1_agrees[row], divergence.top1_agrees);
    EXPECT_NEAR(baseline.entropy[row], reference::Summarize(base_.Row(row)).entropy, 1e-12);
  }
}

TEST_F(LogitStudyTest, TilesThreadsAndContextChangeNoNumber) {
  {
    LogitStudy study = Open(Options(3));
    LogitStudy::Tiles whole = study.Begin({.unit = 0, .tokens = kTokens}).value();
    EXPECT_EQ(ErrorOf(whole.Add(0, std::vector{base_.All(), lane_.All()})), "");
    EXPECT_EQ(ErrorOf(study.Put(std::move(whole))), "");
    LogitStudy::Tiles cut = study.Begin({.unit = 1, .tokens = kTokens, .first_scored = 3}).value();
    EXPECT_EQ(ErrorOf(cut.Add(3, std::vector{base_.Rows(3, 5), lane_.Rows(3, 5)})), "");
    EXPECT_EQ(ErrorOf(cut.Add(0, std::vector{base_.Rows(0, 3), lane_.Rows(0, 3)})), "");
    EXPECT_EQ(ErrorOf(study.Put(std::move(cut))), "");
  }
  const TokenScores whole = Stored(1, 0);
  const TokenScores cut = Stored(1, 1);
  EXPECT_EQ(cut.kl, std::vector(whole.kl.begin() + 2, whole.kl.end()));
  EXPECT_EQ(cut.nll, std::vector(whole.nll.begin() + 2, whole.nll.end()));
}

TEST_F(LogitStudyTest, OtherTypesAreReadAsTheyAre) {
  std::vector<BF16> narrow;
  std::vector<F16> half;
  std::vector<double> wide;
  for (const float value : lane_.values) {
    narrow.push_back(RoundToBF16(value));
    half.push_back(RoundToF16(value));
    wide.push_back(double{value});
  }
  const auto rows = [](const void* data, LogitType type) {
    return LogitRows{data, type, kTokens.size(), kVocabulary, static_cast<int64_t>(kVocabulary)};
  };
  std::vector<float> scratch;
  EXPECT_EQ(rows(narrow.data(), LogitType::kBF16).Row(1, scratch)[2], ToFloat(narrow[52]));
  EXPECT_EQ(rows(half.data(), LogitType::kF16).Row(1, scratch)[2], ToFloat(half[52]));
  EXPECT_EQ(rows(wide.data(), LogitType::kF64).Row(1, scratch)[2], lane_.values[52]);
  // A view of every second row, backwards.
  LogitRows backwards = lane_.All().From(4);
  backwards.row_stride = -2 * static_cast<int64_t>(kVocabulary);
  EXPECT_EQ(backwards.Row(1, scratch)[0], lane_.Row(2)[0]);
}

TEST_F(LogitStudyTest, GoesOnWhereItStoppedAndKeepsWhatIsThere) {
  for (const bool again : {false, true}) {
    LogitStudy study = Open(Options());
    EXPECT_EQ(study.Has(0).value(), again);
    LogitStudy::Tiles tiles = study.Begin({.tokens = kTokens}).value();
    EXPECT_EQ(ErrorOf(tiles.Add(0, std::vector{base_.All(), lane_.All()})), "");
    EXPECT_EQ(ErrorOf(study.Put(std::move(tiles))), "");
  }
  LogitStudy study = Open(Options());
  LogitStudy::Tiles other = study.Begin({.tokens = {1, 2, 3, 4, 5}}).value();
  EXPECT_EQ(ErrorOf(other.Add(0, std::vector{base_.All(), lane_.All()})), "");
  EXPECT_THAT(ErrorOf(study.Put(std::move(other))), HasSubstr("other tokens"));
}

TEST_F(LogitStudyTest, RefusesBadRowsByLaneAndRow) {
  Logits bad = lane_;
  bad.values[2 * kVocabulary + 5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(Tile(0, base_.All(), bad.All()), HasSubstr("unit 0: lane 'nf4', row 2: "));
  EXPECT_THAT(Tile(0, base_.All(), lane_.Rows(0, 3)), HasSubstr("lane 'nf4' has 3 x 50 logits"));
  EXPECT_THAT(Tile(1, base_.All(), lane_.All()), HasSubstr("rows 1 to 5 of 5 tokens"));
  LogitRows narrow = base_.All();
  narrow.cols = 20;
  EXPECT_THAT(Tile(0, narrow, narrow), HasSubstr("token 4 is 26, beyond 20 logits"));

  LogitStudy study = Open(Options());
  LogitStudy::Tiles tiles = study.Begin({.tokens = kTokens}).value();
  EXPECT_EQ(ErrorOf(tiles.Add(0, std::vector{base_.Rows(0, 2), lane_.Rows(0, 2)})), "");
  EXPECT_THAT(ErrorOf(tiles.Add(1, std::vector{base_.Rows(1, 2), lane_.Rows(1, 2)})),
              HasSubstr("row 1 came before"));
  EXPECT_THAT(ErrorOf(study.Put(std::move(tiles))), HasSubstr("2 of 4 rows"));
  EXPECT_FALSE(study.Has(0).value());
}

TEST_F(LogitStudyTest, RefusesUnitsThatScoreNothing) {
  LogitStudy study = Open(Options());
  const auto refusal = [&](ExternalUnit unit) {
    const auto tiles = study.Begin(std::move(unit));
    return tiles.ok() ? "" : tiles.error().message;
  };
  EXPECT_THAT(refusal({.tokens = {1}}), HasSubstr("two or more"));
  EXPECT_THAT(refusal({.tokens = {1, 2}, .first_scored = 2}), HasSubstr("first_scored is 2"));
  EXPECT_THAT(refusal({.tokens = {1, -2}}), HasSubstr("token 1 is -2"));
}

TEST_F(LogitStudyTest, RefusesOtherLanesAndAnotherModel) {
  { Open(Options()); }
  LogitStudyOptions options = Options();
  options.lanes[1].name = "awq";
  EXPECT_THAT(RefusalOf(options), HasSubstr("lane 1 is 'nf4', not 'awq'"));
  options = Options();
  options.lanes.push_back({"awq"});
  EXPECT_THAT(RefusalOf(options), HasSubstr("has 2 lanes"));
  options = Options();
  options.model = "another";
  EXPECT_THAT(RefusalOf(options), HasSubstr("model"));
  options = Options();
  options.lanes[1].name = "fp16";
  EXPECT_THAT(RefusalOf(options), HasSubstr("named twice"));
}

TEST_F(LogitStudyTest, SaysWhenQuantizationDidNotEngage) {
  LogitStudy study = Open(Options());
  LogitStudy::Tiles tiles = study.Begin({.tokens = kTokens}).value();
  EXPECT_EQ(ErrorOf(tiles.Add(0, std::vector{base_.All(), base_.All()})), "");
  EXPECT_EQ(ErrorOf(study.Put(std::move(tiles))), "");
  EXPECT_THAT(ErrorOf(study.CheckLanesDiffer()), HasSubstr("did not engage"));
}

TEST_F(LogitStudyTest, StopsWhenItIsTold) {
  LogitStudy study = Open(Options());
  LogitStudy::Tiles tiles = study.Begin({.tokens = kTokens}).value();
  EXPECT_THAT(ErrorOf(tiles.Add(0, std::vector{base_.All(), lane_.All()}, [] { return true; })),
              HasSubstr("interrupted"));
  EXPECT_EQ(tiles.num_rows(), 0u);
}

}  // namespace
}  // namespace bitloss
