#include "bitloss/report/html.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <regex>

#include "bitloss/base/text.h"
#include "bitloss/report/chart.h"
#include "bitloss/report/numbers.h"
#include "bitloss/report/page_files.h"
#include "bitloss/report/test_report.h"
#include "bitloss/report/word_diff.h"
#include "bitloss/report/writers.h"

namespace bitloss {
namespace {

using testing::HasSubstr;
using testing::Not;

size_t CountOf(const std::string& text, const std::string& what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

TEST(HtmlTest, EscapesEverythingThatIsNotText) {
  EXPECT_EQ(EscapeHtml("<a href=\"x\">'&'</a>"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
  EXPECT_EQ(EscapeHtml(std::string("a\0b\x1B\r", 5)),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(EscapeHtml("tab\tline\n\xC3\xA9"), "tab\tline\n\xC3\xA9");
  EXPECT_EQ(EscapeHtml("\xFF"
                       "a\xC3"),
            "\xEF\xBF\xBD"
            "a\xEF\xBF\xBD");
}

TEST(HtmlTest, PolicyHashIsTheBase64OfTheDigest) {
  // openssl dgst -sha256 -binary /dev/null | base64
  EXPECT_EQ(PolicyHash(""), "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
}

TEST(HtmlTest, FillReplacesEachNameOnce) {
  EXPECT_EQ(Fill("a{{x}}b{{y}}{{x}}", {{"x", "{{y}}"}, {"y", "2"}}), "a{{y}}b2{{y}}");
}

TEST(HtmlTest, ShortensBetweenCodePoints) {
  EXPECT_EQ(Shortened("abc", 3), "abc");
  EXPECT_EQ(Shortened("a\xC3\xA9z", 2), "a...");
}

TEST(HtmlTest, NothingThatAModelOrASuiteWritesBecomesMarkup) {
  const std::string evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{body}}";
  SmallStudy study;
  study.manifest.model.name = evil;
  study.manifest.protocols[0].text = evil;
  study.manifest.suites[0].id = evil;
  study.lanes[1].scheme = evil;
  study.lanes[1].notes = {evil};
  study.lanes[1].coverage =
      R"({"parts": [{"tensors": "<script>alert(3)</script>", "format": "x", "weights": 1}]})";
  study.prompts[0].id = evil;
  study.prompts[0].text = evil;
  study.prompts[1].category = evil;
  study.answers[2].text = evil;
  study.answers[2].check->evidence =
      R"([{"id": "<script>alert(4)</script>", "passed": false, "evidence": "<i>"}])";
  study.answers[3].finish = FinishReason::kError;
  study.answers[3].error = evil;
  study.notes = {{.key = evil, .value = evil}};
  const std::string page = WriteHtml(ReportOf(study));
  // Vega, the page's own, and the data of the charts.
  EXPECT_EQ(CountOf(page, "<script>"), 2u);
  EXPECT_EQ(CountOf(page, "<script"), 2u + CountOf(page, "<script type=\"application/json\">"));
  EXPECT_EQ(CountOf(page, "</script"), CountOf(page, "<script"));
  EXPECT_EQ(CountOf(page, "<img"), 0u);
  EXPECT_EQ(CountOf(page, "<i>"), 0u);
  EXPECT_THAT(page, HasSubstr("{{body}}")) << "what is filled in is not filled again";
}

// The page without Vega, which names SVG's namespace by its address.
std::string OwnPart(std::string page) {
  const size_t vega = page.find(PageVega());
  if (vega != std::string::npos) page.erase(vega, PageVega().size());
  return page;
}

TEST(HtmlTest, ThePageNeedsNothingFromOutside) {
  const std::string whole = WriteHtml(ReportOf(SmallStudy()));
  const std::string page = OwnPart(whole);
  EXPECT_LT(page.size(), whole.size()) << "Vega is there";
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_THAT(page, HasSubstr("script-src '" + PolicyHash(PageScript()) + "' '" +
                              PolicyHash(PageVega()) + "'"));
  EXPECT_THAT(page, HasSubstr("style-src '" + PolicyHash(PageStyle()) + "'"));
  EXPECT_THAT(page, Not(HasSubstr("http://")));
  EXPECT_THAT(page, Not(HasSubstr("https://")));
  EXPECT_THAT(page, Not(HasSubstr(" style=")));
  EXPECT_THAT(page, Not(HasSubstr(" onclick=")));
  EXPECT_FALSE(FindInvalidUtf8(page).has_value());
}

TEST(HtmlTest, TagsAreBalanced) {
  const std::string page = OwnPart(WriteHtml(ReportOf(SmallStudy())));
  for (const char* tag : {"section", "table", "thead",  "tbody", "tr", "details", "summary", "svg",
                          "th",      "td",    "small",  "b",     "p",  "figure",  "dl",      "div",
                          "span",    "main",  "header", "nav",   "ul", "select"}) {
    const std::string open = std::string("<") + tag;
    EXPECT_EQ(CountOf(page, open + ">") + CountOf(page, open + " "),
              CountOf(page, std::string("</") + tag + ">"))
        << tag;
  }
}

TEST(HtmlTest, SaysFirstWhatMakesNumbersUnusable) {
  SmallStudy study;
  for (auto& unit : study.scores) unit[1].kl.assign(unit[1].kl.size(), 0.0);
  study.answer_scores.clear();
  const std::string page = WriteHtml(ReportOf(study));
  const size_t warning = page.find("quantization did not engage");
  ASSERT_NE(warning, std::string::npos);
  EXPECT_LT(warning, page.find("id=\"fidelity\""));
}

TEST(HtmlTest, OpensWithTheAnswerAndFoldsWhatIsLong) {
  const std::string page = OwnPart(WriteHtml(ReportOf(NineArticles())));
  const size_t answer = page.find("<section id=\"answer\">");
  const size_t validity = page.find("<section id=\"validity\">");
  ASSERT_NE(answer, std::string::npos);
  EXPECT_LT(answer, validity);
  const std::string opening = page.substr(answer, validity - answer);
  EXPECT_THAT(opening, HasSubstr("saves 70 % of the size"));
  EXPECT_THAT(opening, HasSubstr("<td class=\"num\" data-name=\"Bits\">4.80</td>"));
  EXPECT_THAT(opening, HasSubstr("<figure class=\"chart\">"));
  EXPECT_THAT(opening, HasSubstr("<b class=\"word bad\">harm shown</b>"));
  for (const char* id : {"failures", "answers", "fidelity", "cost", "protocols", "provenance"}) {
    EXPECT_THAT(page,
                HasSubstr(std::string("<section id=\"") + id + "\"><details class=\"fold\">"));
  }
  // The only lane has one row of verdicts.
  const size_t verdicts = page.find("<section id=\"verdicts\">");
  const std::string table = page.substr(verdicts, page.find("</section>", verdicts) - verdicts);
  EXPECT_EQ(CountOf(table, "<tr>"), 2u) << "names, and the lane";
  EXPECT_THAT(table, HasSubstr("data-name=\"Answers\""));
}

TEST(HtmlTest, NoNumberIsMinusZero) {
  SmallStudy study = NineArticles();
  for (auto& unit : study.scores) {
    unit[1].nll = unit[0].nll;  // no change at all
    for (double& x : unit[1].nll) x -= 1e-9;
  }
  for (size_t i = 2; i < 4; ++i) study.answers[i].check->passed = true;  // nothing lost
  const ReportData report = ReportOf(study);
  const std::string all = OwnPart(WriteHtml(report)) + WriteMarkdown(report) +
                          TerminalDetails(report) + TerminalAnswer(report) +
                          WriteSharePicture(report);
  const std::regex minus_zero("[^0-9A-Za-z.-]-0(\\.0+)?[^0-9.]");
  std::smatch found;
  EXPECT_FALSE(std::regex_search(all, found, minus_zero))
      << found.str() << found.suffix().str().substr(0, 80);
  EXPECT_THAT(WriteJson(report), Not(HasSubstr("-0.0,")));
}

TEST(HtmlTest, AStudyOfTextAloneOrOfPromptsAloneHasAPage) {
  SmallStudy text;
  text.manifest.suites.clear();
  text.prompts.clear();
  text.answers.clear();
  text.answer_scores.clear();
  text.timings.clear();
  EXPECT_THAT(WriteHtml(ReportOf(text)), Not(HasSubstr("id=\"answers\"")));

  SmallStudy prompts;
  prompts.manifest.protocols.clear();
  prompts.units.clear();
  prompts.scores.clear();
  const std::string page = WriteHtml(ReportOf(prompts));
  EXPECT_THAT(page, HasSubstr("mean KL of answers from fp16"));
  EXPECT_THAT(page, HasSubstr("id=\"answers\""));
}

TEST(WordDiffTest, PiecesJoinToTheAnswer) {
  for (const auto& [before, after] : std::vector<std::pair<std::string, std::string>>{
           {"", ""}, {"a b", ""}, {"", "  a b"}, {"a b c", "a x c"}, {"a\n\nb", "a b\tc "}}) {
    std::string joined;
    for (const DiffPiece& piece : DiffWords(before, after)) joined += piece.text;
    EXPECT_EQ(joined, after);
  }
}

TEST(WordDiffTest, MarksWordsAndNamesWhatIsMissing) {
  const std::vector<DiffPiece> pieces =
      DiffWords("the cat sat on the mat", "the dog sat on a mat now");
  ASSERT_EQ(pieces.size(), 6u);
  EXPECT_EQ(pieces[0].text, "the ");
  EXPECT_FALSE(pieces[0].differs);
  EXPECT_EQ(pieces[1].text, "dog ");
  EXPECT_TRUE(pieces[1].differs);
  EXPECT_EQ(pieces[1].missing, "cat ");
  EXPECT_EQ(pieces[2].text, "sat on ");
  EXPECT_EQ(pieces[3].text, "a ");
  EXPECT_EQ(pieces[3].missing, "the ");
  EXPECT_EQ(pieces[4].text, "mat ");
  EXPECT_EQ(pieces[5].text, "now");
}

TEST(WordDiffTest, AnAnswerThatStopsEarlyEndsInAGap) {
  const std::vector<DiffPiece> pieces = DiffWords("one two three", "one two");
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[1].text, "");
  EXPECT_EQ(pieces[1].missing, "three");
}

TEST(WordDiffTest, HugeAnswersAreNotCompared) {
  std::string before;
  std::string after;
  for (int i = 0; i < 3000; ++i) {
    before += std::to_string(i) + " ";
    after += std::to_string(-i - 1) + " ";
  }
  const std::vector<DiffPiece> pieces = DiffWords(before, after);
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_EQ(pieces[0].text, after);
  EXPECT_EQ(pieces[0].missing, before);
}

TEST(ChartTest, DrawsPointsInsideTheFrame) {
  Chart chart{.points = {}, .baseline_label = "fp16", .baseline_megabytes = 270, .y_title = "KL"};
  chart.points.push_back({"int8", 150, 0.001, Interval{0.0005, 0.002}});
  chart.points.push_back({"nf4<", 110, 0.1, Interval{-0.1, 0.3}});
  chart.points.push_back({"alone", 110, 0.1, std::nullopt});
  const std::string svg = DrawChart(chart, 900, 400, "wide");
  EXPECT_EQ(CountOf(svg, "<circle"), 3u);
  EXPECT_THAT(svg, HasSubstr("nf4&lt;"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
  const std::regex y("[cy][y12]*=\"([-0-9.]+)\"");
  for (std::sregex_iterator it(svg.begin(), svg.end(), y), end; it != end; ++it) {
    const double value = std::strtod((*it)[1].str().c_str(), nullptr);
    EXPECT_GE(value, 0.0);
    EXPECT_LE(value, 400.0);
  }
}

TEST(NumbersTest, ShowDigitsThatMatter) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1000), "1,000");
  EXPECT_EQ(FormatCount(494032768), "494,032,768");
  EXPECT_EQ(FormatPerplexity(25.12834), "25.1283");
  EXPECT_EQ(FormatPerplexity(12345.67), "12345.7");
  EXPECT_EQ(FormatDivergence(0.0), "0");
  EXPECT_EQ(FormatDivergence(0.0000254), "2.5e-05");
  EXPECT_EQ(FormatDivergence(0.001234), "0.00123");
  EXPECT_EQ(FormatDivergence(0.01234), "0.0123");
  EXPECT_EQ(FormatDivergence(0.1234), "0.123");
  EXPECT_EQ(FormatDivergence(1.234), "1.23");
  EXPECT_EQ(FormatSignedPercent(-0.344), "-0.34");
  EXPECT_EQ(FormatSignedPercent(16.971), "+16.97");
  EXPECT_EQ(FormatSignedPercent(-0.001), "0.00");
  EXPECT_EQ(FormatSignedPercent(0.001), "0.00");
  EXPECT_EQ(FormatSigned(-0.04, 1), "0.0");
  EXPECT_EQ(FormatSigned(-0.06, 1), "-0.1");
  EXPECT_EQ(FormatFixed(-0.0, 1), "0.0");
  EXPECT_EQ(FormatFixed(-0.4, 0), "0");
  EXPECT_EQ(FormatShare(0.97314), "97.31");
  EXPECT_EQ(FormatMegabytes(471'150'000), "471.1");
  EXPECT_EQ(FormatMegabytes(12'580'000), "12.58");
  EXPECT_EQ(FormatRate(1234.4), "1,234");
  EXPECT_EQ(FormatRate(12.34), "12.3");
}

}  // namespace
}  // namespace bitloss
