#include "bitloss/eval/continuations.h"

#include <gmock/gmock.h>

#include "bitloss/model/test_model.h"

namespace bitloss {
namespace {

using nlohmann::json;
using testing::ElementsAreArray;

class ContinuationsTest : public testing::Test {
 protected:
  ContinuationsTest() {
    const json golden =
        ReadTestJson(BITLOSS_SOURCE_DIR "/src/bitloss/model/testdata/tiny_forward.json");
    const json& text = golden.at("texts").at(0);
    tokens_ = text.at("ids").get<std::vector<int32_t>>();
    expected_nll_ = text.at("nll").get<std::vector<double>>();
    BITLOSS_CHECK(tokens_.size() >= 60);
    // Two items that share a beginning, as examples before a question are shared, each with several
    // continuations: long ones, two that differ in one token, and one that is another's beginning.
    for (const int32_t item : {5, 6}) {
      for (const int32_t choice : {70, 71, 72}) {
        std::vector<int32_t> tokens(tokens_.begin(), tokens_.begin() + 30);
        tokens.insert(tokens.end(), {item, 9, 10, choice});
        if (choice != 71) tokens.insert(tokens.end(), {item, 100, 101, choice});
        sequences_.push_back(tokens);
        firsts_.push_back(33);
      }
      sequences_.push_back({sequences_.back().begin(), sequences_.back().end() - 2});
      firsts_.push_back(33);
    }
    // And one that shares nothing.
    sequences_.push_back({tokens_.begin() + 20, tokens_.begin() + 60});
    firsts_.push_back(7);
    for (size_t i = 0; i < sequences_.size(); ++i) {
      continuations_.push_back({sequences_[i], firsts_[i]});
    }
  }

  std::vector<ContinuationScore> Score(const LaneWeights& lane,
                                       std::span<const Continuation> continuations) {
    return Must(ScoreContinuations(model_.transformer(), lane, continuations));
  }

  std::vector<int32_t> tokens_;
  std::vector<double> expected_nll_;
  std::vector<std::vector<int32_t>> sequences_;
  std::vector<size_t> firsts_;
  std::vector<Continuation> continuations_;
  TestModel model_{TestModel::TinyFolder(), 2};
};

TEST_F(ContinuationsTest, GivesTheSumOfTransformersLosses) {
  const LaneWeights lane = model_.Lane("fp16");
  double expected = 0;
  for (size_t at = 20; at < tokens_.size(); ++at) expected -= expected_nll_[at - 1];
  const Continuation continuation{tokens_, 20};
  EXPECT_NEAR(Score(lane, {&continuation, 1})[0].log_likelihood, expected, 2e-3);
}

TEST_F(ContinuationsTest, GivesTheSameBitsSharedAndAlone) {
  size_t num_tokens = 0;
  for (const auto& tokens : sequences_) num_tokens += tokens.size() - 1;
  EXPECT_LT(NumDistinctTokens(continuations_), num_tokens / 2);
  for (const char* scheme : {"fp16", "nf4", "int8", "w8a8", "fp8_e4m3:row@fp8", "q4_0@ggml",
                             "control-bf16", "control-fp16", "q8_0+kv=q8_0"}) {
    SCOPED_TRACE(scheme);
    const LaneWeights lane = model_.Lane(scheme);
    std::vector<ContinuationScore> alone;
    for (const Continuation& continuation : continuations_) {
      alone.push_back(Score(lane, {&continuation, 1})[0]);
    }
    EXPECT_THAT(Score(lane, continuations_), ElementsAreArray(alone));
  }
}

TEST_F(ContinuationsTest, CallsTheMostLikelyTokensGreedyAndNoOthers) {
  const LaneWeights lane = model_.Lane("fp16");
  std::vector<int32_t> tokens(tokens_.begin(), tokens_.begin() + 20);
  for (int i = 0; i < 4; ++i) {
    const Matrix logits = model_.Logits(lane, tokens);
    const auto last = logits.Row(tokens.size() - 1);
    tokens.push_back(static_cast<int32_t>(std::ranges::max_element(last) - last.begin()));
  }
  std::vector<int32_t> other = tokens;
  other[21] = other[21] == 7 ? 8 : 7;
  const Continuation both[] = {{tokens, 20}, {other, 20}};
  const std::vector<ContinuationScore> scores = Score(lane, both);
  EXPECT_TRUE(scores[0].greedy);
  EXPECT_FALSE(scores[1].greedy);
  EXPECT_LT(scores[1].log_likelihood, scores[0].log_likelihood);
}

}  // namespace
}  // namespace bitloss
