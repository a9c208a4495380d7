#include "bitloss/study/texts.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "bitloss/data/embedded.h"

namespace bitloss {
namespace {

// Characters of three and four bytes, whose tokens in a byte-level vocabulary are parts of them.
// Every article is one cluster, and has the tokens that it has alone, but for where pieces join.
TEST(TextsTest, GivesEveryTokenToItsOwnArticle) {
  const ModelFiles model = OpenModel(EmbeddedModelFolder().value().string()).value();
  std::string chinese;
  for (int i = 0; i < 40; ++i) chinese += "今天的天气很好，我们去公园散步。😀";
  std::string english;
  for (int i = 0; i < 60; ++i) english += "The weather is fine and we walk in the park. ";
  const std::string articles[] = {"# One\n\n" + chinese + "\n\n", "# Two\n\n" + english + "\n\n",
                                  "# Three\n\n" + english + chinese + "\n"};
  const std::filesystem::path path = testing::TempDir() + "/texts_test.txt";
  std::ofstream(path) << articles[0] << articles[1] << articles[2];

  StudyOptions options;
  options.texts = {path};
  options.protocols = {"hf-stride"};
  const auto texts = LoadTexts(model, options);
  ASSERT_TRUE(texts.ok()) << texts.error().message;
  std::map<uint32_t, size_t> num_tokens;
  for (const auto& sequence : texts.value()[0].windows.sequences) {
    for (const uint32_t cluster : sequence.clusters) ++num_tokens[cluster];
  }
  ASSERT_EQ(num_tokens.size(), 3u);
  for (uint32_t i = 0; i < 3; ++i) {
    const size_t alone =
        model.tokenizer.Encode(articles[i], Tokenizer::Special::kParse, Tokenizer::AddTokens::kNone)
            .value()
            .size();
    EXPECT_NEAR(static_cast<double>(num_tokens[i]), static_cast<double>(alone), 4) << i;
  }
}

}  // namespace
}  // namespace bitloss
