#include "bitloss/data/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bitloss {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Text Make(std::string bytes) {
  Result<Text> text = MakeText("t.txt", std::move(bytes));
  BITLOSS_CHECK(text.ok());
  return std::move(text).value();
}

std::vector<uint32_t> RowClusters(const Text& text) {
  std::vector<uint32_t> clusters;
  for (const Row& row : text.rows) clusters.push_back(row.cluster);
  return clusters;
}

TEST(Text, KeepsEveryByteInItsRows) {
  const Text text = Make("one\n\n \ntwo");
  std::string joined;
  for (const Row& row : text.rows) joined += text.RowText(row);
  EXPECT_EQ(joined, text.raw);
  ASSERT_EQ(text.rows.size(), 4u);
  EXPECT_FALSE(text.rows[0].blank);
  EXPECT_TRUE(text.rows[1].blank);
  EXPECT_TRUE(text.rows[2].blank);
  EXPECT_EQ(text.RowText(text.rows[3]), "two");
}

TEST(Text, NamesTheByteThatIsNotUtf8) {
  const Result<Text> text = MakeText("bad.txt", std::string("abc\xff") + "def");
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().kind, ErrorKind::kBadInput);
  EXPECT_THAT(text.error().message, HasSubstr("'bad.txt'"));
  EXPECT_THAT(text.error().message, HasSubstr("byte 3 (0xff)"));
}

TEST(Text, RefusesAnEmptyText) {
  const Result<Text> text = MakeText("empty.txt", "");
  ASSERT_FALSE(text.ok());
  EXPECT_THAT(text.error().message, HasSubstr("'empty.txt' is empty"));
}

TEST(Text, FindsArticlesByHeadingsThatStandAlone) {
  // Row 6 looks like a heading but follows text, row 8 is a section.
  const Text text = Make(
      " \n = First = \n \n body \n \n x \n = 5 = \n \n = = Section = = \n \n = Second = \n \n y "
      "\n");
  EXPECT_EQ(text.cluster_kind, ClusterKind::kArticles);
  EXPECT_EQ(text.num_clusters, 2u);
  EXPECT_THAT(RowClusters(text), ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1));
}

TEST(Text, FindsMarkdownHeadings) {
  const Text text = Make("before\n\n# One\n\nbody\n## Sub\n\n# Two\n\nbody\n");
  EXPECT_EQ(text.cluster_kind, ClusterKind::kArticles);
  EXPECT_THAT(RowClusters(text), ElementsAre(0, 0, 0, 0, 0, 0, 0, 1, 1, 1));
  EXPECT_THAT(text.warnings, IsEmpty());
}

TEST(Text, TakesNoCommentInCodeForAHeading) {
  const Text code = Make("# Sum.\ndef f(x):\n    return x\n\n# Mean\n# of all.\ndef g(x):\n");
  EXPECT_EQ(code.cluster_kind, ClusterKind::kBlocks);
  EXPECT_THAT(code.warnings, ElementsAre(EndsWith("do not stand between blank rows: 3")));
  const Text fenced = Make("# A\n\n```sh\n\n# ls\n\n~~~\n```\n\n# B\n\nx\n");
  EXPECT_THAT(RowClusters(fenced), ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1));
  EXPECT_THAT(fenced.warnings, ElementsAre(EndsWith("do not stand between blank rows: 1")));
}

// The articles of "# A", `rows`, "# B", each between blank rows.
size_t ArticlesAround(const std::string& rows) {
  return Make("# A\n\n" + rows + "\n\n# B\n\nx\n").num_clusters;
}

TEST(Text, ClosesAFenceByOneOfItsCharacterAsLongAndNothingElse) {
  const std::string comment = "\n\n# c\n\n";
  for (const std::string& fences :
       {"```" + comment + "```", "~~~ sh" + comment + "~~~~  ", "````\n```" + comment + "```\n````",
        "   ```\n~~~\n``` sh" + comment + "```"}) {
    EXPECT_EQ(ArticlesAround(fences), 2u) << fences;
  }
  for (const std::string& none :
       {"``" + comment + "``", "```a``` b" + comment + "x", "    ```" + comment + "    ```"}) {
    EXPECT_EQ(ArticlesAround(none), 3u) << none;
  }
}

TEST(Text, ReadsAFenceThatIsNeverClosedAsText) {
  for (const std::string fence : {"```", "~~~", "````\n```", "```\n``` sh"}) {
    const Text text = Make("# A\n\n" + fence + "\n\n# B\n\nx\n");
    EXPECT_EQ(text.num_clusters, 2u) << fence;
    EXPECT_THAT(text.warnings, ElementsAre(EndsWith("articles that begin after it: 1"))) << fence;
  }
  EXPECT_THAT(Make("# A\n\nx\n\n# B\n\n```\n").warnings, IsEmpty()) << "nothing hangs on it";
}

