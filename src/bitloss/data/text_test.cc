#include "bitloss/data/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bitloss {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

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
  const Text text = Make("before\n# One\nbody\n## Sub\n# Two\nbody\n");
  EXPECT_EQ(text.cluster_kind, ClusterKind::kArticles);
  EXPECT_THAT(RowClusters(text), ElementsAre(0, 0, 0, 0, 1, 1));
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
  const Text text = Make("# A\nxx\n# B\nyy\n");  // the second article begins at byte 7
  const Stream raw = RawStream(text);
  EXPECT_EQ(raw.text, text.raw);
  EXPECT_EQ(raw.ClusterAt(0), 0u);
  EXPECT_EQ(raw.ClusterAt(6), 0u);
  EXPECT_EQ(raw.ClusterAt(7), 1u);
  EXPECT_EQ(raw.ClusterAt(13), 1u);
  const Stream part = RawPart(text, 5, 9);
  EXPECT_EQ(part.text, "x\n# ");
  EXPECT_EQ(part.ClusterAt(1), 0u);
  EXPECT_EQ(part.ClusterAt(2), 1u);
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
