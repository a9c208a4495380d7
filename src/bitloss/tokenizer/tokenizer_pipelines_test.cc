// Every kind of pipeline, from tokenizer.json and from GGUF, gives the ids of Python's
// `tokenizers`. tools/golden/tokenizer_pipelines.py made them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "bitloss/base/file.h"
#include "bitloss/checkpoint/gguf.h"
#include "bitloss/checkpoint/test_files.h"
#include "bitloss/json/parse.h"
#include "bitloss/tokenizer/tokenizer.h"

namespace bitloss {
namespace {

Json ReadGolden() {
  const auto text =
      ReadFile(BITLOSS_SOURCE_DIR "/src/bitloss/tokenizer/testdata/tokenizer_pipelines.json");
  EXPECT_TRUE(text.ok());
  return ParseJson(text.value()).value();
}

// The model's tokenizer.json with what the pipeline changes.
Json Whole(const Json& golden, const Json& pipeline) {
  Json whole = golden["models"][pipeline["model"].get<std::string>()];
  for (const auto& [key, value] : pipeline["changes"].items()) {
    const bool of_model = key == "ignore_merges" || key == "byte_fallback" || key == "fuse_unk";
    (of_model ? whole["model"][key] : whole[key]) = value;
  }
  return whole;
}

void ExpectIds(const Result<Tokenizer>& tokenizer, const Json& golden, const Json& pipeline) {
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  for (size_t i = 0; i < golden["texts"].size(); ++i) {
    const std::string text = golden["texts"][i];
    const auto ids =
        tokenizer.value().Encode(text, Tokenizer::Special::kParse, Tokenizer::AddTokens::kModel);
    ASSERT_TRUE(ids.ok()) << ids.error().message;
    EXPECT_EQ(Json(ids.value()), pipeline["ids"][i]) << text;
  }
}

TEST(TokenizerPipelines, FromTokenizerJson) {
  const Json golden = ReadGolden();
  EXPECT_EQ(golden["pipelines"].size(), 83u);
  const test_files::Folder folder;
  for (const Json& pipeline : golden["pipelines"]) {
    SCOPED_TRACE(pipeline["title"]);
    folder.Write("tokenizer.json", Whole(golden, pipeline).dump());
    ExpectIds(Tokenizer::FromFolder(folder.path()), golden, pipeline);
  }
}

test_files::Gguf GgufOf(const Json& model, const std::string& pre) {
  std::vector<std::string> tokens(model["vocab"].size());
  for (const auto& [token, id] : model["vocab"].items()) tokens.at(id) = token;
  std::vector<std::string> merges;
  for (const Json& merge : model["merges"]) {
    merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  }
  test_files::Gguf gguf;
  gguf.Text("tokenizer.ggml.model", "gpt2").Text("tokenizer.ggml.pre", pre);
  gguf.Texts("tokenizer.ggml.tokens", tokens).Texts("tokenizer.ggml.merges", merges);
  return gguf;
}

TEST(TokenizerPipelines, FromEveryNameThatGgufHasForThem) {
  const Json golden = ReadGolden();
  const test_files::Folder folder;
  size_t num_names = 0;
  for (const Json& pipeline : golden["pipelines"]) {
    for (const std::string name : pipeline["gguf"]) {
      SCOPED_TRACE(name);
      const auto path =
          folder.Write("t.gguf", GgufOf(golden["models"]["bytes"]["model"], name).Build());
      const auto file = GgufFile::Open(path);
      ASSERT_TRUE(file.ok()) << file.error().message;
      ExpectIds(Tokenizer::FromGguf(file.value()), golden, pipeline);
      ++num_names;
    }
  }
  EXPECT_EQ(num_names, 75u);
}

}  // namespace
}  // namespace bitloss