TEST(Text, LooksForTheEndsOfManyFencesInLinearTime) {
  std::string fences;
  for (int i = 0; i < 200000; ++i) fences += "``` sh\n";
  EXPECT_EQ(Make(fences + "\n# A\n\nx\n\n# B\n").num_clusters, 2u);
}

TEST(Text, ReadsLineEndsAsLfAndLeavesOutAByteOrderMark) {
  const std::string plain = "# One\n\nbody\n\n# Two\n\nbody\n";
  std::string crlf, cr;
  for (const char c : plain) {
    crlf += c == '\n' ? "\r\n" : std::string(1, c);
    cr += c == '\n' ? '\r' : c;
  }
  const Text wanted = Make(plain);
  EXPECT_EQ(wanted.num_clusters, 2u);
  EXPECT_THAT(wanted.warnings, IsEmpty());
  for (const auto& [bytes, warning] :
       {std::pair{crlf, "CR LF read as LF: 7"}, std::pair{cr, "line ends CR read as LF: 7"},
        std::pair{"\uFEFF" + plain, "byte order mark"}}) {
    const Text text = Make(bytes);
    EXPECT_EQ(text.raw, wanted.raw);
    EXPECT_EQ(text.sha256, wanted.sha256);
    EXPECT_EQ(RowClusters(text), RowClusters(wanted));
    EXPECT_THAT(text.warnings, ElementsAre(HasSubstr(warning)));
  }
}

TEST(Text, CallsARowOfAnyWhiteSpaceBlank) {
  const Text text = Make("\u00a0\n\u3000 \t\nx\u3000\n");
  EXPECT_TRUE(text.rows[0].blank);
  EXPECT_TRUE(text.rows[1].blank);
  EXPECT_FALSE(text.rows[2].blank);
}

TEST(Text, GathersParagraphsInBlocksWithoutCuttingThem) {
  std::string bytes;
  for (int i = 0; i < 5; ++i) bytes += std::string(999, 'a') + "\n\n";  // 1,001 bytes each
  const Text text = Make(bytes);
  EXPECT_EQ(text.cluster_kind, ClusterKind::kBlocks);
  // Three paragraphs are the first to reach 2,048 bytes.
  EXPECT_THAT(RowClusters(text), ElementsAre(0, 0, 0, 0, 0, 0, 1, 1, 1, 1));
  EXPECT_EQ(text.num_clusters, 2u);
}

TEST(Text, HasAtMostSixtyBlocks) {
  std::string bytes;
  for (int i = 0; i < 3000; ++i) bytes += std::string(150, 'a') + "\n\n";
  const Text text = Make(bytes);
  EXPECT_LE(text.num_clusters, 60u);
  EXPECT_GE(text.num_clusters, 55u);
}

TEST(Text, UsesRowsAsParagraphsWhenNoRowIsBlank) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes += std::string(2047, 'a') + "\n";
  EXPECT_THAT(RowClusters(Make(bytes)), ElementsAre(0, 1, 2, 3));
}

TEST(Stream, MapsBytesToClusters) {
  const Text text = Make("# A\n\nxx\n\n# B\n\nyy\n");  // the second article begins at byte 9
  const Stream raw = RawStream(text);
  EXPECT_EQ(raw.text, text.raw);
  EXPECT_EQ(raw.ClusterAt(0), 0u);
  EXPECT_EQ(raw.ClusterAt(8), 0u);
  EXPECT_EQ(raw.ClusterAt(9), 1u);
  EXPECT_EQ(raw.ClusterAt(16), 1u);
  const Stream part = RawPart(text, 6, 11);
  EXPECT_EQ(part.text, "x\n\n# ");
  EXPECT_EQ(part.ClusterAt(2), 0u);
  EXPECT_EQ(part.ClusterAt(3), 1u);
}

TEST(Stream, JoinsTheRowsOfADataSetWithBlankLinesAndEmptiesBlankRows) {
  Text text = Make(" \n = A = \n \n a \n");
  EXPECT_EQ(JoinedStream(text).text, text.raw) << "a plain text has nothing to join";
  text.corpus = Corpus::kWikiText2Test;
  const Stream joined = JoinedStream(text);
  EXPECT_EQ(joined.text, "\n\n = A = \n\n\n\n\n a \n");
  EXPECT_EQ(joined.pieces.size(), text.rows.size());
}

}  // namespace
}  // namespace bitloss
