// The page of a large study, 8 lanes beside the baseline and 96 prompts with long answers, stays
// small enough to be sent by mail. With BITLOSS_PAGE set, writes it there, for tools/check-page.
#include <gtest/gtest.h>

#include <cstdlib>

#include "bitloss/base/file.h"
#include "bitloss/report/test_report.h"
#include "bitloss/report/writers.h"

namespace bitloss {
namespace {

constexpr size_t kNumLanes = 9;
constexpr size_t kNumPrompts = 96;
constexpr size_t kNumWords = 200;  // about 256 tokens and 1,200 bytes

// Words of an answer: those of every lane are the same up to a fork, then one in three differs.
std::string Words(size_t lane, size_t prompt, size_t fork) {
  std::string text;
  for (size_t w = 0; w < kNumWords; ++w) {
    const bool differs = lane > 0 && w >= fork && (w * 7 + lane) % 3 == 0;
    text += differs ? "lane" + std::to_string(lane) + "s "
                    : "w" + std::to_string(w * prompt % 997) + "ord ";
    if (w % 40 == 39) text += "\n\n";
  }
  return text;
}

Answer MakeAnswer(size_t lane, size_t prompt) {
  const size_t fork = (prompt * 13 + lane * 29) % kNumWords;
  const bool same = (prompt + lane) % 5 == 0;
  Answer answer = SmallAnswer(lane, prompt);
  answer.text = Words(same ? 0 : lane, prompt, fork);
  answer.token_ids.assign(256, 11);
  if (!same && lane > 0) answer.token_ids[fork] = 12;
  for (size_t t = 0; t < 256; ++t) answer.token_ids[t] += static_cast<int32_t>(t);
  answer.check->passed = lane == 0 ? prompt % 8 != 0 : (prompt * lane) % 7 != 1;
  return answer;
}

SmallStudy LargeStudy() {
  SmallStudy study;
  study.manifest.suites[0].num_prompts = kNumPrompts;
  study.lanes.resize(1);
  study.prompts.clear();
  study.answers.clear();
  study.answer_scores.clear();
  for (auto& unit : study.scores) unit.resize(1);
  for (size_t prompt = 0; prompt < kNumPrompts; ++prompt) {
    study.prompts.push_back(SmallPrompt(prompt));
    study.prompts.back().category = "Category " + std::to_string(prompt / 8);
    study.answers.push_back(MakeAnswer(0, prompt));
  }
  for (size_t lane = 1; lane < kNumLanes; ++lane) {
    study.lanes.push_back(SmallLane(lane));
    study.lanes.back().weight_bytes = (400 + 37 * lane) * 1'000'000;
    for (size_t unit = 0; unit < study.scores.size(); ++unit) {
      study.scores[unit].push_back(SmallScores(lane, unit));
    }
    study.timings.push_back({.lane = lane,
                             .kind = TimingKind::kDecode,
                             .key = "0",
                             .seconds = 1.0 + 0.1 * static_cast<double>(lane),
                             .num_tokens = 1000});
    for (size_t prompt = 0; prompt < kNumPrompts; ++prompt) {
      study.answers.push_back(MakeAnswer(lane, prompt));
      study.answer_scores.push_back(
          {.suite = 0, .prompt = prompt, .scores = SmallScores(lane, prompt % 3)});
    }
  }
  return study;
}

TEST(PageSizeTest, EightLanesAndNinetySixPromptsStayUnderThreeMegabytes) {
  const std::string page = WriteHtml(ReportOf(LargeStudy()));
  EXPECT_LT(page.size(), 3'000'000u);
  EXPECT_GT(page.size(), 1'000'000u) << "the answers are there";
  if (const char* path = std::getenv("BITLOSS_PAGE"); path != nullptr) {
    ExpectOk(WriteFileAtomically(path, page));
  }
  RecordProperty("bytes", static_cast<int>(page.size()));
}

}  // namespace
}  // namespace bitloss
