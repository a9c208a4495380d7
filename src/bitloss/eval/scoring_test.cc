#include "bitloss/eval/scoring.h"

#include <gmock/gmock.h>

#include "bitloss/model/test_model.h"

namespace bitloss {
namespace {

using nlohmann::json;
using testing::Each;
using testing::ElementsAreArray;
using testing::SizeIs;

class ScoringTest : public testing::Test {
 protected:
  ScoringTest() {
    const json golden =
        ReadTestJson(BITLOSS_SOURCE_DIR "/src/bitloss/model/testdata/tiny_forward.json");
    for (const json& text : golden.at("texts")) {
      tokens_.push_back(text.at("ids").get<std::vector<int32_t>>());
      expected_nll_.push_back(text.at("nll").get<std::vector<double>>());
    }
    for (const auto& tokens : tokens_) sequences_.push_back({tokens, 1});
  }

  Scorer::GroupScores Score(std::vector<NamedLane> lanes, std::span<const ScoredSequence> group) {
    Scorer scorer(model_.transformer(), std::move(lanes));
    return Must(scorer.Score(group));
  }

  std::vector<std::vector<int32_t>> tokens_;
  std::vector<std::vector<double>> expected_nll_;
  std::vector<ScoredSequence> sequences_;
  TestModel model_{TestModel::TinyFolder(), 2};
  const LaneWeights fp16_ = model_.Lane("fp16");
  const LaneWeights nf4_ = model_.Lane("nf4");
};

TEST_F(ScoringTest, GivesTheBaselineTransformersLosses) {
  const auto scores = Score({{"fp16", &fp16_}}, sequences_);
  for (size_t s = 0; s < sequences_.size(); ++s) {
    const std::vector<double>& nll = scores.sequences[s][0].nll;
    ASSERT_THAT(nll, SizeIs(expected_nll_[s].size()));
    for (size_t i = 0; i < nll.size(); ++i) EXPECT_NEAR(nll[i], expected_nll_[s][i], 2e-4);
  }
}

TEST_F(ScoringTest, ScoresASequenceAloneAsInAGroup) {
  const std::vector<NamedLane> lanes = {{"fp16", &fp16_}, {"nf4", &nf4_}};
  const auto together = Score(lanes, sequences_);
  for (size_t s = 0; s < sequences_.size(); ++s) {
    const auto alone = Score(lanes, {&sequences_[s], 1});
    for (size_t lane = 0; lane < lanes.size(); ++lane) {
      const TokenScores& in_group = together.sequences[s][lane];
      EXPECT_THAT(alone.sequences[0][lane].nll, ElementsAreArray(in_group.nll));
      EXPECT_THAT(alone.sequences[0][lane].kl, ElementsAreArray(in_group.kl));
    }
  }
}

// Many short sequences of one text.
std::vector<ScoredSequence> Pieces(std::span<const int32_t> tokens) {
  std::vector<ScoredSequence> pieces;
  for (size_t begin = 0; begin + 1 < tokens.size() && pieces.size() < 15;) {
    const size_t length = std::min(2 + pieces.size() % 5, tokens.size() - begin);
    pieces.push_back({tokens.subspan(begin, length), 1});
    begin += length;
  }
  return pieces;
}

// All losses and divergences of groups of `size` sequences, one after the other.
std::vector<double> ScoresOf(Scorer& scorer, std::span<const ScoredSequence> sequences,
                             size_t size) {
  std::vector<double> all;
  for (size_t begin = 0; begin < sequences.size(); begin += size) {
    const auto group = sequences.subspan(begin, std::min(size, sequences.size() - begin));
    for (const auto& lanes : Must(scorer.Score(group)).sequences) {
      for (const TokenScores& lane : lanes) {
        for (const auto* values : {&lane.nll, &lane.kl, &lane.kl_reverse, &lane.entropy}) {
          all.insert(all.end(), values->begin(), values->end());
        }
      }
    }
  }
  return all;
}

TEST_F(ScoringTest, GivesTheSameBitsInGroupsOfOneSevenAndAll) {
  const LaneWeights int8 = model_.Lane("int8");
  std::vector<ScoredSequence> pieces = Pieces(tokens_[0]);
  ASSERT_GT(pieces.size(), 7u);
  Scorer scorer(model_.transformer(), {{"fp16", &fp16_}, {"nf4", &nf4_}, {"int8", &int8}});
  const std::vector<double> all = ScoresOf(scorer, pieces, pieces.size());
  EXPECT_EQ(ScoresOf(scorer, pieces, 1), all);
  EXPECT_EQ(ScoresOf(scorer, pieces, 7), all);
}

// Blocks of lanes that are whole elsewhere, one at a time.
class Lender : public BlockProvider {
 public:
  explicit Lender(std::vector<LaneWeights*> lanes) : lanes_(std::move(lanes)) {}

