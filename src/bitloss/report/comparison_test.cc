#include "bitloss/report/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bitloss/report/test_report.h"
#include "bitloss/report/writers.h"

namespace bitloss {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

ReportData Named(const std::string& name) {
  SmallStudy study;
  study.manifest.model.name = name;
  return ReportOf(study);
}

TEST(ComparisonTest, LanesOfAllStudiesStandInOneTable) {
  const std::vector<ReportData> reports = {Named("small"), Named("large")};
  const Table table = ComparisonTable(reports, reports[0].manifest.protocols[0]);
  ASSERT_EQ(table.rows.size(), 4u);
  EXPECT_EQ(table.rows[1][0].value, "small");
  EXPECT_EQ(table.rows[3][0].value, "large");
  EXPECT_EQ(table.rows[3][1].value, "nf4-1");
  const Table answers = ComparisonOfAnswers(reports, reports[0].manifest.suites[0]);
  ASSERT_EQ(answers.rows.size(), 4u);
  EXPECT_EQ(answers.rows[3][5].value, "2") << "lost";
  EXPECT_THAT(ComparisonWarnings(reports), IsEmpty());
}

TEST(ComparisonTest, SaysWhatCannotBeCompared) {
  SmallStudy other;
  other.manifest.tokenizer_identity = "another";
  other.manifest.protocols[0].text_hash = "another";
  const std::vector<ReportData> reports = {ReportOf(SmallStudy()), ReportOf(other)};
  EXPECT_THAT(ComparisonWarnings(reports),
              ElementsAre(HasSubstr("different tokens"), HasSubstr("protocols and texts")));
  EXPECT_EQ(ComparisonTable(reports, reports[0].manifest.protocols[0]).rows.size(), 2u)
      << "a text of another content is another row of tables";
}

TEST(ComparisonTest, ThePageEscapesNames) {
  const std::vector<ReportData> reports = {Named("<img src=x>"), Named("</script>b")};
  std::string page = WriteComparison(reports);
  EXPECT_THAT(page, AllOf(Not(HasSubstr("<img")), HasSubstr("&lt;img src=x&gt;"),
                          Not(HasSubstr("</script>b"))));
  EXPECT_THAT(page, HasSubstr("figure class=\"chart\""));
}

TEST(ComparisonTest, CsvHasOneHeaderAndTheModelFirst) {
  const std::vector<ReportData> reports = {Named("a,\"b\"\nc"), Named("d")};
  const std::string csv = WriteComparisonCsv(reports, Timings::kOmit);
  EXPECT_THAT(csv, StartsWith("model,scheme,kind,"));
  EXPECT_EQ(csv.find("scheme,kind"), csv.rfind("scheme,kind"));
  EXPECT_THAT(csv, HasSubstr("\"a,\"\"b\"\"\nc\",fp16,"));
  EXPECT_THAT(csv, HasSubstr("\r\n\"d\",fp16,"));
}

TEST(ModelCardTest, IsFrontMatterAndTables) {
  SmallStudy study;
  study.manifest.model.name = "x: \"y\"";
  const std::string card = WriteModelCard(ReportOf(study));
  EXPECT_THAT(card, StartsWith("---\nbase_model: \"x: \\\"y\\\"\"\ntags:\n"));
  EXPECT_THAT(card, HasSubstr("\n- name: \"x: \\\"y\\\" nf4-1\"\n  results:\n"));
  EXPECT_THAT(card, HasSubstr("    - type: kl_divergence\n"));
  EXPECT_THAT(card, HasSubstr("\n---\n\n## What quantization changed\n"));
  EXPECT_THAT(card, HasSubstr("| Lane |"));
}

}  // namespace
}  // namespace bitloss
