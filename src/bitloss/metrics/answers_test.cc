// Tests of what is measured on answers: degeneration.h, refusal.h, script.h and similarity.h.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "bitloss/json/parse.h"
#include "bitloss/metrics/degeneration.h"
#include "bitloss/metrics/refusal.h"
#include "bitloss/metrics/script.h"
#include "bitloss/metrics/similarity.h"

namespace bitloss {
namespace {

using nlohmann::json;
using Tokens = std::vector<int32_t>;

// Written by tools/golden/similarity.py; it names the programs and their versions.
const json& Golden() {
  static const json golden =
      ReadJsonFile(BITLOSS_SOURCE_DIR "/src/bitloss/metrics/testdata/similarity.json").value();
  return golden;
}

// 0, 1, ..., size - 1: nothing repeats.
Tokens Ramp(size_t size) {
  Tokens tokens(size);
  std::iota(tokens.begin(), tokens.end(), 0);
  return tokens;
}

TEST(ChrFTest, AgreesWithSacrebleu) {
  for (const json& c : Golden()["chrf2"]) {
    const double score =
        ChrF2(c["hypothesis"].get<std::string>(), c["reference"].get<std::string>());
    EXPECT_NEAR(score, c["score"], 1e-10) << c;
  }
}

TEST(ChrFTest, TakesBytesThatAreNotText) {
  EXPECT_EQ(ChrF2("ab\xff", "ab\xff"), 100.0);
  EXPECT_LT(ChrF2("ab\xff", "ab\xfe"), 100.0);
}

TEST(EditDistanceTest, AgreesWithRapidFuzz) {
  for (const json& c : Golden()["edit_distance"]) {
    const Tokens a = c["a"];
    const Tokens b = c["b"];
    EXPECT_EQ(EditDistance(a, b), c["distance"].get<size_t>());
    EXPECT_EQ(EditDistance(b, a), c["distance"].get<size_t>());
  }
}

TEST(EditDistanceTest, IsAShareOfTheLongerAnswer) {
  EXPECT_EQ(EditDistanceShare(Tokens{1, 2, 3, 4}, Tokens{1, 2, 9, 4}), 0.25);
  EXPECT_EQ(EditDistanceShare(Tokens{}, Tokens{1, 2}), 1.0);
  EXPECT_EQ(EditDistanceShare({}, {}), 0.0);
}

TEST(FirstDivergenceTest, FindsTheFirstDifferenceOrTheShorterEnd) {
  EXPECT_EQ(FirstDivergence(Tokens{1, 2, 3}, Tokens{1, 5, 3}), 1u);
  EXPECT_EQ(FirstDivergence(Tokens{1, 2}, Tokens{1, 2, 3}), 2u);
  EXPECT_EQ(FirstDivergence(Tokens{1, 2, 3}, Tokens{1, 2}), 2u);
  EXPECT_EQ(FirstDivergence(Tokens{1, 2}, Tokens{1, 2}), std::nullopt);
  EXPECT_EQ(FirstDivergence({}, {}), std::nullopt);
}

// 1 2 1 2 1: bigrams 12 21 12 21, two of four distinct.
TEST(RepetitionTest, CountsDistinctNgrams) {
  EXPECT_EQ(RepeatedNgramShare(Tokens{1, 2, 1, 2, 1}, 2), 0.5);
  EXPECT_EQ(RepeatedNgramShare(Ramp(50), 3), 0.0);
  EXPECT_EQ(RepeatedNgramShare(Tokens(11, 7), 2), 0.9);
  EXPECT_EQ(RepeatedNgramShare(Tokens{1, 2}, 3), std::nullopt);
}

TEST(LoopTest, FindsTheSmallestPeriodAndItsOnset) {
  Tokens tokens = Ramp(10);
  for (int i = 0; i < 30; ++i) tokens.push_back(100 + i % 5);
  const auto loop = FindLoop(tokens);
  ASSERT_TRUE(loop);
  EXPECT_EQ(loop->period, 5u);
  EXPECT_EQ(loop->onset, 10u);
}

TEST(LoopTest, WantsThreeRoundsAndTwentyFourTokens) {
  EXPECT_FALSE(FindLoop(Tokens(23, 1)));
  EXPECT_EQ(FindLoop(Tokens(24, 1))->period, 1u);
  Tokens two_rounds_and_a_half;
  for (int i = 0; i < 75; ++i) two_rounds_and_a_half.push_back(i % 30);
  EXPECT_FALSE(FindLoop(two_rounds_and_a_half));
  for (int i = 75; i < 90; ++i) two_rounds_and_a_half.push_back(i % 30);
  EXPECT_EQ(FindLoop(two_rounds_and_a_half)->period, 30u);
  EXPECT_EQ(FindLoop(two_rounds_and_a_half)->onset, 0u);
}

TEST(LoopTest, LooksAtTheEndOnlyAndNotBeyondPeriodSixtyFour) {
  Tokens recovered(40, 1);
  recovered.push_back(2);
  EXPECT_FALSE(FindLoop(recovered));
  Tokens long_period;
  for (int i = 0; i < 400; ++i) long_period.push_back(i % 65);
  EXPECT_FALSE(FindLoop(long_period));
  EXPECT_FALSE(FindLoop({}));
}

// 1 | 2 | 1 2 1 2 | 3: the third phrase reaches into itself.
TEST(PhrasesTest, CountsThePhrasesOfTheGreedyParse) {
  EXPECT_EQ(PhrasesPerToken(Tokens{1, 2, 1, 2, 1, 2, 3}), 4.0 / 7.0);
  EXPECT_EQ(PhrasesPerToken(Ramp(20)), 1.0);
  EXPECT_EQ(PhrasesPerToken(Tokens(100, 5)), 0.02);
  EXPECT_EQ(PhrasesPerToken({}), std::nullopt);
}

TEST(EndsEarlyTest, ComparesWithAQuarterOfTheBaseline) {
  EXPECT_TRUE(EndsEarly(4, 4));
  EXPECT_FALSE(EndsEarly(5, 20));
  EXPECT_TRUE(EndsEarly(5, 21));
}

// " on the mat" of "It sat on the mat!": 11 of 18 characters.
TEST(PromptEchoTest, MeasuresTheLongestCommonRunOfCharacters) {
  EXPECT_EQ(PromptEcho("It sat on the mat!", "What is on the mat?"), 11.0 / 18);
  EXPECT_EQ(PromptEcho("\u91cf\u5316", "\u91cf\u4f53"), 0.5) << "characters, not bytes";
  EXPECT_EQ(PromptEcho("yes", ""), 0.0);
  EXPECT_EQ(PromptEcho("", "p"), std::nullopt);
  EXPECT_EQ(PromptEcho("\xff", "p"), 0.0);
}

TEST(PromptEchoTest, AgreesWithPythonsDifflib) {
  for (const json& c : Golden()["prompt_echo"]) {
    EXPECT_EQ(PromptEcho(c["answer"].get<std::string>(), c["prompt"].get<std::string>()), c["echo"])
        << c;
  }
}

TEST(ScriptTest, AgreesWithUnicodesNamesInFontTools) {
  for (const json& c : Golden()["scripts"]) {
    EXPECT_EQ(ScriptsOf(c["text"].get<std::string>()), c["scripts"]) << c;
    const std::vector<std::string> latin = {"Latin"};
    const std::optional<double> drift = ScriptDrift(c["text"].get<std::string>(), latin);
    EXPECT_EQ(drift.has_value(), !c["outside_latin"].is_null()) << c;
    EXPECT_EQ(drift.value_or(-1),
              c["outside_latin"].is_null() ? -1 : c["outside_latin"].get<double>());
  }
}

// Of "Das ist \u597d" (Das ist good) one letter of seven is not Latin; full stops and digits are no
// letters.
TEST(ScriptTest, CountsLettersOutsideWhatIsExpected) {
  const std::vector<std::string> latin = {"Latin"};
  EXPECT_EQ(ScriptDrift("Das ist \u597d. 42", latin), 1.0 / 7);
  const std::vector<std::string> both = {"latin", "Hani"};  // as loosely as the suite's check reads
  EXPECT_EQ(ScriptDrift("Das ist \u597d.", both), 0.0);
  EXPECT_EQ(ScriptDrift("42.", latin), std::nullopt);
  EXPECT_EQ(ScriptDrift("abc", {}), std::nullopt);
  const std::vector<std::string> none = {"Klingonese"};
  EXPECT_EQ(ScriptDrift("abc", none), std::nullopt);
  EXPECT_EQ(ScriptDrift("ab\xff", latin), 0.0);
}

TEST(RefusalTest, SeesAPhraseAtTheBeginning) {
  EXPECT_TRUE(FindRefusal("  I\u2019m sorry,  but I can\u2019t help with that."));
  EXPECT_TRUE(FindRefusal("As a\nlanguage model I cannot see."));
  EXPECT_TRUE(FindRefusal("\u62b1\u6b49\uff0c\u6211\u65e0\u6cd5\u56de\u7b54"));
  EXPECT_FALSE(FindRefusal("I can't wait to tell you: it is blue."));
  EXPECT_FALSE(FindRefusal("Sorry, that was easy: blue."));
  EXPECT_FALSE(FindRefusal("\u5bf9\u4e0d\u8d77")) << "a translation of \"sorry\"";
  EXPECT_FALSE(FindRefusal("Paris is the capital of France."));
  EXPECT_FALSE(FindRefusal(""));
  EXPECT_FALSE(FindRefusal(std::string(200, 'x') + " I cannot"));
}

}  // namespace
}  // namespace bitloss
