// Real files: other tools made them, bitloss opens them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bitloss/checkpoint/checkpoint.h"

namespace bitloss {
namespace {

const std::filesystem::path kData = BITLOSS_SHARED_DATA;

class ModelFolderTest : public testing::TestWithParam<const char*> {};

TEST_P(ModelFolderTest, OpensAndHoldsOnlyNumbers) {
  const auto checkpoint = Checkpoint::Open(kData / "models" / GetParam());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message;
  // One of the two may stand for both.
  EXPECT_TRUE(checkpoint.value()->Has("model.embed_tokens.weight") ||
              checkpoint.value()->Has("lm_head.weight"));
  for (const std::string& name : checkpoint.value()->TensorNames()) {
    const TensorInfo info = checkpoint.value()->Info(name).value();
    std::vector<float> values(info.rows * info.cols);
    const Status read = ReadFiniteRows(*checkpoint.value(), name, 0, info.rows, values);
    EXPECT_TRUE(read.ok()) << read.error().message;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ModelFolderTest,
                         testing::Values("bitloss-tiny", "tinystories-656k", "stories260K/hf"));

class VocabularyTest : public testing::TestWithParam<const char*> {};

TEST_P(VocabularyTest, OpensAFileThatHasOnlyATokenizer) {
  const auto file = GgufFile::Open(kData / "tokenizer-vectors" / GetParam());
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_TRUE(file.value().tensors().empty());
  const auto tokens = file.value().metadata().GetStrings("tokenizer.ggml.tokens").value();
  const auto types = file.value().metadata().GetInts("tokenizer.ggml.token_type").value();
  EXPECT_EQ(tokens.size(), types.size());
  EXPECT_GE(tokens.size(), 32000u);
}

INSTANTIATE_TEST_SUITE_P(Files, VocabularyTest,
                         testing::Values("ggml-vocab-gpt-2.gguf", "ggml-vocab-llama-spm.gguf"));

}  // namespace
}  // namespace bitloss
