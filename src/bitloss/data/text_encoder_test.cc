#include "bitloss/data/text_encoder.h"

#include <gtest/gtest.h>

#include "bitloss/data/embedded.h"

namespace bitloss {
namespace {

TextEncoder OfBitlossTiny() {
  const Result<std::filesystem::path> folder = EmbeddedModelFolder();
  BITLOSS_CHECK(folder.ok());
  const Result<Tokenizer> tokenizer = Tokenizer::FromFolder(folder.value());
  BITLOSS_CHECK(tokenizer.ok());
  return MakeTextEncoder(tokenizer.value(), 2048);
}

TEST(TextEncoder, CountsTheBytesOfTokensThatArePartsOfCharacters) {
  const TextEncoder encoder = OfBitlossTiny();
  for (const std::string_view text :
       {"plain words\n", "caf\u00e9 \u2013 \u56fe\u4e66\u9986 \U0001F980"}) {
    const Result<std::vector<TokenId>> ids = encoder.encode(text);
    ASSERT_TRUE(ids.ok());
    size_t bytes = 0;
    for (const TokenId id : ids.value()) bytes += encoder.num_bytes(id);
    EXPECT_EQ(bytes, text.size());
  }
}

TEST(TextEncoder, CutsTheModelsOwnTextUnderEveryProtocol) {
  const TextEncoder encoder = OfBitlossTiny();
  const Result<Text> text = LoadText(EmbeddedModelFolder().value() / "eval.txt");
  ASSERT_TRUE(text.ok());
  for (const Protocol& protocol : Protocols()) {
    const Result<Windows> windows = CutIntoWindows(protocol, text.value(), encoder);
    ASSERT_TRUE(windows.ok()) << protocol.id << ": " << windows.error().message;
    // 21,112 tokens (the model's README): 10 chunks of 2,048 and 41 of 512.
    if (protocol.id == "gptq-2048") {
      EXPECT_EQ(windows.value().sequences.size(), 10u);
    }
    if (protocol.id == "llamacpp-512") {
      EXPECT_EQ(windows.value().sequences.size(), 41u);
    }
    if (protocol.id == "hf-stride") {
      EXPECT_EQ(windows.value().num_tokens, 21112u);
    }
    if (protocol.id == "rolling-doc") {
      EXPECT_EQ(windows.value().num_predictions, 21112u);
    }
  }
}

}  // namespace
}  // namespace bitloss
