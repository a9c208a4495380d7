// WikiText-2's test split under Qwen2.5's tokenizer: every count and hash that is known of it.
//
// The figures: Hugging Face tokenizers 0.23.3 on the rows of the data set, lm-evaluation-harness's
// page splitting and detokenizer run in Python 3.11, and the counts of the published protocols.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "bitloss/base/hash.h"
#include "bitloss/data/protocols/wikitext_pages.h"
#include "bitloss/data/text_encoder.h"

namespace bitloss {
namespace {

using ::testing::ElementsAre;

const Text& WikiText2() {
  static const Text text = [] {
    Result<Text> loaded = LoadText(BITLOSS_SHARED_DATA "/wikitext2/wiki.test.raw");
    BITLOSS_CHECK(loaded.ok());
    return std::move(loaded).value();
  }();
  return text;
}

Windows Cut(std::string_view id, std::optional<size_t> max_samples = std::nullopt) {
  static const TextEncoder encoder = [] {
    const Result<Tokenizer> tokenizer =
        Tokenizer::FromFolder(BITLOSS_SHARED_DATA "/qwen2.5-tokenizer");
    BITLOSS_CHECK(tokenizer.ok());
    return MakeTextEncoder(tokenizer.value(), 32768);
  }();
  Result<Windows> windows =
      CutIntoWindows(*FindProtocol(id).value(), WikiText2(), encoder, max_samples);
  BITLOSS_CHECK(windows.ok());
  return std::move(windows).value();
}

std::string HashIds(const Windows& windows) {
  std::vector<TokenId> ids;
  for (const Sequence& sequence : windows.sequences) {
    ids.insert(ids.end(), sequence.tokens.begin(), sequence.tokens.end());
  }
  return Sha256Hex(std::as_bytes(std::span(ids)));
}

std::map<uint32_t, size_t> ScoredPerCluster(const Windows& windows) {
  std::map<uint32_t, size_t> scored;
  for (const Sequence& sequence : windows.sequences) {
    for (const uint32_t cluster : sequence.clusters) ++scored[cluster];
  }
  return scored;
}

TEST(WikiText2, IsRecognisedAndCutAsTheDataSetIs) {
  const Text& text = WikiText2();
  EXPECT_EQ(text.name, "wikitext2");
  EXPECT_EQ(text.corpus, Corpus::kWikiText2Test);
  EXPECT_EQ(text.rows.size(), 4358u);
  size_t blank = 0;
  for (const Row& row : text.rows) blank += row.blank ? 1 : 0;
  EXPECT_EQ(blank, 1467u);
  EXPECT_EQ(text.cluster_kind, ClusterKind::kArticles);
  EXPECT_EQ(text.num_clusters, 60u);
  const Stream joined = JoinedStream(text);
  EXPECT_EQ(joined.text.size(), 1296370u);
  EXPECT_EQ(Sha256Hex(joined.text),
            "696cca6b65a171b0a358a4be6732cdfdf2dd6164a32e20fd70e3c13fc4dfae83");
}

TEST(WikiText2, HasAValidationSplitToo) {
  const Result<Text> text = LoadText(BITLOSS_SHARED_DATA "/wikitext2/wiki.valid.raw");
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(text.value().name, "wikitext2-valid");
  EXPECT_EQ(text.value().rows.size(), 3760u);
  EXPECT_EQ(text.value().num_clusters, 60u);
}

TEST(Lines512Seed, HasThePublishedCountsAndIds) {
  const Windows windows = Cut("lines-512-seed");
  ASSERT_EQ(windows.sequences.size(), 500u);
  EXPECT_EQ(windows.num_tokens, 63398u);
  EXPECT_EQ(windows.num_predictions, 62898u);
  EXPECT_EQ(windows.note, "");
  std::vector<size_t> lengths;
  for (size_t i = 0; i < 10; ++i) lengths.push_back(windows.sequences[i].tokens.size());
  EXPECT_THAT(lengths, ElementsAre(202, 222, 18, 163, 231, 14, 220, 269, 119, 122));
  EXPECT_EQ(HashIds(windows), "f0fbd09bf548593853b66d85b36484a2a644ce71b74378b2c3c997cac98c0cfd");
  EXPECT_THAT(ScoredPerCluster(windows),
              ElementsAre(std::pair(0, 1331), std::pair(1, 5368), std::pair(2, 2913),
                          std::pair(3, 9385), std::pair(4, 2516), std::pair(5, 2945),
                          std::pair(6, 12340), std::pair(7, 2887), std::pair(8, 13247),
                          std::pair(9, 1948), std::pair(10, 3402), std::pair(11, 4616)));
}

TEST(Lines512Seed, GoesOnToAllLines) {
  const Windows windows = Cut("lines-512-seed", 100000);
  EXPECT_EQ(windows.sequences.size(), 2475u);
  EXPECT_EQ(windows.num_tokens, 296326u);
  EXPECT_EQ(windows.num_predictions, 293851u);
  EXPECT_EQ(HashIds(windows), "5b2115a2661b0fdca88500e7869873cd34b2f986df485b16804e45083a2a43fd");
}

TEST(Gptq2048, Has146Chunks) {
  const Windows windows = Cut("gptq-2048");
  EXPECT_EQ(windows.sequences.size(), 146u);
  EXPECT_EQ(windows.num_predictions, 298862u);
  EXPECT_EQ(ScoredPerCluster(windows).size(), 60u);
}

TEST(LlamaCpp512, Has584Chunks) {
  const Windows windows = Cut("llamacpp-512");
  EXPECT_EQ(windows.sequences.size(), 584u);
  EXPECT_EQ(windows.num_predictions, 148920u);
  EXPECT_THAT(std::vector<TokenId>(windows.sequences[0].tokens.begin(),
                                   windows.sequences[0].tokens.begin() + 8),
              ElementsAre(715, 284, 8397, 425, 10965, 465, 284, 31906));
}

TEST(HfStride, Has582Windows) {
  const Windows windows = Cut("hf-stride");
  EXPECT_EQ(windows.sequences.size(), 582u);
  EXPECT_EQ(windows.num_tokens, 299078u);
  EXPECT_EQ(windows.num_predictions, 299077u);
  double weight = 0.0;
  for (const Sequence& sequence : windows.sequences) weight += sequence.weight;
  EXPECT_EQ(weight, 298496.0);
  // Every token but the first is scored once, so articles add up to their tokens.
  const auto scored = ScoredPerCluster(windows);
  ASSERT_EQ(scored.size(), 60u);
  size_t longest = 0;
  size_t shortest = 1000000;
  for (const auto& [cluster, count] : scored) {
    longest = std::max(longest, count);
    shortest = std::min(shortest, count);
  }
  // 623 and 16,353 when articles are tokenised apart; in the stream the blank rows between two
  // articles make one token with the end of the first.
  EXPECT_NEAR(static_cast<double>(shortest), 623, 1);
  EXPECT_NEAR(static_cast<double>(longest), 16353, 1);
}

TEST(RollingDoc, Has62Pages) {
  const Windows windows = Cut("rolling-doc");
  EXPECT_EQ(windows.sequences.size(), 62u);
  EXPECT_EQ(windows.num_tokens, 284651u);
  EXPECT_EQ(windows.num_predictions, 284651u);
  size_t longest = 0;
  uint64_t words = 0;
  uint64_t bytes = 0;
  for (const Sequence& sequence : windows.sequences) {
    longest = std::max(longest, sequence.num_scored());
    words += sequence.num_words;
    bytes += sequence.num_bytes;
  }
  EXPECT_EQ(longest, 15620u);
  EXPECT_EQ(words, 241335u);
  EXPECT_EQ(bytes, 1290527u);
  EXPECT_EQ(windows.sequences[0].tokens[0], 151645) << "<|im_end|>, for want of a BOS";
}

TEST(RollingDoc, DetokenizesAsTheHarness) {
  const std::string& raw = WikiText2().raw;
  std::string pages;
  for (const PageRange& page : SplitIntoPages(raw)) {
    if (!pages.empty()) pages += '\0';
    pages += Detokenize(std::string_view(raw).substr(page.begin, page.end - page.begin));
  }
  EXPECT_EQ(Sha256Hex(pages), "b0ae50e166add20959a5406d9b3c99fe1f23819ec0a10149047149434fb85d81");
}

}  // namespace
}  // namespace bitloss
