#include "bitloss/study/calibration_text.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "bitloss/data/embedded.h"

namespace bitloss {
namespace {

using testing::HasSubstr;

class CalibrationTextTest : public testing::Test {
 protected:
  Calibration Read(const StudyOptions& options) { return ReadCalibration(model_, options).value(); }

  const ModelFiles model_ = OpenModel(EmbeddedModelFolder().value().string()).value();
};

TEST_F(CalibrationTextTest, TakesTheFirstSequencesOfTheTextThatShips) {
  StudyOptions options;
  const Calibration calibration = Read(options);
  EXPECT_EQ(calibration.sequences.size(), 8u);
  EXPECT_EQ(calibration.num_tokens(), 4096u);
  options.calibration_tokens = 1024;
  options.calibration_sequence = 256;
  const Calibration shorter = Read(options);
  ASSERT_EQ(shorter.sequences.size(), 4u);
  EXPECT_TRUE(std::ranges::equal(shorter.sequences[1],
                                 std::span(calibration.sequences[0]).subspan(256, 256)));
  EXPECT_THAT(DefinitionOf(shorter), HasSubstr("4x256 tokens of "));
  EXPECT_THAT(CalibrationJson(shorter), HasSubstr(R"("sequences":4,"tokens":1024})"));
}

TEST_F(CalibrationTextTest, DrawsSequencesOfTheWholeTextBySeed) {
  StudyOptions options;
  options.calibration_sequence = 64;
  options.calibration_tokens = 10 * 64;
  const Calibration first = Read(options);
  options.calibration_tokens = 1 << 30;
  const std::vector<std::vector<int32_t>> all = Read(options).sequences;
  options.calibration_tokens = 10 * 64;
  options.calibration_seed = 7;
  const Calibration drawn = Read(options);
  ASSERT_EQ(drawn.sequences.size(), 10u);
  EXPECT_NE(drawn.sequences, first.sequences);
  EXPECT_EQ(drawn.sequences, Read(options).sequences);
  auto from = all.begin();  // each once, in the order of the text
  for (const auto& sequence : drawn.sequences) {
    from = std::find(from, all.end(), sequence);
    ASSERT_NE(from, all.end());
    ++from;
  }
  EXPECT_THAT(CalibrationJson(drawn), HasSubstr(R"("seed":7)"));
  EXPECT_THAT(DefinitionOf(drawn), HasSubstr("10x64 tokens of "));
  EXPECT_THAT(DefinitionOf(drawn), HasSubstr(", seed 7"));
  options.calibration_seed = 8;
  EXPECT_NE(drawn.sequences, Read(options).sequences);
}

TEST_F(CalibrationTextTest, RefusesATextThatHasNotOneSequence) {
  StudyOptions options;
  options.calibration = EmbeddedModelFolder().value() / "config.json";
  options.calibration_sequence = 4096;
  const auto calibration = ReadCalibration(model_, options);
  ASSERT_FALSE(calibration.ok());
  EXPECT_THAT(calibration.error().message, HasSubstr("at least"));
}

}  // namespace
}  // namespace bitloss