  Status ForEachBlock(size_t layer, std::span<const size_t> lanes, const Use& use) override {
    ++num_layers;
    for (size_t i = 0; i < lanes.size(); ++i) use(i, lanes_[lanes[i]]->layers[layer]);
    return Ok();
  }
  Status Hold(size_t) override { return Ok(); }

  size_t num_layers = 0;

 private:
  std::vector<LaneWeights*> lanes_;
};

TEST_F(ScoringTest, GivesTheSameBitsWhereBlocksAreStreamed) {
  LaneWeights fp16 = model_.Lane("fp16"), nf4 = model_.Lane("nf4");
  Lender lender({&fp16, &nf4});
  LaneWeights without[2];
  for (size_t i = 0; i < 2; ++i) {
    const LaneWeights& lane = i == 0 ? fp16_ : nf4_;
    without[i].embedding = lane.embedding;
    without[i].final_norm = lane.final_norm;
    without[i].head = lane.head;
  }
  Scorer whole(model_.transformer(), {{"fp16", &fp16_}, {"nf4", &nf4_}});
  Scorer streamed(model_.transformer(),
                  {{"fp16", &without[0], &lender, 0}, {"nf4", &without[1], &lender, 1}});
  EXPECT_EQ(ScoresOf(streamed, sequences_, sequences_.size()),
            ScoresOf(whole, sequences_, sequences_.size()));
  EXPECT_EQ(lender.num_layers, fp16_.layers.size()) << "each block once a group";

  // Of a baseline whose rows are known no block is asked for.
  std::vector<Matrix> kept;
  for (size_t s = 0; s < sequences_.size(); ++s) kept.push_back(whole.BaselineRows(s));
  const std::vector<ConstMatrixView> rows(kept.begin(), kept.end());
  const auto expected = Must(whole.Score(sequences_));
  const auto scores = Must(streamed.Score(sequences_, rows));
  EXPECT_THAT(scores.sequences[0][1].kl, ElementsAreArray(expected.sequences[0][1].kl));
}

std::vector<ExpertChanges> ChangesOf(const Scorer::GroupScores& scores) {
  std::vector<ExpertChanges> all;
  for (const auto& lanes : scores.experts) all.insert(all.end(), lanes.begin(), lanes.end());
  return all;
}

// Of the experts that its router's logits name, whatever the rows run with and where blocks come
// from.
TEST(ScoringOfMixtures, FindsWhichTokensGoToOtherExperts) {
  TestModel model(BITLOSS_SOURCE_DIR "/src/bitloss/model/testdata/architectures/mixtral");
  LaneWeights fp16 = model.Lane("fp16"), int3 = model.Lane("int3_group:8");
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < 60; ++i) tokens.push_back(3 + i * i % 150);
  const std::vector<ScoredSequence> sequences = {{std::span(tokens).first(40), 1},
                                                 {std::span(tokens).subspan(17, 30), 9}};
  Scorer scorer(model.transformer(), {{"fp16", &fp16}, {"same", &fp16}, {"int3", &int3}});
  const std::vector<ExpertChanges> all = ChangesOf(Must(scorer.Score(sequences)));
  ASSERT_THAT(all, SizeIs(4));  // of two sequences, in two lanes
  EXPECT_THAT(all[0].layers, testing::ElementsAre(0, 1));
  EXPECT_THAT(all[0].changed, SizeIs(2 * 39));
  EXPECT_THAT(all[0].changed, Each(0)) << "the baseline itself";
  EXPECT_THAT(all[3].changed, SizeIs(2 * 21));
  const auto num_changed = std::ranges::count(all[1].changed, 1);
  EXPECT_GT(num_changed, 3);
  EXPECT_LT(num_changed, 70);

