#include "bitloss/data/protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bitloss/data/protocols/seed_lines_table.h"
#include "bitloss/data/protocols/wikitext_pages.h"

namespace bitloss {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr TokenId kBos = 300;
constexpr TokenId kEos = 301;

// One token a byte, so that positions in tokens are positions in bytes.
TextEncoder Bytes(size_t max_positions = 4096) {
  TextEncoder encoder;
  encoder.encode = [](std::string_view text) -> Result<std::vector<TokenId>> {
    std::vector<TokenId> ids;
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  };
  encoder.num_bytes = [](TokenId) -> size_t { return 1; };
  encoder.eos = kEos;
  encoder.max_positions = max_positions;
  return encoder;
}

TextEncoder BytesWithBos() {
  TextEncoder encoder = Bytes();
  encoder.bos = kBos;
  encoder.adds_bos = true;
  return encoder;
}

Text Make(std::string bytes) {
  Result<Text> text = MakeText("t.txt", std::move(bytes));
  BITLOSS_CHECK(text.ok());
  return std::move(text).value();
}

// Byte i is 'a' + i mod 26; lines of `line` bytes.
Text Letters(size_t size, size_t line = 100) {
  std::string bytes;
  for (size_t i = 0; i < size; ++i) {
    bytes += (i + 1) % line == 0 ? '\n' : static_cast<char>('a' + i % 26);
  }
  return Make(std::move(bytes));
}

const Protocol& Named(std::string_view id) {
  const Result<const Protocol*> protocol = FindProtocol(id);
  BITLOSS_CHECK(protocol.ok());
  return *protocol.value();
}

Windows Cut(std::string_view id, const Text& text, const TextEncoder& encoder,
            std::optional<size_t> max_samples = std::nullopt) {
  Result<Windows> windows = CutIntoWindows(Named(id), text, encoder, max_samples);
  EXPECT_TRUE(windows.ok()) << windows.error().message;
  return std::move(windows).value();
}

TEST(Protocols, AreFiveAndAreFoundById) {
  EXPECT_EQ(Protocols().size(), 5u);
  for (const Protocol& protocol : Protocols()) EXPECT_EQ(&Named(protocol.id), &protocol);
  const auto unknown = FindProtocol("gptq-4096");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(unknown.error().message, HasSubstr("lines-512-seed, gptq-2048, llamacpp-512"));
}

TEST(Protocols, RefuseAModelThatIsTooShort) {
  const auto windows = CutIntoWindows(Named("gptq-2048"), Letters(10000), Bytes(512));
  ASSERT_FALSE(windows.ok());
  EXPECT_EQ(windows.error().kind, ErrorKind::kUnsupported);
  EXPECT_THAT(windows.error().message, HasSubstr("reads 2048 tokens at once"));
  EXPECT_THAT(windows.error().message, HasSubstr("fit: lines-512-seed, llamacpp-512, rolling-doc"));
}

TEST(Protocols, RefuseATextWithNothingToScore) {
  for (const Protocol& protocol : Protocols()) {
    TextEncoder encoder = Bytes();
    encoder.encode = [](std::string_view) -> Result<std::vector<TokenId>> {
      return std::vector<TokenId>{7};
    };
    const auto windows = CutIntoWindows(protocol, Make("two words"), encoder);
    if (protocol.id == "rolling-doc") {
      EXPECT_TRUE(windows.ok()) << "its prefix predicts the first token";
      continue;
    }
    ASSERT_FALSE(windows.ok()) << protocol.id;
    EXPECT_EQ(windows.error().kind, ErrorKind::kBadInput);
    EXPECT_THAT(windows.error().message, HasSubstr("t.txt"));
  }
}

TEST(Protocols, RefuseZeroSamples) {
  EXPECT_FALSE(CutIntoWindows(Named("gptq-2048"), Letters(5000), Bytes(), 0).ok());
}

TEST(Protocols, PassOnTheEncodersError) {
  TextEncoder encoder = Bytes();
  encoder.encode = [](std::string_view) -> Result<std::vector<TokenId>> {
    return BadInput("no such piece");
  };
  for (const Protocol& protocol : Protocols()) {
    EXPECT_FALSE(CutIntoWindows(protocol, Letters(5000), encoder).ok()) << protocol.id;
  }
}

TEST(Gptq2048, CutsWholeChunksAndScoresAllButTheFirstToken) {
  const Windows windows = Cut("gptq-2048", Letters(2 * 2048 + 70), Bytes());
  ASSERT_EQ(windows.sequences.size(), 2u);
  EXPECT_EQ(windows.num_tokens, 4096u);
  EXPECT_EQ(windows.num_predictions, 2 * 2047u);
  EXPECT_EQ(windows.sequences[1].tokens.size(), 2048u);
  EXPECT_EQ(windows.sequences[1].first_scored, 1u);
  EXPECT_EQ(windows.sequences[1].tokens[0], 'a' + 2048 % 26);
}

TEST(Gptq2048, PutsOneBosAtTheVeryStart) {
  const Windows windows = Cut("gptq-2048", Letters(2 * 2048), BytesWithBos());
  EXPECT_EQ(windows.sequences[0].tokens[0], kBos);
  EXPECT_EQ(windows.sequences[0].tokens[1], 'a');
  EXPECT_EQ(windows.sequences[1].tokens[0], 'a' + 2047 % 26);
}

TEST(LlamaCpp512, ScoresTheSecondHalfOfEachChunk) {
  const Windows windows = Cut("llamacpp-512", Letters(584 * 4), Bytes());
  ASSERT_EQ(windows.sequences.size(), 4u);
  EXPECT_EQ(windows.sequences[0].first_scored, 257u);
  EXPECT_EQ(windows.sequences[0].num_scored(), 255u);
  EXPECT_EQ(windows.num_predictions, 4 * 255u);
}

TEST(LlamaCpp512, ReplacesEachChunksFirstTokenByBos) {
  const Windows windows = Cut("llamacpp-512", Letters(2000), BytesWithBos());
  for (const Sequence& sequence : windows.sequences) EXPECT_EQ(sequence.tokens[0], kBos);
  // The stream is BOS and the text: token 513 is byte 512.
  EXPECT_EQ(windows.sequences[1].tokens[1], 'a' + 512 % 26);
}

TEST(LlamaCpp512, DropsOneFinalNewlineAndNeedsTwoChunks) {
  EXPECT_FALSE(CutIntoWindows(Named("llamacpp-512"), Letters(1024, 1024), Bytes()).ok());
  EXPECT_TRUE(CutIntoWindows(Named("llamacpp-512"), Letters(1024, 1000), Bytes()).ok());
}

TEST(HfStride, ScoresEveryTokenOnceAndCountsTMinusOne) {
  const size_t n = 5000;
  const Windows windows = Cut("hf-stride", Letters(n), Bytes());
  // Ends at 2048, 2560, ..., 4608, 5000: 1 + 5 + 1 windows.
  ASSERT_EQ(windows.sequences.size(), 7u);
  EXPECT_EQ(windows.num_tokens, n);
  EXPECT_EQ(windows.num_predictions, n - 1);
  EXPECT_EQ(windows.sequences[0].weight, 2047.0);
  EXPECT_EQ(windows.sequences[1].weight, 511.0);
  EXPECT_EQ(windows.sequences[1].num_scored(), 512u);
  EXPECT_EQ(windows.sequences[6].weight, 391.0);
  EXPECT_EQ(windows.sequences[6].num_scored(), 392u);
  EXPECT_EQ(windows.sequences[6].tokens.size(), n - 6 * 512);
}

TEST(HfStride, TakesAShortTextAsOneWindow) {
  const Windows windows = Cut("hf-stride", Letters(10), Bytes());
  ASSERT_EQ(windows.sequences.size(), 1u);
  EXPECT_EQ(windows.num_predictions, 9u);
}

TEST(Lines512Seed, TakesNonBlankLinesOfAPlainTextAndSaysSo) {
  const Text text = Make("abc\n\n \nx\n" + std::string(600, 'y') + "\n");
  const Windows windows = Cut("lines-512-seed", text, Bytes());
  ASSERT_EQ(windows.sequences.size(), 3u);
  EXPECT_THAT(windows.note, HasSubstr("all non-blank lines"));
  EXPECT_EQ(windows.sequences[0].tokens.size(), 4u);
  EXPECT_EQ(windows.sequences[0].weight, 4.0);
  EXPECT_EQ(windows.sequences[0].num_scored(), 3u);
  EXPECT_EQ(windows.sequences[2].tokens.size(), 512u);
  EXPECT_EQ(windows.num_tokens, 4u + 2u + 512u);
  EXPECT_THAT(windows.warnings,
              ElementsAre("lines cut to 512 tokens: 1 of 3; their other 89 tokens are not scored"));
}

TEST(Lines512Seed, SkipsALineOfOneToken) {
  const Windows windows = Cut("lines-512-seed", Make("abc\nx"), Bytes());
  EXPECT_EQ(windows.sequences.size(), 1u);
  EXPECT_THAT(windows.warnings,
              ElementsAre("lines of one token, which have nothing to predict, left out: 1"));
}

TEST(Lines512Seed, CountsTheBosInTheCut) {
  const Windows windows = Cut("lines-512-seed", Make(std::string(600, 'y')), BytesWithBos());
  EXPECT_EQ(windows.sequences[0].tokens.size(), 512u);
  EXPECT_EQ(windows.sequences[0].tokens[0], kBos);
}

TEST(Lines512Seed, KeepsFiveHundredByDefaultAndMoreIfAsked) {
  const Text text = Letters(700 * 10, 10);
  EXPECT_EQ(Cut("lines-512-seed", text, Bytes()).sequences.size(), 500u);
  EXPECT_EQ(Cut("lines-512-seed", text, Bytes(), 600).sequences.size(), 600u);
  EXPECT_EQ(Cut("lines-512-seed", text, Bytes(), 9000).sequences.size(), 700u);
}

TEST(Lines512Seed, LeavesOutTheListedRows) {
  // The published list of what the first 559 non-blank rows lack.
  constexpr uint16_t kPublished[] = {0,   3,   10,  11,  12,  13,  14,  17,  28,  42,  44,  56,
                                     67,  76,  85,  90,  92,  93,  99,  101, 103, 106, 107, 108,
                                     112, 117, 148, 149, 163, 166, 169, 175, 181, 187, 198, 205,
                                     212, 285, 289, 292, 307, 313, 332, 333, 345, 438, 458, 473,
                                     478, 481, 487, 492, 501, 511, 515, 518, 529, 533, 540};
  static_assert(std::size(kPublished) == 59);
  EXPECT_TRUE(std::equal(std::begin(kPublished), std::end(kPublished), kSeedExcludedRows.begin()));
  EXPECT_GT(kSeedExcludedRows[59], 558);
  EXPECT_TRUE(std::is_sorted(kSeedExcludedRows.begin(), kSeedExcludedRows.end()));

  Text text = Letters(20 * 10, 10);
  text.corpus = Corpus::kWikiText2Test;
  EXPECT_EQ(Cut("lines-512-seed", text, Bytes()).sequences.size(), 12u);  // less 0,3,10-14,17
}

TEST(RollingDoc, PredictsTheFirstTokenFromThePrefix) {
  const Windows windows = Cut("rolling-doc", Make("to be\n"), Bytes());
  ASSERT_EQ(windows.sequences.size(), 1u);
  EXPECT_THAT(windows.sequences[0].tokens, ElementsAre(kEos, 't', 'o', ' ', 'b', 'e', '\n'));
  EXPECT_EQ(windows.num_predictions, 6u);
  EXPECT_EQ(windows.num_tokens, 6u);
  EXPECT_EQ(windows.sequences[0].num_words, 3u) << "an empty piece after the final newline counts";
  EXPECT_EQ(windows.sequences[0].num_bytes, 6u);
  EXPECT_EQ(windows.aggregation, Aggregation::kPerWord);
}

TEST(RollingDoc, PrefersBosAndNeedsOneOfTheTwo) {
  EXPECT_EQ(Cut("rolling-doc", Make("a"), BytesWithBos()).sequences[0].tokens[0], kBos);
  TextEncoder neither = Bytes();
  neither.eos.reset();
  EXPECT_FALSE(CutIntoWindows(Named("rolling-doc"), Make("a b"), neither).ok());
}

TEST(RollingDoc, RollsOverADocumentLongerThanTheModel) {
  // The harness's own example (get_rolling_token_windows of ten tokens, four at a time, one of
  // context): targets 0-3, 4-7, 8-9; inputs [prefix 0 1 2], [3 4 5 6], [5 6 7 8].
  const Windows windows = Cut("rolling-doc", Make("0123456789"), Bytes(4));
  ASSERT_EQ(windows.sequences.size(), 3u);
  EXPECT_THAT(windows.sequences[0].tokens, ElementsAre(kEos, '0', '1', '2', '3'));
  EXPECT_EQ(windows.sequences[0].first_scored, 1u);
  EXPECT_THAT(windows.sequences[1].tokens, ElementsAre('3', '4', '5', '6', '7'));
  EXPECT_EQ(windows.sequences[1].first_scored, 1u);
  EXPECT_THAT(windows.sequences[2].tokens, ElementsAre('5', '6', '7', '8', '9'));
  EXPECT_EQ(windows.sequences[2].first_scored, 3u);
  EXPECT_EQ(windows.num_predictions, 10u);
  EXPECT_EQ(windows.sequences[0].num_bytes, 10u);
  EXPECT_EQ(windows.sequences[1].num_bytes, 0u);
}

TEST(RollingDoc, ScoresEachArticleOfAPlainText) {
  const Windows windows = Cut("rolling-doc", Make("# A\n\nxx\n\n# B\n\nyy\n"), Bytes());
  ASSERT_EQ(windows.sequences.size(), 2u);
  EXPECT_THAT(windows.sequences[0].clusters, Each(0u));
  EXPECT_THAT(windows.sequences[1].clusters, Each(1u));
}

TEST(Clusters, FollowTokensThroughChunks) {
  const std::string article = std::string(1493, 'x') + "\n";
  const Windows windows =
      Cut("gptq-2048", Make("# A\n\n" + article + "\n# B\n\n" + article), Bytes());
  ASSERT_EQ(windows.sequences.size(), 1u);
  const std::vector<uint32_t>& clusters = windows.sequences[0].clusters;
  EXPECT_EQ(clusters[1500 - 2], 0u) << "token 1499, the last of the first article";
  EXPECT_EQ(clusters[1500 - 1], 1u);
  EXPECT_EQ(clusters.size(), 2047u);
}

TEST(Clusters, OfATokenizerThatRewritesAreStretchedAndSaid) {
  TextEncoder encoder = Bytes();
  encoder.num_bytes = [](TokenId) -> size_t { return 2; };  // twice as long as the text
  const std::string article = std::string(1493, 'x') + "\n";
  const Text text = Make("# A\n\n" + article + "\n# B\n\n" + article);
  const Windows windows = Cut("gptq-2048", text, encoder);
  const std::vector<uint32_t>& clusters = windows.sequences[0].clusters;
  EXPECT_EQ(clusters[1500 - 2], 0u);
  EXPECT_EQ(clusters[1500 - 1], 1u);
  EXPECT_THAT(
      windows.warnings,
      ElementsAre(HasSubstr("spell 5998 bytes where the text has 2999"),
                  "the last 951 of 2999 tokens make no whole chunk of 2048 and are not scored"));
}

TEST(WikitextPages, SplitWhereALineLooksLikeATitle) {
  const std::string raw = " \n = A = \n \n = = S = = \n x \n = B = \n y \n";
  const std::vector<PageRange> pages = SplitIntoPages(raw);
  ASSERT_EQ(pages.size(), 2u);
  EXPECT_EQ(raw.substr(pages[0].begin, pages[0].end - pages[0].begin),
            " = A = \n \n = = S = = \n x ");
  EXPECT_EQ(raw.substr(pages[1].begin), " = B = \n y \n");
}

TEST(WikitextPages, DetokenizeAsTheHarnessDoes) {
  // Expected values: Python's re.sub and str.replace with the harness's patterns.
  EXPECT_EQ(Detokenize("a , b . c"), "a, b. c");
  EXPECT_EQ(Detokenize("well @-@ known 1 @,@ 000 @.@ 5"), "well-known 1,000.5");
  EXPECT_EQ(Detokenize("( x ) [ y ] { z }"), "(x) [y] {z}");
  EXPECT_EQ(Detokenize("say \" hi there \" now"), "say \"hi there\" now");
  EXPECT_EQ(Detokenize(" = = = Title = = = \n x "), " === Title ===\nx ");
  EXPECT_EQ(Detokenize("it 's N times"), "it's 1 times");
  EXPECT_EQ(Detokenize("the dogs ' tails"), "the dogs' tails");
  EXPECT_EQ(Detokenize("/' 5/"), "/'[0-9]/");
  EXPECT_EQ(Detokenize("20 \u00b0 C"), "20\u00b0C");
}

TEST(WikitextPages, CountPiecesAsPythonSplits) {
  EXPECT_EQ(CountPieces("a b"), 2u);
  EXPECT_EQ(CountPieces(" a  b \n"), 4u);
  EXPECT_EQ(CountPieces("a\u00a0b\u3000c"), 3u);
  EXPECT_EQ(CountPieces(""), 1u);
}

}  // namespace
}  // namespace bitloss
