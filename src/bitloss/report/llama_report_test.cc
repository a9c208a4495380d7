#include "bitloss/report/llama_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <numbers>

#include "bitloss/report/test_report.h"

namespace bitloss {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

// 128 tokens of one chunk: the baseline gives them 1/2, 1/2, 1/4, 1/4, ..., the lane 1/2, 1/4, 1/4,
// 1/8, ...; KL 0, 1/128, 2/128, ...; of four tokens three have the same most likely one.
SmallStudy PowersOfTwo() {
  SmallStudy study;
  study.manifest.protocols[0].id = "llamacpp-512";
  study.manifest.protocols[0].num_units = 1;
  TextUnit unit = SmallUnit(0);
  unit.num_tokens = 129;
  unit.num_scored = 128;
  unit.weight = 128;
  unit.clusters = {{.cluster = 0, .num_scored = 128}};
  TokenScores base = EmptyTokenScores(0, 128), lane = EmptyTokenScores(1, 128);
  for (size_t t = 0; t < 128; ++t) {
    base.nll[t] = (t % 4 < 2 ? 1 : 2) * std::numbers::ln2;
    lane.nll[t] = base.nll[t] + (t % 2 == 1 ? std::numbers::ln2 : 0);
    lane.kl[t] = static_cast<double>(t) / 128;
    lane.top1_agrees[t] = t % 4 != 0;
  }
  study.units = {unit};
  study.scores = {{base, lane}};
  return study;
}

Result<std::string> LlamaReportOf(const SmallStudy& study) {
  const TemporaryFolder folder;
  return WriteLlamaReport(WriteStudy(folder.path(), study));
}

// Its own formulas, done apart from this code.
TEST(LlamaReportTest, PrintsItsNumbersUnderItsNamesInItsColumns) {
  const std::string text = LlamaReportOf(PowersOfTwo()).value();
  EXPECT_EQ(text, R"(# held-out, llamacpp-512: fp16
[1]2.8284,
Final estimate: PPL = 2.8284 +/- 0.08698

# held-out, llamacpp-512: nf4-1 (Q) against fp16 (base)

chunk             PPL               ln(PPL(Q)/PPL(base))          KL Divergence              Δp RMS            Same top p
   1       4.0000 ±    0.1740       0.34657 ±    0.03075       0.49609 ±    0.02561    13.975 ±  0.813 %    75.000 ±  3.842 %

====== Perplexity statistics ======
Mean PPL(Q)                   :   4.000000 ±   0.173968
Mean PPL(base)                :   2.828427 ±   0.086984
Cor(ln(PPL(Q)), ln(PPL(base))):  70.71%
Mean ln(PPL(Q)/PPL(base))     :   0.346574 ±   0.030753
Mean PPL(Q)/PPL(base)         :   1.414214 ±   0.043492
Mean PPL(Q)-PPL(base)         :   1.171573 ±   0.128182

====== KL divergence statistics ======
Mean    KLD:   0.496094 ±   0.025615
Maximum KLD:   0.992188
99.9%   KLD:   0.991195
99.0%   KLD:   0.982266
95.0%   KLD:   0.942578
90.0%   KLD:   0.892969
Median  KLD:   0.496094
10.0%   KLD:   0.099219
 5.0%   KLD:   0.049609
 1.0%   KLD:   0.009922
 0.1%   KLD:   0.000992
Minimum KLD:   0.000000

====== Token probability statistics ======
Mean    Δp: -9.375 ± 0.920 %
Maximum Δp:  0.000%
99.9%   Δp:  0.000%
99.0%   Δp:  0.000%
95.0%   Δp:  0.000%
90.0%   Δp:  0.000%
75.0%   Δp:  0.000%
Median  Δp: -6.250%
25.0%   Δp: -15.625%
10.0%   Δp: -25.000%
 5.0%   Δp: -25.000%
 1.0%   Δp: -25.000%
 0.1%   Δp: -25.000%
Minimum Δp: -25.000%
RMS Δp    : 13.975 ± 0.813 %
Same top p: 75.000 ± 3.842 %
)");
}

TEST(LlamaReportTest, SaysWhereAProtocolScoresOtherTokens) {
  SmallStudy study = PowersOfTwo();
  EXPECT_THAT(LlamaReportOf(study).value(), Not(HasSubstr("# not the tokens")));
  study.manifest.protocols[0].id = "gptq-2048";
  EXPECT_THAT(LlamaReportOf(study).value(), HasSubstr("# not the tokens that llama-perplexity"));
}

TEST(LlamaReportTest, HasNoStatisticsOfFewOrInfiniteLosses) {
  const std::string few = LlamaReportOf(SmallStudy()).value();
  EXPECT_THAT(few, EndsWith("# 9 predictions: of fewer than 100 it prints no statistics\n"));
  SmallStudy study = PowersOfTwo();
  study.scores[0][1].nll[3] = std::numeric_limits<double>::infinity();
  EXPECT_THAT(LlamaReportOf(study).value(),
              EndsWith("# sequence 1 has losses that are not finite: no statistics\n"));
}

TEST(LlamaReportTest, RefusesAStudyWithoutAText) {
  SmallStudy study;
  study.manifest.protocols.clear();
  study.units.clear();
  study.scores.clear();
  const Result<std::string> refused = LlamaReportOf(study);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("has no text"));
}

}  // namespace
}  // namespace bitloss