  std::vector<ExpertChanges> alone;
  for (const ScoredSequence& sequence : sequences) {
    for (ExpertChanges& one : ChangesOf(Must(scorer.Score({&sequence, 1})))) {
      alone.push_back(std::move(one));
    }
  }
  EXPECT_EQ(alone, all);

  Must(scorer.Score(sequences));
  std::vector<Matrix> kept;
  for (size_t s = 0; s < sequences.size(); ++s) kept.push_back(scorer.BaselineRows(s));
  const std::vector<ConstMatrixView> rows(kept.begin(), kept.end());
  Lender lender({&fp16, &fp16, &int3});
  LaneWeights without[3];
  for (size_t i = 0; i < 3; ++i) {
    without[i].embedding = fp16.embedding;
    without[i].final_norm = fp16.final_norm;
    without[i].head = fp16.head;
  }
  Scorer streamed(model.transformer(), {{"fp16", &without[0], &lender, 0},
                                        {"same", &without[1], &lender, 1},
                                        {"int3", &without[2], &lender, 2}});
  EXPECT_EQ(ChangesOf(Must(streamed.Score(sequences))), all);
  EXPECT_EQ(ChangesOf(Must(streamed.Score(sequences, rows))), all) << "with the baseline's kept";
}

// Keys and values that later layers share, inputs of layers, several streams: all cross with the
// row.
TEST(ScoringOfStreams, GivesTheSameBitsWhereBlocksAreStreamed) {
  for (const char* name : {"gemma3n", "gemma4"}) {
    SCOPED_TRACE(name);
    TestModel model(std::string(BITLOSS_SOURCE_DIR "/src/bitloss/model/testdata/architectures/") +
                    name);
    LaneWeights fp16 = model.Lane("fp16"), int8 = model.Lane("int8_row");
    std::vector<int32_t> tokens;
    for (int32_t i = 0; i < 60; ++i) tokens.push_back(3 + i * i % 150);
    const std::vector<ScoredSequence> sequences = {{std::span(tokens).first(40), 1},
                                                   {std::span(tokens).subspan(17, 30), 9}};
    Lender lender({&fp16, &int8});
    LaneWeights without;
    without.embedding = fp16.embedding;
    without.per_layer = fp16.per_layer;
    without.final_norm = fp16.final_norm;
    without.head = fp16.head;
    Scorer whole(model.transformer(), {{"fp16", &fp16}, {"int8", &int8}});
    Scorer streamed(model.transformer(),
                    {{"fp16", &without, &lender, 0}, {"int8", &without, &lender, 1}});
    EXPECT_EQ(ScoresOf(streamed, sequences, 2), ScoresOf(whole, sequences, 2));
    EXPECT_EQ(ScoresOf(whole, sequences, 1), ScoresOf(whole, sequences, 2));
  }
}

TEST(GroupUpToTokens, PutsNoMoreIntoAGroupThanFits) {
  const std::vector<int32_t> ten(10), thirty(30);
  const std::vector<ScoredSequence> sequences = {{ten, 1}, {ten, 1}, {thirty, 1}, {ten, 1}};
  EXPECT_THAT(GroupUpToTokens(sequences, 20),
              ElementsAreArray({std::pair<size_t, size_t>{0, 2}, {2, 3}, {3, 4}}));
}

TEST_F(ScoringTest, NeedsNoBlocksOfABaselineWhoseRowsAreKnown) {
  Scorer whole(model_.transformer(), {{"fp16", &fp16_}, {"nf4", &nf4_}});
  const auto expected = Must(whole.Score(sequences_));
  std::vector<Matrix> kept;
  for (size_t s = 0; s < sequences_.size(); ++s) kept.push_back(whole.BaselineRows(s));
  const std::vector<ConstMatrixView> rows(kept.begin(), kept.end());

  LaneWeights head_only;
  head_only.head = fp16_.head;
  Scorer scorer(model_.transformer(), {{"fp16", &head_only}, {"nf4", &nf4_}});
  const auto scores = Must(scorer.Score(sequences_, rows));
  for (size_t s = 0; s < sequences_.size(); ++s) {
    EXPECT_THAT(scores.sequences[s][0].nll, ElementsAreArray(expected.sequences[s][0].nll));
    EXPECT_THAT(scores.sequences[s][1].kl, ElementsAreArray(expected.sequences[s][1].kl));
    EXPECT_THAT(scores.sequences[s][1].nll, ElementsAreArray(expected.sequences[s][1].nll));
  }
}

TEST_F(ScoringTest, FindsNoDistanceBetweenTheBaselineAndItself) {
  const auto scores = Score({{"fp16", &fp16_}, {"again", &fp16_}}, sequences_);
  for (const auto& lanes : scores.sequences) {
    EXPECT_THAT(lanes[1].kl, Each(0.0));
    EXPECT_THAT(lanes[1].kl_reverse, Each(0.0));
    EXPECT_THAT(lanes[1].top1_agrees, Each(1));
    EXPECT_THAT(lanes[1].nll, ElementsAreArray(lanes[0].nll));
  }
}

TEST_F(ScoringTest, GivesTheLossOfATokenThatWasAskedAboutAsIfItHadCome) {
  const std::vector<NamedLane> lanes = {{"fp16", &fp16_}, {"nf4", &nf4_}};
  std::vector<int32_t> other = tokens_[0];
  other[6] = (other[6] + 1) % 50;
  const std::vector<ScoredSequence::Question> questions = {{0, tokens_[0][1]}, {5, other[6]}};
  const auto asked = Score(lanes, std::vector{ScoredSequence{tokens_[0], 1, questions}});
  const auto came = Score(lanes, std::vector{ScoredSequence{other, 1}});
  for (size_t lane = 0; lane < lanes.size(); ++lane) {
    EXPECT_THAT(asked.question_nll[0][lane], testing::ElementsAre(asked.sequences[0][lane].nll[0],
                                                                  came.sequences[0][lane].nll[5]));
  }
}

TEST_F(ScoringTest, ScoresOnlyTheTokensThatAreAskedFor) {
  const std::vector<ScoredSequence> tail = {{tokens_[0], 40}};
  const auto all = Score({{"fp16", &fp16_}}, {&sequences_[0], 1});
  const auto part = Score({{"fp16", &fp16_}}, tail);
  const std::vector<double>& whole = all.sequences[0][0].nll;
  const std::vector<double> expected(whole.begin() + 39, whole.end());
  EXPECT_THAT(part.sequences[0][0].nll, ElementsAreArray(expected));
}

TEST(GroupByTokens, CutsWhereAGroupIsLargeEnough) {
  const std::vector<int32_t> tokens(10);
  const std::vector<ScoredSequence> sequences(5, ScoredSequence{tokens, 1});
  EXPECT_THAT(GroupByTokens(sequences, 20),
              ElementsAreArray({std::pair<size_t, size_t>{0, 2}, {2, 4}, {4, 5}}));
  EXPECT_THAT(GroupByTokens({}, 20), testing::IsEmpty());
}

}  // namespace
}  // namespace bitloss
